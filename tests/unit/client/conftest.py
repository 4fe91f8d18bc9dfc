"""A device with a vendor in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.sdk import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A fresh device; nothing of this machine's environment reaches it."""
    for name in ("PRODUCT", "SERVER", "ROOT", "LICENSE_KEY", "DEVICE_ID", "STATE"):
        monkeypatch.delenv(f"CARNET_{name}", raising=False)
    return Desk(tmp_path / "state")
