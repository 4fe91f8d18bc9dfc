"""
What clients were told, kept outside the server's process, and compared with the database afterwards (REL-03).

A client writes down what it is about to ask (`asking`) and what it was answered. Whatever was answered with yes must be
in the database, whole; and the database must hold no seat that no client asked for. One piece for every campaign.
"""

from __future__ import annotations

import base64
import json
import threading
from array import array
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

Rows: TypeAlias = Callable[[str], list[tuple[Any, ...]]]
"""The rows of an SQL query, asked past the storage."""

State: TypeAlias = Literal["held", "returned"]


class Ledger:
    """
    What was acknowledged.

    Attributes:
        unexpected: Answers that nobody should have been given.
        acknowledged: How many requests were answered with yes.
        seconds: How long each of them took, in the order of the answers, without the attempts before.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told = threading.Condition(self._lock)
        self._licenses: set[str] = set()
        self._license_requests: set[str] = set()
        self._seats: dict[str, State] = {}
        self._devices: dict[tuple[str, str], str] = {}
        self._artifacts: dict[str, str] = {}
        self._leases: dict[tuple[str, str], tuple[str, State]] = {}
        self._uses: dict[tuple[str, str], int] = {}
        self._open: set[tuple[str, ...]] = set()
        self.unexpected: list[str] = []
        self.acknowledged = 0
        self.seconds: array[float] = array("d")
        self._waited_for = 0

    # ── what clients write down ──────────────────────────────────────────────────────────────────────────────────────

    def asking(self, *what: str) -> None:
        """A change is asked for: until it is answered, it may have happened or not."""
        with self._lock:
            self._open.add(what)

    def refused(self, what: tuple[str, ...], why: str) -> None:
        """An answer that is neither yes nor "again later"."""
        with self._lock:
            self._open.discard(what)
            self.unexpected.append(f"{what[0]}: {why}")

    def answered(self, what: tuple[str, ...], body: dict[str, Any], seconds: float = 0.0) -> None:
        """A 2xx, what it said, and how long it took."""
        with self._told:
            self._open.discard(what)
            match what:
                case ("license", request):
                    self._licenses.add(body["id"])
                    self._license_requests.add(request)
                case ("activate" | "refresh", license_id, fingerprint):
                    activation = body["activation"]["id"]
                    self._seats[activation] = "held"
                    self._devices[license_id, fingerprint] = activation
                    for jti in _ids_of(body):
                        self._artifacts[jti] = activation
                case ("deactivate", license_id, fingerprint):
                    self._seats[body["activation"]["id"]] = "returned"
                    self._devices[license_id, fingerprint] = body["activation"]["id"]
                case ("lease", license_id, holder):
                    self._leases[license_id, holder] = (body["lease"]["id"], "held")
                case ("release", license_id, holder):
                    self._leases[license_id, holder] = (body["lease"]["id"], "returned")
                case ("use", license_id, event):
                    self._uses[license_id, event] = 1
            self.acknowledged += 1
            self.seconds.append(seconds)
            if self.acknowledged >= self._waited_for:
                self._told.notify_all()

    def wait_for(self, acknowledged: int, seconds: float = 240) -> None:
        """Until so many were acknowledged in all."""
        with self._told:
            self._waited_for = acknowledged
            reached = self._told.wait_for(lambda: self.acknowledged >= acknowledged, seconds)
        assert reached, f"{self.acknowledged} of {acknowledged} answers in {seconds} s; {self.unexpected[:3]}"

    @property
    def seats(self) -> int:
        """How many activations somebody was told of."""
        return len(self._seats)

    def p99(self, begin: float, end: float) -> float:
        """The 99th percentile in seconds of the answers between two shares of all of them."""
        count = len(self.seconds)
        part = sorted(self.seconds[int(begin * count) : int(end * count)])
        return part[int(0.99 * len(part))]

    # ── the comparison ───────────────────────────────────────────────────────────────────────────────────────────────

    def compare(self, rows: Rows) -> list[str]:
        """Every difference between what was acknowledged and what *rows* hold; none is right."""
        with self._lock:
            return [
                *self._compare_licenses(rows),
                *self._compare_seats(rows),
                *self._compare_artifacts(rows),
                *self._compare_leases(rows),
                *self._compare_uses(rows),
                *_sound(rows),
            ]

    def _compare_licenses(self, rows: Rows) -> list[str]:
        stored = {row[0] for row in rows("SELECT id FROM licenses")}
        found = [f"license {each} was acknowledged and is missing" for each in self._licenses - stored]
        if len(self._licenses) != len(self._license_requests):
            found.append(f"{len(self._license_requests)} requests for a license made {len(self._licenses)}")
        return found

    def _compare_seats(self, rows: Rows) -> list[str]:
        found = []
        stored: dict[str, tuple[str, str, str]] = {
            row[0]: (row[1], row[2], "held" if row[3] is None else "returned")
            for row in rows("SELECT id, license_id, fingerprint, deactivated_at FROM activations")
        }
        unknown = {(what[1], what[2]) for what in self._open if what[0] in {"activate", "refresh", "deactivate"}}
        for activation, state in self._seats.items():
            if activation not in stored:
                found.append(f"activation {activation} was acknowledged and is missing")
            elif stored[activation][2] != state and stored[activation][:2] not in unknown:
                found.append(f"activation {activation} was acknowledged as {state} and is {stored[activation][2]}")
        for activation, (license_id, fingerprint, now) in stored.items():
            if now == "held" and activation not in self._seats and (license_id, fingerprint) not in unknown:
                found.append(f"activation {activation} holds a seat that nobody was told of")
        audited = {row[0] for row in rows("SELECT object_id FROM audit WHERE action = 'activation.created'")}
        issued = {row[0] for row in rows("SELECT activation_id FROM issuances WHERE activation_id IS NOT NULL")}
        found += [f"activation {each} has no audit row" for each in stored.keys() - audited]
        found += [f"activation {each} has no issuance" for each in stored.keys() - issued]
        return found

    def _compare_artifacts(self, rows: Rows) -> list[str]:
        stored = dict(_pairs(rows, "SELECT jti, activation_id FROM issuances"))
        return [
            f"artifact {jti} was handed out and is not in the register"
            for jti, activation in self._artifacts.items()
            if stored.get(jti) != activation
        ]

    def _compare_leases(self, rows: Rows) -> list[str]:
        found = []
        stored = {
            (row[0], row[1]): (row[2], "held" if row[3] is None else "returned")
            for row in rows("SELECT license_id, holder_id, id, released_at FROM leases WHERE id IS NOT NULL")
        }
        unknown = {(what[1], what[2]) for what in self._open if what[0] in {"lease", "release"}}
        for key, told in self._leases.items():
            if key in unknown:
                continue
            if told[1] == "held" and stored.get(key) != told:
                found.append(f"lease {told[0]} was acknowledged and is {stored.get(key, 'missing')}")
            if told[1] == "returned" and stored.get(key, told) == (told[0], "held"):
                found.append(f"lease {told[0]} was given back and is held")
        return found

    def _compare_uses(self, rows: Rows) -> list[str]:
        stored = {(row[0], row[1]) for row in rows("SELECT license_id, id FROM usage_events")}
        found = [f"use {each[1]} was acknowledged and is missing" for each in self._uses.keys() - stored]
        counted = dict(_pairs(rows, "SELECT license_id, CAST(sum(used) AS BIGINT) FROM usage GROUP BY license_id"))
        events = dict(
            _pairs(rows, "SELECT license_id, CAST(sum(amount) AS BIGINT) FROM usage_events GROUP BY license_id")
        )
        if counted != events:
            found.append(f"meters say {counted}, their events {events}")
        return found


def _pairs(rows: Rows, sql: str) -> list[tuple[Any, Any]]:
    return [(row[0], row[1]) for row in rows(sql)]


def _sound(rows: Rows) -> list[str]:
    """What must hold in any database, whatever was acknowledged."""
    found = [
        f"license {row[0]} counts {row[1]} seats, {row[2]} are held"
        for row in rows(
            "SELECT l.id, l.seats_used, count(a.id) FROM licenses l LEFT JOIN activations a"
            " ON a.license_id = l.id AND a.deactivated_at IS NULL GROUP BY l.id, l.seats_used"
            " HAVING l.seats_used <> count(a.id)"
        )
    ]
    used = [row[0] for row in rows("SELECT status_index FROM activations UNION ALL SELECT status_index FROM licenses")]
    found += [f"status index {index} is used {times} times" for index, times in Counter(used).items() if times > 1]
    given = {row[0] for row in rows("SELECT position FROM status_indices")}
    return found + [f"status index {index} was never allocated" for index in set(used) - given]


def _ids_of(body: dict[str, Any]) -> list[str]:
    """The ids of the artifacts in an answer: their signatures are other tests' business."""
    token = body["token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    return [claims["jti"]]
