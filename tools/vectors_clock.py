"""
Makes `specs/vectors/clock/` (specs/clock.md §9).

`python tools/vectors_clock.py` writes them; `tests/unit/client/test_clock_vectors.py` makes them again, compares, and
runs them. The inputs are written here by hand; the values are what the SDK says, reviewed by tools/check_vectors.py.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from carnet.core.instant import DAY, HOUR, MAX_INSTANT, Instant  # noqa: E402
from support.clock_vectors import run_vector  # noqa: E402

FOLDER = ROOT / "specs" / "vectors" / "clock"

T = 1_900_000_000
KNOWN: dict[str, Any] = {"trusted_at": T, "boot": "a", "uptime_seconds": 100, "signed_by": "k1"}
AROUND = (("before", -1), ("at", 0), ("after", 1))
Running = tuple[str, int] | None


def look(running: Running, wall: int, signed: tuple[int, str] | None = None, **more: Any) -> dict[str, Any]:
    """One look at the clocks."""
    made: dict[str, Any] = {
        **more,
        "boot": None if running is None else running[0],
        "uptime_seconds": None if running is None else running[1],
        "wall": str(Instant(wall)),
    }
    return made if signed is None else {**made, "signed": {"at": signed[0], "by": signed[1]}}


def single(name: str, section: str, catches: str, remembered: dict[str, Any], *at: Any, **more: Any) -> dict[str, Any]:
    """What is remembered meets one look, `look(*at, **more)`."""
    given = {"remembered": remembered, **look(*at, **more)}
    return {"id": f"clock/{name}", "spec": f"clock.md §{section}", "catches": catches, "input": given}


def bounds() -> Iterator[dict[str, Any]]:
    """§3: the bound, each row of its table."""
    yield single("nothing", "3", "Making up a bound.", {}, ("a", 9 * DAY), T)
    yield single("same-boot", "3", "Not counting running time.", KNOWN, ("a", 100 + DAY), T)
    yield single("same-boot-same-second", "3", "Counting a second that has not passed.", KNOWN, ("a", 100), T)
    yield single("other-boot", "3", "Counting a boot that was never seen.", KNOWN, ("b", 400 * DAY), T)
    yield single("boot-case", "3", "Comparing boots without case.", {**KNOWN, "boot": "A"}, ("a", 100 + DAY), T)
    yield single("no-running-clock", "3", "Failing without a running clock.", KNOWN, None, T)
    without = {"trusted_at": T, "boot": None, "uptime_seconds": 0}
    yield single("no-boot-remembered", "3", "Counting from the start of a boot.", without, ("a", 9 * DAY), T)
    yield single("set-back-machine", "3", "Going back with a restored machine.", KNOWN, ("a", 5), T)
    yield single("wall-ahead", "3", "Taking the wall clock for a bound.", KNOWN, ("a", 101), T + 3650 * DAY)
    yield single("wall-1970", "3", "Taking the wall clock for a bound.", KNOWN, ("a", 101), 0)
    late = {**KNOWN, "trusted_at": MAX_INSTANT}
    yield single("end-of-time", "3", "Counting beyond the year 9999.", late, ("a", 2**40), T)


def observing() -> Iterator[dict[str, Any]]:
    """§4 and §7: signed times, their keys, and keys that are gone."""
    for word, more in AROUND:
        signed = (T + 60 + more, "k2")
        yield single(f"signed-{word}", "4", "Taking an older signed time, or its key.", KNOWN, ("a", 160), T, signed)
    yield single("signed-first", "4", "Needing a bound to learn one.", {}, ("a", 7), T, (T, "k1"))
    yield single("signed-without-running-clock", "4", "Remembering a boot that is none.", KNOWN, None, T, (T + 9, "k2"))
    yield single("signed-long-ago", "4", "Lowering the bound.", KNOWN, ("a", 160), T, (T - 900 * DAY, "k2"))
    yield single("key-there", "7", "Forgetting a bound whose key is there.", KNOWN, ("a", 160), T, keys=["k1", "k2"])
    falls = {**KNOWN, "behind_since": T - 9, "falls": 3}
    yield single("key-gone", "7", "Keeping a bound whose key is gone.", falls, ("a", 160), 0, keys=["k2"])
    poisoned = {**KNOWN, "trusted_at": T + 3650 * DAY}
    yield single(
        "key-gone-and-signed",
        "7",
        "Comparing with a bound that is gone.",
        poisoned,
        ("a", 160),
        T,
        (T, "k2"),
        keys=["k2"],
    )
    unknown = {name: value for name, value in KNOWN.items() if name != "signed_by"}
    yield single("key-not-noted", "7", "Forgetting what an earlier version wrote.", unknown, ("a", 160), T, keys=["k2"])


def records() -> Iterator[dict[str, Any]]:
    """§5: when it is written down."""
    for word, more in AROUND:
        due = ("a", 100 + HOUR + more)
        yield single(f"hour-{word}", "5", "Writing at another moment.", KNOWN, due, T + HOUR)
        back = ("a", 100 + more)
        yield single(f"running-clock-back-{word}", "5", "Not counting again after a restore.", KNOWN, back, T)
    yield single("other-boot-due", "5", "Not writing each boot down.", KNOWN, ("b", 3), T)
    yield single("no-running-clock-due", "5", "Writing at every look.", KNOWN, None, T)


def countdowns() -> Iterator[dict[str, Any]]:
    """§6: far behind, counted down, suspect."""
    since = {**KNOWN, "behind_since": T, "falls": 1}
    for word, more in AROUND:
        wall = T - DAY - more
        yield single(f"behind-{word}", "6", "Tolerating more or less than a day.", KNOWN, ("a", 100), wall)
        ran = ("a", 100 + 72 * HOUR + more)
        yield single(f"suspect-{word}", "6", "Suspecting sooner or later than after 72 hours.", since, ran, 0)
    right = T + 9 * DAY
    yield single("right-again", "6", "Suspecting a clock that was set right.", since, ("a", 100 + 9 * DAY), right)
    yield single("counted-down-in-another-boot", "6", "Counting by the wall clock.", since, ("b", 5), 0)


def histories() -> Iterator[dict[str, Any]]:
    """Several looks."""

    def history(name: str, catches: str, *looks: dict[str, Any]) -> dict[str, Any]:
        return {"id": f"clock/history-{name}", "spec": "clock.md §8", "catches": catches, "input": {"history": looks}}

    signed = (T, "k1")
    yield history(
        "dead-battery",
        "Losing the bound, or gaining one, where every boot starts in 1970.",
        look(("b0", 50), T, signed),
        *(look((f"b{boot}", seconds), seconds) for boot in (1, 2, 3) for seconds in (20, 20 + 2 * HOUR)),
    )
    yield history(
        "ahead-and-back",
        "Remembering a wall clock that was ahead.",
        look(("a", 50), T, signed),
        look(("a", 50 + 2 * HOUR), T + 3650 * DAY),
        look(("a", 50 + 3 * HOUR), T + 3 * HOUR),
    )
    yield history(
        "asleep",
        "Not counting time asleep.",
        look(("a", 50), T, signed),
        look(("a", 50 + 30 * DAY), T),
    )
    yield history(
        "copy-of-this-boot",
        "Gaining by putting a copy back within one boot.",
        look(("a", 50), T, signed),
        look(("a", 50 + 5 * DAY), T),
        look(("a", 50 + 6 * DAY), T, restored=0),
        look(("a", 50 + 7 * DAY), T),
    )
    yield history(
        "copy-of-another-boot",
        "Counting more, or less, than from the first look after a copy was put back.",
        look(("a", 50), T, signed),
        look(("b", 5), T),
        look(("b", 5 + 5 * DAY), T, restored=0),
        look(("b", 5 + 6 * DAY), T),
    )
    yield history(
        "machine-set-back",
        "Standing still until the running clock has caught up.",
        look(("a", 10 * DAY), T, signed),
        look(("a", 10 * DAY + 2 * HOUR), T),
        look(("a", 60), T),
        look(("a", 60 + 2 * HOUR), T),
    )
    yield history(
        "falls-twice",
        "Not ending the countdown when the clock is right, or not starting it again.",
        look(("a", 0), T, signed),
        look(("a", DAY), 0),
        look(("a", 2 * DAY), T + 2 * DAY),
        look(("a", 3 * DAY), 0),
        look(("a", 6 * DAY), 0),
        look(("a", 6 * DAY + 1), 0),
    )
    yield history(
        "without-a-running-clock",
        "Losing the bound, or counting, where there is no running clock.",
        look(None, T, signed),
        look(None, T + 9 * DAY),
        look(None, 0),
        look(("a", 7), T),
        look(("a", 7 + DAY), T),
    )


def made() -> dict[str, str]:
    """Every vector, by file name."""
    texts: dict[str, str] = {}
    for part in (bounds, observing, records, countdowns, histories):
        for vector in part():
            vector["expect"] = run_vector(vector)
            name = vector["id"].removeprefix("clock/") + ".json"
            assert name not in texts, name
            texts[name] = json.dumps(vector, indent=1, ensure_ascii=False) + "\n"
    return texts


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file_name, text in made().items():
        (FOLDER / file_name).write_text(text, encoding="utf-8")
    print(f"{len(made())} vectors of the clock")
