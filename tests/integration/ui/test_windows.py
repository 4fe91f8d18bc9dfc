"""The three dialogs of the LicenseSeat seed and the badge, as real windows of Tk and Qt (R-32, R-41)."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from carnet.ui.look import DARK, LIGHT, rgb
from support.display import pixels_of
from support.issuing import LICENSE_KEY
from support.window_scenes import PICTURED, SCENES
from support.windows import TOOLKITS, Toolkit, missing, run_stage

PICTURES = Path(__file__).resolve().parents[3] / "docs" / "pictures"
MARGIN = 14

Played = tuple[Toolkit, dict[str, Any], Path]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(kit, marks=pytest.mark.skipif(bool(missing(kit)), reason=f"not run here: {missing(kit)}"))
        for kit in TOOLKITS
    ],
)
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Every scene, played once in a process of the toolkit."""
    directory = tmp_path_factory.mktemp(request.param)
    return request.param, run_stage(request.param, directory, []), directory


def texts(scene: dict[str, Any], kind: str = "Label") -> list[str]:
    return [each["text"] for each in scene["dialog"]["widgets"] if each["kind"] == kind and each["text"]]


@pytest.mark.parametrize(
    ("name", "title", "parts", "buttons"),
    [
        (
            "near",
            "Offline license expires in 3 days",
            ["Works offline until 16 April 2030", "Connect to the internet to extend your offline access."],
            ["Remind Me Later", "Connect Now"],
        ),
        (
            "grace",
            "Offline license expired",
            [
                "Grace period ends on 23 April 2030",
                "Your offline access has expired. Please connect to the internet to continue using all features.",
                "Limited mode: You can still open existing projects.",
                "You have 4 days left to connect.",
            ],
            ["Connect Now"],
        ),
        (
            "expired",
            "License validation required",
            ["Please connect to the internet to validate your license."],
            ["Enter New Key", "Try Again"],
        ),
    ],
)
def test_r_32_the_three_dialogs_of_the_seed(
    played: Played, name: str, title: str, parts: list[str], buttons: list[str]
) -> None:
    _, scenes, _ = played
    dialog = scenes[name]["dialog"]
    assert dialog["title"] == title
    assert texts(scenes[name]) == [title, *parts]
    assert texts(scenes[name], "Button") == buttons


@pytest.mark.parametrize(
    ("name", "badge"),
    [
        ("quiet", "Licensed · 28 days offline"),
        ("near", "Expires in 3 days"),
        ("grace", "Expired · 4 days of grace left"),
        ("expired", "License required"),
        ("key", "Not activated"),
        ("near-de", "Läuft in 1 Tag ab"),
        ("back-online", "Licensed · 30 days offline"),
    ],
)
def test_r_32_the_badge_always_shows_the_days_left(played: Played, name: str, badge: str) -> None:
    _, scenes, _ = played
    assert scenes[name]["badge"] == badge


@pytest.mark.parametrize("name", SCENES)
def test_nothing_is_clipped_or_covered_and_nothing_failed(played: Played, name: str) -> None:
    _, scenes, _ = played
    scene = scenes[name]
    assert scene["failure"] == "None"
    assert scene["failures"] == []
    if scene["dialog"] is None:
        return
    widgets = scene["dialog"]["widgets"]
    assert len(widgets) >= 4
    for each in widgets:
        (_, _, width, height), (wants_width, wants_height) = each["place"], each["wants"]
        assert each["is_visible"], each
        assert (width, height) >= (wants_width, 1), each
        assert height >= wants_height, each
    for one, other in combinations(widgets, 2):
        x1, y1, w1, h1 = one["place"]
        x2, y2, w2, h2 = other["place"]
        assert x1 + w1 <= x2 or x2 + w2 <= x1 or y1 + h1 <= y2 or y2 + h2 <= y1, (one, other)
    left = min(each["place"][0] for each in widgets)
    right = max(each["place"][0] + each["place"][2] for each in widgets)
    assert right - left < scene["dialog"]["size"][0]


@pytest.mark.parametrize("name", ["near", "grace", "near-dark", "near-de", "grace-fr-large", "offline"])
def test_an_app_that_may_run_is_never_stood_in_the_way_of(played: Played, name: str) -> None:
    toolkit, scenes, _ = played
    assert scenes[name]["dialog"]["is_modal"] is False
    if not SCENES[name].presses and SCENES[name].scale == 1:  # a large one comes up where the pointer is
        assert scenes[name]["document_has_focus"], "whoever was typing goes on typing"
        assert toolkit == "tk" or scenes[name]["dialog"]["takes_focus"] is False


@pytest.mark.parametrize(
    ("name", "focus"), [("expired", "Try Again"), ("key", "entry"), ("status", "Close"), ("back-online", "Close")]
)
def test_what_was_asked_for_or_cannot_wait_has_the_keyboard(played: Played, name: str, focus: str) -> None:
    _, scenes, _ = played
    assert scenes[name]["dialog"]["is_modal"] is (name in {"expired", "key"})
    assert scenes[name]["dialog"]["focus"] == focus
    assert scenes[name]["dialog"].get("has_keyboard", True)


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("near", ["Remind Me Later", "Connect Now"]),
        ("grace", ["Connect Now"]),
        ("expired", ["Enter New Key", "Try Again"]),
        ("key", ["entry", "Back", "Activate"]),
        ("expired-de", ["Anderen Schlüssel eingeben", "Erneut versuchen"]),
    ],
)
def test_the_tab_key_goes_in_reading_order_and_escape_closes(played: Played, name: str, order: list[str]) -> None:
    _, scenes, _ = played
    assert scenes[name]["dialog"]["order"] == order
    assert scenes[name]["escaped"] is True


def test_screen_readers_are_told_what_colours_tell(played: Played) -> None:
    toolkit, scenes, _ = played
    if toolkit == "tk":  # Tk 8.6 has no interface for them: docs/how-to/notices.md says so
        assert "badge_spoken" not in scenes["grace"]
        return
    assert scenes["grace"]["badge_spoken"] == "License status: Expired · 4 days of grace left. Opens the details."
    name, description = scenes["grace"]["dialog"]["spoken"]
    assert name == "Offline license expired"
    assert description.startswith("Grace period Grace period ends on 23 April 2030 Your offline access has expired.")
    assert all(each["spoken"] for scene in scenes.values() if scene["dialog"] for each in scene["dialog"]["widgets"])


def test_connect_now_without_a_network_says_so_and_changes_nothing(played: Played) -> None:
    _, scenes, _ = played
    assert scenes["offline"]["told"] == [
        "The license server could not be reached. Nothing has changed; please try again later."
    ]
    assert scenes["offline"]["dialog"]["title"] == "Offline license expired"


@pytest.mark.parametrize("name", ["back-online", "by-events"])
def test_connect_now_with_a_network_thanks_and_shows_until_when(played: Played, name: str) -> None:
    _, scenes, _ = played
    assert scenes[name]["told"] == ["Thank you. Your license is up to date."]
    assert scenes[name]["dialog"]["title"] == "Your license is active"
    assert "This device works without a connection until 19 May 2030." in texts(scenes[name])[2]


def test_remind_me_later_takes_the_dialog_away_and_the_keyboard_back(played: Played) -> None:
    _, scenes, _ = played
    assert scenes["later"]["dialog"] is None
    assert scenes["later"]["document_has_focus"]


def test_r_80_a_mistyped_key_is_proposed_in_the_field_and_nothing_is_sent(played: Played) -> None:
    _, scenes, _ = played
    assert scenes["key"]["told"][-1] == f"There may be a typing error. Did you mean {LICENSE_KEY}?"
    assert texts(scenes["key"], "Entry") == [LICENSE_KEY]
    assert scenes["key"]["badge"] == "Not activated"


def test_a_request_for_a_device_without_a_network_is_saved(played: Played) -> None:
    _, scenes, _ = played
    assert scenes["renew"]["requests"] == ["request"]
    assert scenes["renew"]["told"][0].startswith("Saved as hustl-request.txt.")


def test_large_fonts_make_large_dialogs(played: Played) -> None:
    _, scenes, _ = played
    normal, large = (scenes[name]["dialog"]["size"] for name in ("near", "grace-fr-large"))
    assert large[0] > 1.3 * normal[0]
    assert large[1] > 2 * normal[1]


@pytest.mark.parametrize("name", PICTURED)
def test_the_pictures_are_of_these_windows(played: Played, name: str) -> None:
    """Not compared by the pixel: of the dialog's size, in its colours, with text in it; so is the one in the docs."""
    toolkit, scenes, directory = played
    look = DARK if SCENES[name].dark else LIGHT
    width, height = scenes[name]["dialog"]["size"]
    made = pixels_of((directory / f"{name}.png").read_bytes())
    assert made[:2] == (width + 2 * MARGIN, height + 2 * MARGIN)
    kept = pixels_of((PICTURES / f"{toolkit}-{name}.png").read_bytes())
    assert abs(kept[0] - made[0]) <= made[0] // 10, "make pictures"
    assert abs(kept[1] - made[1]) <= made[1] // 10, "make pictures"
    tone = {"near": "warning", "grace": "grace", "expired": "error", "status": "good", "key": "info"}
    ink, soft = look.tones[tone[name.split("-", maxsplit=1)[0]]]  # type: ignore[index]
    for _, _, colors in (made, kept):
        assert {bytes(rgb(color)) for color in (look.ground, look.main, ink, soft)} <= colors
        assert len(colors) > 100


@pytest.mark.parametrize("name", ["near", "grace", "expired", "status", "key"])
def test_the_badges_are_pictured_too(played: Played, name: str) -> None:
    toolkit, _, directory = played
    tone = {"near": "warning", "grace": "grace", "expired": "error", "status": "good", "key": "info"}[name]
    ink, soft = LIGHT.tones[tone]  # type: ignore[index]
    for path in (directory / f"{name}-badge.png", PICTURES / f"{toolkit}-{name}-badge.png"):
        width, height, colors = pixels_of(path.read_bytes())
        assert width > 3 * height > 80
        assert {bytes(rgb(ink)), bytes(rgb(soft))} <= colors
