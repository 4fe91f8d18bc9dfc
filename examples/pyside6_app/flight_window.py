"""
A licensed desktop app with PySide6: a flight log in a window, whose Export button is sold.

    pip install "carnet[qt]"
    python flight_window.py

The badge in the status bar always says how the license stands; Carnet's dialogs ask for the key, remind before an end,
and say what to do about it. Everything that talks to the server happens on other threads: the window never waits.
"""

from __future__ import annotations

import sys

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QApplication, QListWidget, QMainWindow, QMessageBox, QPushButton, QVBoxLayout, QWidget

from carnet import Carnet, Decision
from carnet.client.events import Event
from carnet.ui.qt import QtNotices

PRODUCT = "hustl"
SERVER = None  # your server, for example "https://license.example.com"
ROOT = None  # the text of your root.json

FLIGHTS = ("LIS-FRA 2026-11-02 2:55", "FRA-NRT 2026-11-03 11:40", "NRT-LIS 2026-11-19 16:05")


class FlightWindow(QMainWindow):
    """The app's only window."""

    # Carnet tells of changes on a thread of its own; a signal brings them to Qt's.
    decided = Signal(object)

    def __init__(self, carnet: Carnet) -> None:
        super().__init__()
        self.setWindowTitle("Flight Log")
        self.exported: list[str] = []
        self.export = QPushButton("Export as PDF")
        self.export.clicked.connect(self.export_flights)
        flights = QListWidget()
        flights.addItems(list(FLIGHTS))
        column = QVBoxLayout()
        column.addWidget(flights)
        column.addWidget(self.export)
        middle = QWidget()
        middle.setLayout(column)
        self.setCentralWidget(middle)

        self.carnet = carnet
        self.notices = QtNotices(carnet, self, renewal_url="https://example.com/renew")
        self.badge = self.notices.badge()
        self.statusBar().addPermanentWidget(self.badge)
        self.decided.connect(self.show_decision)
        self._unsubscribe = carnet.subscribe(self._tell)
        self.show_decision(carnet.check())  # from the disk, a millisecond
        self.notices.start()  # asks, refreshes and looks again by itself

    def show_decision(self, decision: Decision) -> None:
        """The button is there for everyone, and says why where it does nothing."""
        self.export.setEnabled(decision.allows("export-pdf"))
        self.export.setToolTip("" if not decision.reasons else decision.reasons[0].message)

    def export_flights(self) -> None:
        """The sold part asks again, where it works: a license may have ended while the window was open."""
        if self.carnet.check().allows("export-pdf"):
            self.exported = list(FLIGHTS)
        else:
            QMessageBox.information(self, "Flight Log", self.export.toolTip())

    def close_license(self) -> None:
        """Let go of what belongs to the license, before the app ends."""
        self._unsubscribe()
        self.notices.close()
        self.carnet.close()

    def _tell(self, event: Event) -> None:
        self.decided.emit(event.decision)


def main(arguments: list[str]) -> int:
    """Open the window, and end with it."""
    app = QApplication(arguments)
    window = FlightWindow(Carnet(product=PRODUCT, server=SERVER, root=ROOT))
    app.aboutToQuit.connect(window.close_license)
    window.show()
    return app.exec()


if __name__ == "__main__":
    sys.exit(main(sys.argv))
