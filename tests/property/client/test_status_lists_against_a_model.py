"""Any history of a vendor and a device: what the device keeps and says is what a small model says (SEC-27, SEC-28)."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from carnet.client.status_lists import judged_with_lists, kept_after
from carnet.core.instant import DAY, Instant
from carnet.core.model import Grant, StatusRef
from carnet.core.rules import decide
from carnet.formats.keys import Ed25519Signer, KeyRing, TrustedKey
from carnet.formats.status_list import StatusList, issue_status_list, pack_statuses
from support.campaigns import LONG
from support.decisions import HOST, ISSUED, evidence, grant

KEYS = [Ed25519Signer(bytes([number]) * 32) for number in (1, 2, 3)]
URI = "https://license.example.com/v1/status/0"
LICENSE, SEAT = 3, 12
AGE = 600
STATES = {"active": "active", "suspended": "suspended", "revoked": "revoked"}


class Published(NamedTuple):
    """One list of the history."""

    version: tuple[int, int]
    at: int
    license_status: str
    seat_ended: bool
    key: int


@cache
def token(listed: Published) -> str:
    """*listed* under its seal."""
    ended = [LICENSE] * (listed.license_status == "revoked") + [SEAT] * listed.seat_ended
    bits, statuses = pack_statuses(16, ended, [LICENSE] * (listed.license_status == "suspended"))
    return issue_status_list(
        StatusList(
            issuer="issuer-1",
            uri=URI,
            version=listed.version,
            issued_at=Instant(listed.at),
            expires_at=Instant(listed.at + DAY),
            ttl_seconds=60,
            bits=bits,
            statuses=statuses,
        ),
        KEYS[listed.key],
    )


class World:
    """The vendor, the device, and the model of what the device should hold."""

    def __init__(self) -> None:
        self.now = int(ISSUED) + 60
        self.status, self.seat_ended = "active", False
        self.history: list[Published] = []
        self.number, self.epoch, self.key = 0, 1, 0
        self.trusted = {0}
        self.kept: tuple[str, ...] = ()
        self.model: Published | None = None
        self.signed_at = self.now
        self.minimum: tuple[int, int] | None = None
        self.refresh()

    def ring(self) -> KeyRing:
        return KeyRing(TrustedKey(role="status-list", key=KEYS[key].public_key) for key in sorted(self.trusted))

    def grant(self) -> Grant:
        refs = [StatusRef(uri=URI, index=index, minimum=self.minimum) for index in (LICENSE, SEAT)]
        times = {"issued_at": Instant(self.signed_at - 60), "not_before": Instant(self.signed_at - 60)}
        return grant(
            license_status_ref=refs[0],
            activation_status_ref=refs[1],
            max_revocation_age_seconds=AGE,
            offline_until=Instant(self.signed_at + 30 * DAY),
            **times,
        )

    def vendor(self, what: str) -> None:
        if what == "end the seat":
            self.seat_ended = True
        elif self.status != "revoked":
            self.status = what

    def publish(self) -> None:
        self.number += 1
        listed = Published((self.epoch, self.number), self.now, self.status, self.seat_ended, self.key)
        self.history.append(listed)

    def restore(self) -> None:
        self.epoch, self.number = self.epoch + 1, 0

    def rotate(self, *, drops: bool) -> None:
        if self.key + 1 < len(KEYS):
            self.key += 1
            self.trusted = {self.key} if drops else self.trusted | {self.key}

    def refresh(self) -> None:
        if self.status == "active" and not self.seat_ended:
            self.signed_at = self.now
            self.minimum = self.history[-1].version if self.history else None

    def bring(self, which: int) -> None:
        if not self.history:
            return
        listed = self.history[which % len(self.history)]
        self.kept = kept_after(self.kept, [token(listed)], self.ring(), [self.grant()])
        if self.model is not None and self.model.key not in self.trusted:
            self.model = None
        is_allowed = listed.key in self.trusted and (self.minimum is None or listed.version >= self.minimum)
        if is_allowed and (self.model is None or listed.version > self.model.version):
            self.model = listed

    def check(self) -> None:
        known = judged_with_lists(evidence(self.grant()), self.kept, self.ring())
        decision = decide(known, Instant(self.now), HOST)
        held = self.model
        says = held is not None and held.key in self.trusted and (self.minimum is None or held.version >= self.minimum)
        counts = says and held is not None and held.at >= self.signed_at
        if counts and held is not None and held.license_status != "active":
            expected = STATES[held.license_status]
        elif counts and held is not None and held.seat_ended:
            expected = "not_activated"
        else:
            checked_at = max(self.signed_at - 60, held.at if says and held is not None else 0)
            expected = "needs_refresh" if self.now >= checked_at + AGE else "active"
        assert decision.state == expected
        # Whatever was lost or brought in which order: nobody is stopped whose license was never stopped.
        if decision.access == "none":
            assert (
                self.status != "active"
                or self.seat_ended
                or any(each.license_status != "active" or each.seat_ended for each in self.history)
            )


STEPS = st.one_of(
    st.tuples(st.just("pass"), st.integers(0, 400)),
    st.tuples(st.just("vendor"), st.sampled_from(["suspended", "active", "revoked", "end the seat", "active"])),
    st.tuples(st.just("publish")),
    st.tuples(st.just("publish")),
    st.tuples(st.just("restore")),
    st.tuples(st.just("rotate"), st.booleans()),
    st.tuples(st.just("refresh")),
    st.tuples(st.just("bring"), st.integers(0, 9)),
    st.tuples(st.just("bring"), st.just(-1)),
)


@settings(max_examples=4000 if LONG else 250)
@given(st.lists(STEPS, max_size=24))
def test_sec_27_what_a_device_says_is_what_the_model_says(steps: list[tuple[Any, ...]]) -> None:
    world = World()
    for name, *arguments in steps:
        if name == "pass":
            world.now += arguments[0]
        elif name == "rotate":
            world.rotate(drops=arguments[0])
        else:
            getattr(world, name)(*arguments)
        world.check()
    # The newest list always has the last word over everything but a newer grant.
    world.publish()
    world.bring(-1)
    world.check()
    assert world.model == world.history[-1]
