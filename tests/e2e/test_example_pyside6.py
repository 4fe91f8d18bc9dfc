"""The PySide6 example runs as it stands, against a real server, and goes on without it (R-41)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support import display
from support.shop import Shop
from support.windows import missing

APP = Path(__file__).resolve().parents[2] / "examples" / "pyside6_app"

DRIVER = """
import json, sys, time

sys.path.insert(0, sys.argv[1])
import flight_window as example
from PySide6.QtWidgets import QApplication

app = QApplication([])
window = example.FlightWindow(example.Carnet(product=example.PRODUCT, server=example.SERVER, root=example.ROOT))
window.show()


def until(condition):
    end = time.monotonic() + 120
    while not condition() and time.monotonic() < end:
        app.processEvents()
        time.sleep(0.01)
    return condition()


until(lambda: window.badge.text().strip() != "")
before = {"badge": window.badge.text().strip(), "export": window.export.isEnabled()}
key = sys.stdin.readline().strip()
if key:
    window.carnet.activate(key)
    until(window.export.isEnabled)
    until(lambda: window.badge.text().strip() != before["badge"])
window.export.click()
print(json.dumps({
    "before": before,
    "badge": window.badge.text().strip(),
    "export": window.export.isEnabled(),
    "exported": window.exported,
    "why": window.export.toolTip(),
}))
window.close_license()
window.close()
"""


def run(shop: Shop, state: Path, key: str = "") -> Any:
    """The app, opened by a user who types *key* if there is one, and closed again."""
    settings = {
        "CARNET_SERVER": shop.stage.url,
        "CARNET_ROOT": str(shop.stage.root_path),
        "CARNET_STATE": str(state),
        "CARNET_DEVICE_ID": "the desk",
        "NO_PROXY": "127.0.0.1",
        "QT_QPA_PLATFORM": "offscreen",
    }
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(APP)],
        input=f"{key}\n",
        env=display.environment(**settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


@pytest.mark.skipif(bool(missing("qt")), reason=f"not run here: {missing('qt')}")
def test_a_desktop_app_is_activated_and_exports_also_without_the_server(shop: Shop, tmp_path: Path) -> None:
    bare = run(shop, tmp_path)
    assert (bare["badge"], bare["export"], bare["exported"]) == ("Not activated", False, [])
    assert "not activated" in bare["why"]

    key = shop.license("--set", 'entitlements=["export-pdf"]')["key"]
    active = run(shop, tmp_path, key)
    assert (active["before"]["export"], active["export"], len(active["exported"])) == (False, True, 3)
    assert active["badge"] != "Not activated"

    shop.stage.stop_server()
    try:
        offline = run(shop, tmp_path)
        assert (offline["before"]["export"], len(offline["exported"]), offline["why"]) == (True, 3, "")
    finally:
        shop.stage.start_server()
