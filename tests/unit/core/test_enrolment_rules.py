"""Enrolment tokens: caps, ends, networks (users-ask 14)."""

from __future__ import annotations

from typing import Any

import pytest

from carnet.core.enrolment import EnrolmentFacts, canonical_network, enrolment_refusals, is_within
from carnet.core.instant import Instant

NOW = Instant(1_800_000_000)


def refusals(address: str | None = "10.1.2.3", now: Instant = NOW, **facts: Any) -> tuple[str, ...]:
    return enrolment_refusals(EnrolmentFacts(**facts), address, now)


def test_users_ask_14_a_token_without_bounds_enrols_anybody() -> None:
    assert refusals() == ()
    assert refusals(None) == ()


@pytest.mark.parametrize(("used", "codes"), [(2, ()), (3, ("enrolment_used_up",)), (4, ("enrolment_used_up",))])
def test_users_ask_14_the_cap_is_exact(used: int, codes: tuple[str, ...]) -> None:
    assert refusals(max_uses=3, used=used) == codes


@pytest.mark.parametrize(("seconds", "ended"), [(-1, False), (0, True), (1, True)])
def test_users_ask_14_a_token_ends(seconds: int, ended: bool) -> None:  # noqa: FBT001
    assert refusals(now=Instant(NOW + seconds), expires_at=NOW) == (("enrolment_expired",) if ended else ())


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("10.0.0.0", True),
        ("10.255.255.255", True),
        ("11.0.0.0", False),
        ("9.255.255.255", False),
        ("::ffff:10.1.2.3", True),  # the same address in IPv6 clothes
        ("::ffff:11.1.2.3", False),
        ("2001:db8::1", True),
        ("2001:db8:ffff::", True),
        ("2001:db9::1", False),
        ("fe80::1%eth0", False),
        (None, False),
        ("", False),
        ("10.1.2.3.4", False),
        ("somewhere", False),
    ],
)
def test_users_ask_14_networks(address: str | None, inside: bool) -> None:  # noqa: FBT001
    networks = ("10.0.0.0/8", "2001:db8::/32")
    assert is_within(address, networks) is inside
    assert refusals(address, networks=networks) == (() if inside else ("enrolment_network",))


def test_every_reason_is_told() -> None:
    codes = refusals(None, max_uses=0, expires_at=NOW, revoked_at=NOW, networks=("10.0.0.0/8",))
    assert codes == ("enrolment_revoked", "enrolment_expired", "enrolment_used_up", "enrolment_network")


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        (" 10.0.0.1 ", "10.0.0.1/32"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("10.1.2.3/8", None),  # more than it seems to let in
        ("10.0.0.0/33", None),
        ("everywhere", None),
        ("", None),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_networks_have_one_spelling(text: str, network: str | None) -> None:
    assert canonical_network(text) == network
