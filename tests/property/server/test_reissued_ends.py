"""SEC-24, property: what takes the place of an artifact never grants more, or for longer, than what it replaces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from carnet.core._base import replace
from carnet.core.decision import Evidence, Host
from carnet.core.instant import DAY, HOUR, Instant
from carnet.core.model import Grant, Policy
from carnet.core.rules import decide
from carnet.server.domain.reissue.drawing import drawn_again, is_over

ISSUED = 1_790_000_000
RANK = {"none": 0, "limited": 1, "full": 2}
WINDOWS = st.integers(1, 400 * DAY)


@st.composite
def grants(draw: st.DrawFn) -> Grant:
    """A token or a machine file, as they are issued."""
    end = ISSUED + draw(WINDOWS)
    return Grant(
        kind=draw(st.sampled_from(("token", "machine-file"))),
        id="before",
        issuer="installation",
        product="hustl",
        license_id="license",
        activation_id="seat",
        device="d" * 64,
        issued_at=Instant(ISSUED),
        not_before=Instant(draw(st.integers(ISSUED, end - 1))),
        offline_until=Instant(end),
        policy=Policy(
            name="any",
            grace_seconds=draw(st.integers(0, 30 * DAY)),
            term_grace_seconds=draw(st.integers(0, 30 * DAY)),
        ),
        license_expires_at=Instant(end + draw(st.integers(0, 90 * DAY))) if draw(st.booleans()) else None,
        kid="lost",
    )


def access_at(grant: Grant, at: int) -> int:
    """How much *grant* alone allows at a moment."""
    evidence = Evidence(grants=(grant,), device="d" * 64)
    return RANK[decide(evidence, Instant(at), Host(product="hustl")).access]


@given(grants(), st.integers(-HOUR, 500 * DAY), st.integers(-DAY, 500 * DAY))
def test_sec_24_the_same_terms_the_same_ends_never_more(grant: Grant, later: int, looked: int) -> None:
    now = Instant(ISSUED + later)
    again = drawn_again(grant, id_="after", kid="new", now=now)
    if again is None:
        return
    ours = {"id": "before", "kid": "lost", "issued_at": grant.issued_at, "not_before": grant.not_before}
    assert replace(again, **ours) == grant, "nothing but these four is other"
    assert grant.issued_at < again.issued_at <= again.not_before < (again.offline_until or 0), "as artifacts must be"
    assert again.issued_at <= max(now, grant.issued_at + 1), "never dated ahead of now"
    assert access_at(again, ISSUED + looked) <= access_at(grant, ISSUED + looked), "at no moment does it allow more"


@given(grants(), st.integers(-3, 3))
def test_sec_24_what_is_over_is_what_grants_nothing_any_more(grant: Grant, beside: int) -> None:
    assert grant.offline_until is not None
    end = grant.offline_until + grant.policy.grace_seconds
    if grant.license_expires_at is not None:
        end = min(end, grant.license_expires_at + grant.policy.term_grace_seconds)
    assert is_over(grant, Instant(end + beside)) == (beside >= 0)
    if beside >= 0:
        assert access_at(grant, end + beside) <= RANK["limited"]
