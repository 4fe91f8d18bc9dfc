"""
What people see of their license: texts in their language, dialogs, a status badge; for terminals, Tk and Qt (R-41).

`model.py` is for any other interface. Nothing here decides, and nothing is loaded that is not used: `carnet.ui.tk`
needs tkinter, `carnet.ui.qt` needs PySide6 (``pip install "carnet[qt]"``), the rest needs neither.
"""

from __future__ import annotations
