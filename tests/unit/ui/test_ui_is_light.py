"""What is not used is not loaded: no toolkit without its adapter, no catalogue of another language, no HTTP."""

from __future__ import annotations

import subprocess
import sys


def loaded_by(script: str) -> set[str]:
    report = f"{script}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", report], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_the_model_and_the_terminal_load_no_toolkit_and_no_network() -> None:
    loaded = loaded_by("import carnet.ui.model, carnet.ui.presenter, carnet.ui.terminal")
    assert {"tkinter", "PySide6", "shiboken6", "httpx2", "ssl", "webbrowser"}.isdisjoint(loaded)
    assert {"carnet.ui.texts.german", "carnet.ui.texts.french", "carnet.server"}.isdisjoint(loaded)


def test_the_sdk_does_not_load_the_ui() -> None:
    loaded = loaded_by("import carnet\nfrom carnet import Carnet, AsyncCarnet\nCarnet(product='hustl')")
    assert not {name for name in loaded if name.startswith("carnet.ui")}


def test_a_language_is_loaded_when_it_is_spoken() -> None:
    loaded = loaded_by("from carnet.ui.texts import catalog_for\ncatalog_for('de')")
    assert "carnet.ui.texts.german" in loaded
    assert "carnet.ui.texts.french" not in loaded
