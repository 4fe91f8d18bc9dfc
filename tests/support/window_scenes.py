"""
What the tests of windows play: a device on some day of its life, with the real SDK on it, and what a person does.

A toolkit's stage (`tk_stage`, `qt_stage`) runs in a process of its own, plays every scene and prints what became of it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from carnet.core._base import Struct
from carnet.core.instant import DAY
from support.issuing import LICENSE_KEY
from support.sdk import Desk


class Scene(Struct):
    """
    A scene.

    Attributes:
        day: How many days ago the device was activated; None: never.
        language: The person's.
        dark: Whether the app is dark.
        scale: How large the system's font is.
        asks: Whether the person presses the badge.
        presses: Buttons that are pressed, one after the other, each once its predecessor has had its effect.
        types: A license key that is typed once the dialog asks for one.
        has_pipe: Whether Tk can watch a pipe; on Windows it cannot, and is woken by events.
        is_online: Whether there is a network once the person acts; the app starts without one.
    """

    day: float | None = 0
    language: str = "en"
    dark: bool = False
    scale: float = 1
    asks: bool = False
    presses: tuple[str, ...] = ()
    types: str | None = None
    is_online: bool = False
    has_pipe: bool = True


MISTYPED = LICENSE_KEY[:3] + ("8" if LICENSE_KEY[3] != "8" else "9") + LICENSE_KEY[4:]
PICTURED: dict[str, Scene] = {
    "near": Scene(day=27),
    "grace": Scene(day=33),
    "expired": Scene(day=40),
    "near-dark": Scene(day=27, dark=True),
    "grace-dark": Scene(day=33, dark=True),
    "expired-dark": Scene(day=40, dark=True),
    "status": Scene(day=2, asks=True),
    "key": Scene(day=None, presses=("enter_first_key",), types=MISTYPED, is_online=True),
}
"""The scenes whose pictures are in docs/pictures."""
SCENES: dict[str, Scene] = {
    **PICTURED,
    "near-de": Scene(day=29, language="de"),
    "expired-de": Scene(day=40, language="de"),
    "grace-fr-large": Scene(day=36, language="fr", scale=2),
    "quiet": Scene(day=2),
    "offline": Scene(day=33, presses=("connect",)),
    "back-online": Scene(day=33, presses=("connect",), is_online=True),
    "later": Scene(day=27, presses=("remind_later",)),
    "by-events": Scene(day=33, presses=("connect",), is_online=True, has_pipe=False),
    "renew": Scene(day=40, presses=("save_request",)),
}


class Stage:
    """The device of a scene, and its app."""

    def __init__(self, scene: Scene) -> None:
        self.desk = Desk(Path(tempfile.mkdtemp(prefix="carnet-scene-")))
        if scene.day is not None:
            assert self.desk.app().activate(LICENSE_KEY)
            self.desk.pass_time(round(scene.day * DAY))
        self.desk.transport.online = False
        self.app = self.desk.app()
        self.requests: list[str] = []

    def settings(self, scene: Scene) -> dict[str, Any]:
        """The settings of the notices."""
        return {
            "language": scene.language,
            "renewal_url": "https://example.com/renew",
            "offline_request": self._save if "save_request" in scene.presses else None,
        }

    def _save(self) -> str:
        self.requests.append("request")
        return "hustl-request.txt"


def play(play_one: Callable[[str, Scene], dict[str, Any]], names: list[str]) -> dict[str, Any]:
    """Every scene named, and what became of it."""
    return {name: play_one(name, SCENES[name]) for name in names or SCENES}
