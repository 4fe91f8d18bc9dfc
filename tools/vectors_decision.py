"""
Makes `specs/vectors/decision/`: scenarios for the decision, the seats and the issuing rules (specs/decision.md §10).

`python tools/vectors_decision.py` writes them; `tests/unit/core/test_decision_vectors.py` makes them again, compares,
and runs them. The inputs are written here by hand; the outcomes are what `carnet.core` says, and are reviewed as text.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from carnet.core._base import replace  # noqa: E402
from carnet.core.decision import Evidence, Host  # noqa: E402
from carnet.core.instant import DAY, Instant  # noqa: E402
from carnet.core.model import Entitlement, Fault, Policy, StatusRef  # noqa: E402
from carnet.core.revocation import Listed  # noqa: E402
from carnet.core.seats import HeldSeat, LicenseFacts, SeatRequest  # noqa: E402
from support.decisions import (  # noqa: E402 - found on the path that is set above
    DEVICE,
    HOST,
    OTHER_DEVICE,
    at,
    evidence,
    grant,
    policy,
    refusal,
    run_scenario,
    to_json,
)
from support.situations import (  # noqa: E402
    BAD_FAULT,
    FACTS,
    NOW,
    REFUSED_WITHOUT_GRANT,
    situation,
    situation_without_grant,
)

FOLDER = ROOT / "specs" / "vectors" / "decision"

Scenario = dict[str, Any]
_LONGEST = ".".join(["x" * 49] * 5) + ".xyz"  # 253 characters
_AROUND = ((-1, "before"), (0, "at"), (1, "after"))


def scenarios() -> Iterator[Scenario]:
    """Every scenario, complete with its outcome."""
    for part in (ordinary, ends, bounds, selection, refusals, lists, faults, places, checks, entitlements, precedence):
        yield from part()
    for part in (seats, windows, domains, versions):
        yield from part()


def judged(
    name: str,
    section: str,
    catches: str,
    given: Evidence,
    now: Instant,
    *,
    host: Host = HOST,
    said: tuple[Listed, ...] = (),
) -> Scenario:
    """A scenario of `decide`, with what status lists say."""
    function = {"function": "decide", "evidence": to_json(given), "host": to_json(host)}
    if said:
        function["lists"] = [to_json(listed) for listed in said]
    return complete(name, section, catches, function, now)


def around(
    name: str, section: str, catches: str, given: Evidence, boundary: Instant, *, host: Host = HOST
) -> Iterator[Scenario]:
    """The three scenarios of `decide` around a boundary."""
    for seconds, word in _AROUND:
        yield judged(f"{name}-{word}", section, catches, given, Instant(boundary + seconds), host=host)


def complete(name: str, section: str, catches: str, given: dict[str, Any], now: Instant | None = None) -> Scenario:
    """The scenario with its members in order and its outcome."""
    scenario: Scenario = {
        "id": f"decision/{name}",
        "spec": f"decision.md §{section}",
        "catches": catches,
        "input": given,
    }
    if now is not None:
        scenario["now"] = str(now)
    scenario["expect"] = run_scenario(scenario)
    return scenario


def ordinary() -> Iterator[Scenario]:
    """The states that people meet."""
    plain = evidence(grant())
    yield judged("active", "5", "Showing a notice or a reason where there is nothing to say.", plain, at(DAY))
    yield judged(
        "not-activated", "4.2", "Treating the absence of evidence as an error, or as a license.", evidence(), at(DAY)
    )
    yield judged(
        "perpetual-record",
        "4.7",
        "Inventing an end, or days left, for a license that has none.",
        Evidence(grants=(grant(kind="record", id="record-1", offline_until=None, device=None, activation_id=None),)),
        at(4000 * DAY),
    )
    yield judged(
        "longest-times",
        "4.7",
        "Ends past the year 9999, which RFC 3339 cannot write.",
        evidence(grant(offline_until=Instant(253402300799))),
        at(DAY),
    )


def ends() -> Iterator[Scenario]:
    """The offline window and the license term, to the second."""
    plain = evidence(grant())
    yield from around("window-warning", "4.7", "Warning a second early or late.", plain, at(20 * DAY))
    yield from around("window-end", "4.7", "Taking `now <= offline_until` for valid.", plain, at(30 * DAY))
    yield from around("window-grace-end", "4.7", "Taking `now <= grace_until` for grace.", plain, at(37 * DAY))
    yield from around("window-days", "4.9", "Rounding days left down, or to the nearest.", plain, at(27 * DAY))
    long = evidence(grant(offline_until=at(365 * DAY), offline_ttl_seconds=365 * DAY))
    yield from around("window-warning-65-days", "4.7", "Warning a third of a year ahead.", long, at(300 * DAY))
    own = evidence(grant(warn_before_seconds=3 * DAY))
    yield from around("window-warning-own", "4.7", "Ignoring the policy's own warning.", own, at(27 * DAY))
    never = evidence(grant(warn_before_seconds=0))
    yield from around("window-warning-none", "4.7", "Taking a warning of 0 s for unset.", never, at(30 * DAY))
    full = evidence(grant(grace_access="full"))
    yield judged("grace-full", "5", "Limiting grace where the policy gives full access.", full, at(31 * DAY))
    none = evidence(grant(grace_seconds=0))
    yield from around("window-no-grace", "4.7", "Giving a second of grace where there is none.", none, at(30 * DAY))

    term = evidence(grant(license_expires_at=at(25 * DAY)))
    yield from around("term-warning", "4.7", "Warning of the term by the wrong window.", term, at(15 * DAY))
    yield from around("term-end", "4.7", "Taking `now <= license_expires_at` for valid.", term, at(25 * DAY))
    yield from around("term-grace-end", "4.7", "Letting the window outlive the term's grace.", term, at(32 * DAY))
    capped = evidence(grant(offline_until=at(30 * DAY), license_expires_at=at(30 * DAY), term_grace_seconds=2 * DAY))
    yield from around(
        "grace-cut-by-term", "4.7", "Offline grace that passes the license term's own grace.", capped, at(32 * DAY)
    )
    yield judged(
        "both-ends-over", "4.7", "Saying only connect where the license term is over too.", capped, at(31 * DAY)
    )
    near = evidence(grant(offline_until=at(30 * DAY), license_expires_at=at(34 * DAY)))
    yield judged("both-ends-coming-window-first", "4.7", "Naming the farther end first.", near, at(28 * DAY))
    far = evidence(grant(offline_until=at(34 * DAY), license_expires_at=at(30 * DAY)))
    yield judged("both-ends-coming-term-first", "4.7", "Naming the farther end first.", far, at(28 * DAY))
    together = evidence(grant(offline_until=at(30 * DAY), license_expires_at=at(30 * DAY)))
    yield judged(
        "both-ends-coming-together", "4.7", "Saying connect first where only renewing helps.", together, at(28 * DAY)
    )
    short = evidence(grant(offline_until=at(3 * DAY), license_expires_at=at(9 * DAY)))
    yield judged(
        "term-warning-short-window",
        "4.7",
        "Warning of the term by a short window, or counting its days to the window's end.",
        short,
        at(DAY),
    )
    record = Evidence(grants=(grant(kind="record", offline_until=None, license_expires_at=at(90 * DAY)),))
    yield from around("record-term-end", "4.7", "Judging a license without an offline window.", record, at(90 * DAY))
    yield from around("record-term-warning", "4.7", "Warning 65 days ahead of a 30 day plan.", record, at(80 * DAY))
    tiny = evidence(grant(offline_until=at(2)))
    yield judged("window-warning-tiny", "4.7", "Warning where a third of the window is no second.", tiny, at(1))
    crossed = evidence(grant(offline_until=at(10 * DAY), grace_seconds=DAY, license_expires_at=at(11 * DAY)))
    yield judged("window-over-in-term-grace", "4.7", "Counting days of grace that are not left.", crossed, at(12 * DAY))
    starts = evidence(grant(license_starts_at=at(2 * DAY)))
    yield from around("license-start", "4.5", "Letting a license begin a second early.", starts, at(2 * DAY))
    later = evidence(grant(not_before=at(100)))
    yield from around("not-before", "4.5", "Accepting an artifact before its time.", later, at(100))


def bounds() -> Iterator[Scenario]:
    """The time that is judged, and what a host may do."""
    trusted = evidence(grant(), trusted_at=at(30 * DAY))
    yield judged("clock-behind", "4.1", "Believing a clock that was set back.", trusted, at(DAY))
    yield judged(
        "clock-ahead-of-trusted", "4.1", "Judging at the trusted time when the clock is later.", trusted, at(38 * DAY)
    )
    plain = evidence(grant())
    tight = Host(product="hustl", max_offline_seconds=10 * DAY, max_grace_seconds=2 * DAY)
    yield from around("host-shorter-window", "4.3", "Ignoring the host's bound.", plain, at(10 * DAY), host=tight)
    yield from around(
        "host-shorter-grace", "4.7", "Ignoring the host's bound on grace.", plain, at(12 * DAY), host=tight
    )
    loose = Host(product="hustl", max_offline_seconds=400 * DAY, max_grace_seconds=400 * DAY)
    yield judged("host-longer-window", "4.3", "Letting a host lengthen the window.", plain, at(30 * DAY), host=loose)
    yield judged("host-longer-grace", "4.7", "Letting a host lengthen the grace.", plain, at(37 * DAY), host=loose)
    broken = Host(product="hustl", max_offline_seconds=-1, max_grace_seconds=-1)
    yield judged("host-negative-bounds", "4.7", "Failing on a bound below 0.", plain, at(0), host=broken)
    term = evidence(grant(license_expires_at=at(5 * DAY)))
    yield from around("host-shorter-term-grace", "4.7", "Bounding only one grace.", term, at(7 * DAY), host=tight)
    key = Evidence(grants=(grant(kind="license-key", offline_until=None, device=None),))
    yield judged("license-key-renews-nothing", "4.9", "Coming again with a key that nobody renews.", key, at(DAY))
    record = Evidence(grants=(grant(kind="license-key", offline_until=None, device=None),))
    yield from around(
        "host-bounds-endless", "4.3", "Ignoring the bound without an end.", record, at(10 * DAY), host=tight
    )


def selection() -> Iterator[Scenario]:
    """Which grant speaks."""
    file = grant()
    token = grant(kind="token", id="token-1", offline_until=at(7 * DAY))
    both = evidence(token, file)
    yield judged("token-and-file", "4.3", "Ending with the token where a machine file governs.", both, at(8 * DAY))
    yield from around("token-alone", "4.3", "Needing a machine file.", evidence(token), at(7 * DAY))
    newer = grant(
        kind="token",
        id="token-2",
        issued_at=at(5 * DAY),
        not_before=at(5 * DAY),
        offline_until=at(12 * DAY),
        license_expires_at=at(20 * DAY),
        entitlements=(Entitlement(key="export-pdf"),),
        refresh_after_seconds=2 * DAY,
    )
    yield judged(
        "newer-token-older-file",
        "4.3",
        "Taking license facts from the older file, or the window from the newer token.",
        evidence(file, newer),
        at(8 * DAY),
    )
    outlives = replace(newer, issued_at=at(28 * DAY), not_before=at(28 * DAY), offline_until=at(35 * DAY))
    outlives = replace(outlives, license_expires_at=None)
    yield judged(
        "newer-token-outlives-file",
        "4.3",
        "Ending with a stale machine file though a later contact granted more.",
        evidence(file, outlives),
        at(31 * DAY),
    )
    files = (grant(id="file-2", issued_at=at(DAY), not_before=at(DAY), offline_until=at(20 * DAY)), file)
    yield judged(
        "newer-file-shorter",
        "4.3",
        "Preferring an older machine file because it lasts longer.",
        evidence(*files, replace(newer, issued_at=at(2 * DAY), offline_until=at(9 * DAY), license_expires_at=None)),
        at(21 * DAY),
    )
    fresh = grant(id="file-5", issued_at=at(6 * DAY), not_before=at(6 * DAY), offline_until=at(36 * DAY))
    for order, pair in (("first", (fresh, newer)), ("last", (newer, fresh))):
        yield judged(
            f"newer-file-{order}", "4.3", "Taking an older token for the newest grant.", evidence(*pair), at(13 * DAY)
        )
    same_end = replace(newer, offline_until=at(30 * DAY), license_expires_at=at(30 * DAY))
    yield judged(
        "newer-token-same-end",
        "4.3",
        "Counting the window from the older file where the newer token lasts as long.",
        evidence(replace(file, license_expires_at=at(30 * DAY)), same_end),
        at(21 * DAY),
    )
    other = grant(id="file-3", activation_id="activation-2", offline_until=at(90 * DAY), issued_at=at(-DAY))
    yield judged(
        "older-activation",
        "4.3",
        "Taking the window of another, older activation.",
        evidence(replace(other, not_before=at(-DAY)), token),
        at(8 * DAY),
    )
    elsewhere = grant(id="file-4", license_id="license-2", offline_until=at(90 * DAY), issued_at=at(-DAY))
    yield judged(
        "older-license",
        "4.3",
        "Taking the window of another, older license.",
        evidence(replace(elsewhere, not_before=at(-DAY)), token),
        at(8 * DAY),
    )
    twins = (grant(id="file-a", offline_until=at(9 * DAY)), grant(id="file-b", offline_until=at(8 * DAY)))
    yield judged("same-age-by-id", "4.3", "Depending on the order of grants.", evidence(*twins), at(9 * DAY))
    by_kind = [grant(kind=kind, id=name) for kind, name in (("token", "1"), ("license-key", "2"), ("record", "3"))]
    for better, worse in pairwise([grant(id="0"), *by_kind]):
        yield judged(
            f"same-age-{better.kind}-{worse.kind}",
            "4.3",
            "Another order of kinds at the same time.",
            evidence(worse, better),
            at(DAY),
        )
    doubles = (grant(offline_until=at(9 * DAY)), grant(offline_until=at(8 * DAY)))
    yield judged(
        "same-id-is-used-once", "4.3", "Failing on two artifacts with one id.", evidence(*doubles), at(7 * DAY)
    )
    yield judged(
        "mixed-with-foreign",
        "4.2",
        "Stopping because of an artifact for somebody else beside the right one.",
        evidence(
            grant(product="another", id="x", issued_at=at(9)), grant(device=OTHER_DEVICE, id="y", issued_at=at(9)), file
        ),
        at(DAY),
    )


def refusals() -> Iterator[Scenario]:
    """What the server said since."""
    for seconds, word in _AROUND:
        yield judged(
            f"refusal-against-grant-{word}",
            "4.4",
            "Letting an older refusal stop a newer grant, or a newer one not.",
            evidence(grant(), refusals=(refusal("license_suspended", 60 + seconds),)),
            at(DAY),
        )
    for code in (
        "wrong_product",
        "wrong_device",
        "wrong_domain",
        "license_revoked",
        "license_suspended",
        "deactivated",
        "activation_not_found",
        "license_not_found",
        "not_activated",
        "license_not_started",
        "license_expired",
        "seat_limit_reached",
        "clock_suspect",
        "does_not_open",
        "from_the_future",
    ):
        slug = code.replace("_", "-")
        said = (refusal(code, 2 * DAY),)
        yield judged(
            f"refused-{slug}",
            "4.4",
            "Mapping a refusal to another state, or shortening a grant by a code that must not.",
            evidence(grant(), refusals=said),
            at(3 * DAY),
        )
        yield judged(
            f"refused-{slug}-without-grant",
            "4.4",
            "Forgetting a refusal because no grant is left.",
            evidence(refusals=said),
            at(3 * DAY),
        )
    for name, changes, catches in (
        ("other-product", {"product": "another"}, "Obeying a refusal for another product."),
        ("other-license", {"license_id": "license-2", "activation_id": None}, "Obeying another license's refusal."),
        ("other-activation", {"activation_id": "activation-2"}, "Obeying the deactivation of an earlier activation."),
        ("other-device", {"activation_id": None, "device": OTHER_DEVICE}, "Obeying another device's deactivation."),
        ("this-device", {"activation_id": None, "device": DEVICE}, "Ignoring a refusal that names the device."),
        ("no-device", {"activation_id": None}, "Ignoring a refusal that names only the license."),
        ("no-license", {"license_id": None}, "Ignoring a refusal that names only the activation."),
        ("no-ids", {"license_id": None, "activation_id": None}, "Obeying a refusal that names nothing at hand."),
    ):
        yield judged(
            f"deactivated-{name}",
            "4.4",
            catches,
            evidence(grant(), refusals=(refusal("deactivated", 2 * DAY, **changes),)),
            at(3 * DAY),
        )
    said = (refusal("deactivated", 2 * DAY, device=OTHER_DEVICE, activation_id=None),)
    yield judged(
        "refused-beside-foreign-grant",
        "4.4",
        "Holding a refusal of this product against the grant of another one, and so forgetting it.",
        evidence(grant(product="another", license_id="license-2"), refusals=(refusal("license_revoked", 2 * DAY),)),
        at(3 * DAY),
    )
    yield judged(
        "deactivated-device-unknown",
        "4.4",
        "Comparing a device where this one is not known.",
        evidence(grant(activation_id=None), refusals=said, device=None),
        at(3 * DAY),
    )
    for name, changes in (
        ("other-activation", {"activation_id": "activation-2", "device": OTHER_DEVICE}),
        ("activation-only", {"license_id": None}),
        ("other-license", {"license_id": "license-2", "activation_id": "activation-2"}),
    ):
        yield judged(
            f"revoked-{name}",
            "4.4",
            "Taking the revocation of a license for that of one activation, or the reverse.",
            evidence(grant(), refusals=(refusal("license_revoked", 2 * DAY, **changes),)),
            at(3 * DAY),
        )
    several = (refusal("license_expired", 2 * DAY), refusal("license_suspended", 3 * DAY, id="later"))
    yield judged(
        "several-refusals", "4.4", "Keeping only one refusal.", evidence(grant(), refusals=several), at(4 * DAY)
    )
    yield judged(
        "several-refusals-without-grant",
        "4.4",
        "Telling the license only when the newest refusal names it.",
        evidence(refusals=(*several, refusal("deactivated", 4 * DAY, id="last", license_id=None))),
        at(5 * DAY),
    )
    for status in ("active", "suspended", "revoked"):
        yield judged(
            f"record-{status}",
            "4.4",
            "Ignoring what the server's own record says.",
            Evidence(grants=(grant(kind="record", offline_until=None, device=None),), license_status=status),
            at(DAY),
        )
    yield judged(
        "record-revoked-without-grant",
        "4.4",
        "Ignoring the record because there is no grant.",
        Evidence(license_status="revoked"),
        at(DAY),
    )


_LIST = "https://license.example.com/v1/status/"
_LICENSE_REF = StatusRef(uri=f"{_LIST}0", index=7)
_SEAT_REF = StatusRef(uri=f"{_LIST}0", index=4)


def listed(seconds: int, *statuses: tuple[int, int], **changes: Any) -> Listed:
    """What list 0 in version 1.5 says, *seconds* after `ISSUED`, changed."""
    base: dict[str, Any] = {"issuer": "issuer-1", "uri": f"{_LIST}0", "version": (1, 5), "issued_at": at(seconds)}
    return Listed(**{**base, "statuses": statuses, **changes})


def lists() -> Iterator[Scenario]:
    """What status lists say of the license and of its seat."""
    held = evidence(grant(license_status_ref=_LICENSE_REF, activation_status_ref=_SEAT_REF))
    fine = ((7, 0), (4, 0))

    def said(name: str, catches: str, *lists_: Listed, given: Evidence = held, now: Instant = NOW) -> Scenario:
        return judged(f"list-{name}", "2.6", catches, given, now, said=lists_)

    for name, statuses, catches in (
        ("valid", fine, "Stopping what a list calls valid."),
        ("revoked", ((7, 1), (4, 0)), "Going on after the list revoked the license."),
        ("suspended", ((7, 2), (4, 0)), "Taking a suspension for the end, or for nothing."),
        ("unknown-status", ((7, 3), (4, 0)), "Going on under a status that is not known."),
        ("seat-ended", ((7, 0), (4, 1)), "Reading the license's status only."),
        ("seat-suspended", ((7, 0), (4, 2)), "Calling the license suspended because of its seat's status."),
        ("both", ((7, 1), (4, 1)), "Telling one of two facts only."),
        ("other-index", ((7, 0), (4, 0), (5, 1)), "Obeying another license's status."),
        ("without-license", ((4, 0),), "Taking an index that the list does not have for a revoked one."),
    ):
        yield said(name, catches, listed(2 * DAY, *statuses))
    for seconds, word in _AROUND:
        yield said(
            f"against-grant-{word}",
            "Letting an older list stop a newer grant, or a newer one not.",
            listed(60 + seconds, (7, 2), (4, 0)),
        )
    least = _versioned(3, 5)
    for name, version in (("older-number", (3, 4)), ("older-epoch", (2, 9)), ("same", (3, 5)), ("newer", (4, 0))):
        yield said(
            f"minimum-{name}",
            "Comparing a list's version with the one that the artifact asks for in another way.",
            listed(2 * DAY, (7, 1), (4, 0), version=version),
            given=least,
        )
    old, new = listed(2 * DAY, (7, 1), (4, 0)), listed(3 * DAY, *fine, version=(1, 4))
    catches = "Going back to an older version because it has a later time."
    yield said("rollback", catches, old, new)
    yield said("rollback-the-other-way-round", "Letting the order of lists matter.", new, old)
    yield said("reinstated", "Keeping to an older list.", listed(2 * DAY, (7, 2), (4, 0)), replace(new, version=(1, 6)))
    yield said("same-version", "Taking the earlier of two.", listed(2 * DAY, (7, 1), (4, 0)), listed(3 * DAY, *fine))
    catches = "Letting the order of two lists matter that nothing tells apart."
    twins = (listed(2 * DAY, (7, 1), (4, 0)), listed(2 * DAY, *fine))
    yield said("twins", catches, *twins)
    yield said("twins-the-other-way-round", catches, *twins[::-1])
    yield said(
        "newest-is-shorter",
        "Asking an older list where the newest one does not know the index.",
        listed(2 * DAY, (7, 1), (4, 1)),
        listed(3 * DAY, (4, 0), version=(1, 6)),
    )
    yield said("other-issuer", "Obeying another installation's list.", listed(2 * DAY, (7, 1), issuer="issuer-2"))
    yield said("other-address", "Reading the index in another list.", listed(2 * DAY, (7, 1), uri=f"{_LIST}1"))
    yield said(
        "without-reference",
        "Reading any list for a grant that names none.",
        listed(2 * DAY, (7, 1), (4, 1)),
        given=evidence(grant()),
    )
    yield said(
        "for-another-product",
        "Forgetting what is wrong with a foreign grant because its license was revoked too.",
        listed(2 * DAY, (7, 1), (4, 0)),
        given=evidence(replace(held.grants[0], product="another")),
    )
    rules = {"max_revocation_age_seconds": 5 * DAY}
    aged = evidence(grant(license_status_ref=_LICENSE_REF, activation_status_ref=_SEAT_REF, **rules))
    catches = "Counting the age from another moment than the list's."
    for seconds, word in _AROUND:
        yield said(f"age-{word}", catches, listed(2 * DAY, *fine), given=aged, now=at(7 * DAY + seconds))
    elsewhere = replace(_SEAT_REF, uri=f"{_LIST}1")
    apart = evidence(grant(license_status_ref=_LICENSE_REF, activation_status_ref=elsewhere, **rules))
    early = listed(DAY, (4, 0), uri=f"{_LIST}1")
    catches = "Taking the newer of two lists for both."
    for seconds, word in _AROUND:
        yield said(
            f"age-of-two-{word}", catches, listed(3 * DAY, (7, 0)), early, given=apart, now=at(6 * DAY + seconds)
        )
    catches = "Calling a license checked whose seat's list is not there."
    yield said("age-of-one-of-two", catches, listed(3 * DAY, (7, 0)), given=apart, now=at(5 * DAY))
    catches = "Counting a list that is older than the artifact allows as a check."
    young = evidence(replace(aged.grants[0], license_status_ref=replace(_LICENSE_REF, minimum=(1, 6))))
    yield said("age-below-minimum", catches, listed(2 * DAY, *fine), given=young, now=at(5 * DAY))
    catches = "Calling a grant checked by a list that is another grant's."
    beside = evidence(*aged.grants, grant(id="file-0", issued_at=at(-1), not_before=at(-1), **rules))
    yield said("age-beside-grant-without", catches, listed(2 * DAY, *fine), given=beside, now=at(5 * DAY))
    checked = replace(aged, revocation_checked_at=at(3 * DAY))
    catches = "Replacing a later check by an earlier one."
    yield said("age-of-earlier-list", catches, listed(2 * DAY, *fine), given=checked, now=at(8 * DAY - 1))
    yield said("age-of-later-list", "Ignoring a newer list.", listed(4 * DAY, *fine), given=checked, now=at(9 * DAY))
    pair = evidence(*held.grants, replace(held.grants[0], kind="token", id="token-1"))
    yield said("of-two-grants", "Telling one fact twice.", listed(2 * DAY, (7, 1), (4, 0)), given=pair)


def _versioned(epoch: int, number: int) -> Evidence:
    """A grant that asks for at least this version of its lists."""
    refs = [replace(ref, minimum=(epoch, number)) for ref in (_LICENSE_REF, _SEAT_REF)]
    return evidence(grant(license_status_ref=refs[0], activation_status_ref=refs[1]))


def faults() -> Iterator[Scenario]:
    """Artifacts that did not pass."""
    foreign = Fault(code="does_not_open", message="It is for another device.", fix="Activate.", artifact="machine-file")
    posing = replace(BAD_FAULT, code="license_expired", artifact="posing")
    for name, given, catches in (
        ("bad-signature", evidence(faults=(BAD_FAULT,)), "Saying not activated where something false was offered."),
        ("does-not-open", evidence(faults=(foreign,)), "Saying not genuine of another device's machine file."),
        ("both", evidence(faults=(foreign, BAD_FAULT)), "Losing one of two faults."),
        ("posing", evidence(faults=(posing,)), "Letting a fault's code pose as another state's."),
        ("beside-grant", evidence(grant(), faults=(BAD_FAULT,)), "Stopping because of a broken copy."),
        ("foreign-state", evidence(foreign_state=True), "Saying not activated of a copied state."),
        (
            "foreign-state-unbound",
            evidence(grant(device=None), foreign_state=True),
            "Refusing a grant that is bound to no device because of the state it lies in.",
        ),
        (
            "foreign-state-with-grant",
            evidence(grant(device=OTHER_DEVICE), foreign_state=True, faults=(BAD_FAULT,)),
            "Saying the same reason twice.",
        ),
    ):
        yield judged(f"fault-{name}", "4.2", catches, given, at(DAY))
    yield judged(
        "fault-beside-expired",
        "4.8",
        "Hiding that the file which should have helped is broken, or putting it first.",
        evidence(grant(), faults=(foreign, BAD_FAULT)),
        at(40 * DAY),
    )


def places() -> Iterator[Scenario]:
    """Product, device, domain."""
    for name, one, catches in (
        ("wrong-product", grant(product="hustl2"), "Comparing products by prefix."),
        ("wrong-product-case", grant(product="Hustl"), "Folding case in product ids."),
        ("wrong-device", grant(device=OTHER_DEVICE), "Accepting a machine file of another device."),
        ("wrong-device-case", grant(device=DEVICE.upper()), "Folding case in fingerprints."),
        ("unbound", grant(device=None), "Refusing a grant that is bound to no device."),
    ):
        yield judged(name, "4.2", catches, evidence(one), at(DAY))
    yield judged(
        "device-unknown",
        "4.2",
        "Holding it against a grant that the caller does not know the device.",
        Evidence(grants=(grant(),)),
        at(DAY),
    )
    given = evidence(grant(domains=("example.com", "*.example.org")))
    for name, domain in (
        ("exact", "example.com"),
        ("one-label", "a.example.org"),
        ("two-labels", "a.b.example.org"),
        ("apex", "example.org"),
        ("substring", "notexample.com"),
        ("suffix", "example.com.evil.example"),
        ("none", None),
    ):
        yield judged(
            f"domain-license-{name}",
            "4.2",
            "Matching domains by substring or suffix, or not asking for one.",
            given,
            at(DAY),
            host=Host(product="hustl", domain=domain),
        )
    several = (grant(product="b", id="b", issued_at=at(9)), grant(product="a", id="a", issued_at=at(5)))
    yield judged("several-foreign", "4.2", "Depending on the order of foreign grants.", evidence(*several), at(DAY))


def checks() -> Iterator[Scenario]:
    """Clock, revocation age, edition, version."""
    clock = evidence(grant(clock_strictness="countdown"), clock_suspect=True)
    yield judged("clock-suspect", "4.6", "Ignoring the clock guard where the policy asks for it.", clock, at(DAY))
    yield judged(
        "clock-suspect-off",
        "4.6",
        "Punishing a dead clock battery where the policy does not ask for it.",
        evidence(grant(), clock_suspect=True),
        at(DAY),
    )
    yield judged(
        "clock-suspect-not", "4.6", "Limiting without cause.", evidence(grant(clock_strictness="countdown")), at(DAY)
    )
    yield judged(
        "clock-suspect-and-expired", "5", "Stopping on the word of a clock that is in doubt.", clock, at(40 * DAY)
    )
    counted = evidence(grant(clock_strictness="countdown"), clock_suspect_at=at(3 * DAY))
    yield judged("clock-countdown", "4.6", "Limiting, or saying nothing, before the end.", counted, at(DAY))
    yield judged("clock-countdown-last-day", "4.6", "Saying that no day is left.", counted, at(4 * DAY))
    yield judged("clock-countdown-late", "5", "Showing another end before it.", counted, at(25 * DAY))
    yield judged("clock-countdown-in-grace", "5", "Warning of the clock where more is lost.", counted, at(31 * DAY))
    yield judged(
        "clock-countdown-off",
        "4.6",
        "Warning where the policy does not ask for it.",
        evidence(grant(), clock_suspect_at=at(3 * DAY)),
        at(DAY),
    )
    yield judged(
        "clock-countdown-over",
        "4.6",
        "Warning of what has come.",
        replace(counted, clock_suspect=True),
        at(3 * DAY),
    )
    never_new = evidence(grant(max_revocation_age_seconds=0))
    yield judged("revocation-age-zero", "4.6", "Taking an age of 0 s for unset.", never_new, at(0))
    aged = evidence(grant(max_revocation_age_seconds=5 * DAY))
    yield from around("revocation-age", "4.6", "Never asking for a check, or a second off.", aged, at(5 * DAY))
    fresh = replace(aged, revocation_checked_at=at(2 * DAY))
    yield from around("revocation-age-list", "4.6", "Ignoring a newer status list.", fresh, at(7 * DAY))
    stale = replace(aged, revocation_checked_at=at(-2 * DAY))
    yield from around(
        "revocation-age-stale-list", "4.6", "Forgetting that issuing was a check too.", stale, at(5 * DAY)
    )
    edition = evidence(grant(edition="studio"))
    for name, host, catches in (
        ("same", Host(product="hustl", edition="studio"), "Limiting the edition that is covered."),
        ("other", Host(product="hustl", edition="lite"), "Ignoring the edition."),
        ("unsaid", HOST, "Limiting an app that names no edition."),
    ):
        yield judged(f"edition-{name}", "4.6", catches, edition, at(DAY), host=host)
    yield judged(
        "edition-hostile",
        "6.1",
        "Passing control characters or endless text from outside on to a terminal.",
        edition,
        at(DAY),
        host=Host(product="hustl", edition="lite\x1b[2J" + "!" * 200),
    )
    ceiling = evidence(grant(below_version="3.0.0"))
    for name, version in (
        ("covered", "2.99.9"),
        ("at-ceiling", "3.0"),
        ("prerelease-of-ceiling", "3.0.0-beta.1"),
        ("unreadable", "three"),
        ("unsaid", None),
    ):
        yield judged(
            f"version-{name}",
            "4.6",
            "Comparing versions as text, including the ceiling, or failing closed.",
            ceiling,
            at(DAY),
            host=Host(product="hustl", app_version=version),
        )


def entitlements() -> Iterator[Scenario]:
    """What may be used."""
    granted = (
        Entitlement(key="export-pdf"),
        Entitlement(key="cloud", expires_at=at(2 * DAY)),
        Entitlement(key="filters", below_version="2.0"),
        Entitlement(key="open", expires_at=at(31 * DAY)),
    )
    given = evidence(grant(entitlements=granted, essential=("open", "save", "filters")))
    host = Host(product="hustl", app_version="1.9")
    yield from around("entitlement-end", "4.9", "Taking `now <= expires_at` for usable.", given, at(2 * DAY), host=host)
    yield judged(
        "entitlement-version",
        "4.9",
        "Ignoring an entitlement's version ceiling.",
        given,
        at(DAY),
        host=Host(product="hustl", app_version="2.0"),
    )
    yield from around(
        "essential-in-grace",
        "4.9",
        "Keeping every feature in limited mode, losing the essential ones, or one that is over.",
        given,
        at(31 * DAY),
        host=host,
    )
    yield judged("essential-expired", "4.9", "Leaving features usable without access.", given, at(40 * DAY), host=host)
    yield judged(
        "essential-only",
        "4.9",
        "Needing listed entitlements for essential features.",
        evidence(grant(essential=("open", "open"))),
        at(DAY),
    )


def precedence() -> Iterator[Scenario]:
    """Each state against the next: the first one is the state, and both are reasons."""
    for first, second in pairwise(FACTS):
        given, host = situation((first, second))
        yield judged(
            f"precedence-{first}-{second}".replace("_", "-"),
            "5",
            "Another order of states, or telling only one of two facts.",
            given,
            NOW,
            host=host,
        )
    given, host = situation(tuple(FACTS))
    yield judged("precedence-everything", "5", "Losing any of many facts.", given, NOW, host=host)
    yield judged(
        "precedence-not-genuine",
        "5",
        "Letting another fact hide that something false was offered.",
        situation_without_grant(("not_genuine", *REFUSED_WITHOUT_GRANT)),
        NOW,
    )


def seats() -> Iterator[Scenario]:
    """Seats: activation and refresh."""
    two = (
        HeldSeat(activation_id="activation-1", device=DEVICE, device_name="Atelier", activated_at=at(0)),
        HeldSeat(activation_id="activation-2", device=OTHER_DEVICE, device_name="Ship", activated_at=at(DAY)),
    )
    third = "0c" * 32

    def seat(
        name: str,
        catches: str,
        *,
        function: str = "decide_activation",
        held: tuple[HeldSeat, ...] = two,
        device: str = third,
        product: str = "hustl",
        domain: str | None = None,
        now: Instant = NOW,
        rules: Policy | None = None,
        **facts: Any,
    ) -> Scenario:
        license_ = LicenseFacts(id="license-1", product="hustl", policy=rules or policy(), **facts)
        request = SeatRequest(product=product, device=device, domain=domain)
        given = {
            "function": function,
            "license": to_json(license_),
            "held": to_json(held),
            "request": to_json(request),
        }
        return complete(f"seat-{name}", "7", catches, given, now)

    yield seat("first", "Refusing the first device.", held=())
    yield seat("last", "Refusing the device that fills the limit.", held=two[:1])
    yield seat("full", "Overselling; not telling who holds the seats.")
    yield seat("held", "Taking a second seat for the same device.", device=DEVICE)
    over = policy(seat_limit=1)
    yield seat("held-over-limit", "Blocking a held seat because the limit was lowered.", device=DEVICE, rules=over)
    yield seat("full-over-limit", "Counting below a limit that was lowered.", rules=over)
    yield seat("unlimited", "Taking no limit for a limit of none.", rules=policy(seat_limit=None))
    yield seat("counted-full", "Counting the seats that are listed where a counter is given.", seats_used=2, held=())
    yield seat("counted-free", "Refusing below the limit by a counter.", seats_used=1, held=())
    yield seat("wrong-product", "Activating a key of another product.", product="hustl2")
    yield seat("suspended", "Activating a suspended license.", status="suspended", held=())
    yield seat("suspended-held", "Refreshing a suspended license.", status="suspended", device=DEVICE)
    yield seat("revoked", "Activating a revoked license.", status="revoked", held=())
    domains_ = policy(domains=("*.example.com",))
    yield seat("wrong-domain", "Activating for another domain.", rules=domains_, held=(), domain="example.com")
    yield seat("no-domain", "Activating a domain license without a domain.", rules=domains_, held=())
    yield seat("right-domain", "Refusing the right domain.", rules=domains_, held=(), domain="a.example.com")
    for seconds, word in _AROUND:
        moment = Instant(NOW + seconds)
        yield seat(f"start-{word}", "Activating before the license starts.", starts_at=NOW, now=moment, held=())
        yield seat(f"end-new-{word}", "Activating a new device after the term.", expires_at=NOW, now=moment, held=())
        yield seat(
            f"end-held-{word}",
            "Refusing a held device in the term's grace.",
            expires_at=NOW,
            now=moment,
            device=DEVICE,
        )
        yield seat(
            f"grace-end-held-{word}",
            "Serving a held device past the term's grace.",
            expires_at=at(3 * DAY),
            now=moment,
            device=DEVICE,
        )
    yield seat(
        "every-reason",
        "Telling only one reason of several.",
        product="hustl2",
        status="suspended",
        starts_at=at(20 * DAY),
        expires_at=at(9 * DAY),
        rules=domains_,
        domain="example.org",
        held=(*two, replace(two[0], activation_id="activation-3", device="0d" * 32)),
    )
    yield seat("refresh-held", "Refusing a refresh.", function="decide_refresh", device=DEVICE)
    yield seat("refresh-not-held", "Giving a seat at refresh.", function="decide_refresh", held=two[:1])
    yield seat(
        "refresh-suspended",
        "Refreshing a suspended license.",
        function="decide_refresh",
        device=DEVICE,
        status="suspended",
    )


def windows() -> Iterator[Scenario]:
    """From when until when an artifact holds."""

    def window(name: str, catches: str, now: Instant = NOW, rules: Policy | None = None, **given: Any) -> Scenario:
        members = {name: to_json(value) for name, value in given.items()}
        function = {"function": "offline_window", "policy": to_json(rules or policy()), **members}
        return complete(f"issue-{name}", "8", catches, function, now)

    yield window("plain", "Forgetting to date back, or counting the window from another second.")
    yield window("asked-shorter", "Ignoring the wish for a shorter window.", ttl_seconds=5 * DAY)
    yield window("asked-longer", "Granting more than the policy.", ttl_seconds=90 * DAY)
    longer = policy(max_offline_ttl_seconds=90 * DAY)
    yield window("asked-within-cap", "Refusing what the policy allows.", rules=longer, ttl_seconds=60 * DAY)
    yield window("asked-nothing", "Granting the cap unasked.", rules=longer)
    yield window("asked-zero", "Taking 0 for unset.", ttl_seconds=0)
    yield window("short", "Half a minute that is over when it is issued.", ttl_seconds=30)
    yield window("shortest", "A window that is over when it is issued.", ttl_seconds=1)
    yield window("short-token", "A token that is over when it is issued.", rules=policy(token_ttl_seconds=20))
    yield window("token-longer", "A token that outlives its machine file.", rules=policy(token_ttl_seconds=90 * DAY))
    for seconds, word in _AROUND:
        moment = Instant(NOW + seconds)
        yield window(f"start-{word}", "Issuing before the license starts.", moment, license_starts_at=NOW)
        yield window(f"term-{word}", "Issuing past the license term.", moment, license_expires_at=NOW)
        yield window(f"term-grace-{word}", "Issuing past the term's grace.", moment, license_expires_at=at(3 * DAY))
    yield window("term-cap", "A file that outlives the license.", license_expires_at=at(12 * DAY))
    yield window("refresh-cap", "Coming again after the window.", rules=policy(refresh_after_seconds=60 * DAY))
    yield window("epoch", "Dating back before 1970.", Instant(10))


def domains() -> Iterator[Scenario]:
    """Domains against patterns."""
    for number, (domain, pattern) in enumerate(
        (
            ("example.com", "example.com"),
            ("EXAMPLE.com.", "example.com"),
            ("example.com:8443", "example.com"),
            ("example.com:port", "example.com"),
            ("www.example.com", "example.com"),
            ("notexample.com", "example.com"),
            ("example.com.evil.example", "example.com"),
            ("a.example.com", "*.example.com"),
            ("example.com", "*.example.com"),
            ("a.b.example.com", "*.example.com"),
            ("evilexample.com", "*.example.com"),
            ("a.example.com", "*.com"),
            ("a.com", "*.com"),
            ("a.example.com", "a.*.com"),
            ("127.0.0.1", "127.0.0.1"),
            ("127.0.0.1", "*.0.0.1"),
            ("localhost", "localhost"),
            ("a..example.com", "*.example.com"),
            (".example.com", "*.example.com"),
            ("-a.example.com", "*.example.com"),
            ("a-.example.com", "*.example.com"),
            ("a/b.example.com", "*.example.com"),
            ("bücher.example", "bücher.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("", ""),
            ("example.com", "example.com:443"),
            ("a.example.com", "*.example.com:443"),
            ("x" * 64 + ".example.com", "*.example.com"),
            ("x" * 63 + ".example.com", "*.example.com"),
            ("\u212aeys.example", "keys.example"),
            ("example.com:65535", "example.com"),
            ("example.com:655350", "example.com"),
            (_LONGEST, _LONGEST),
            ("a" + _LONGEST, "a" + _LONGEST),
        ),
        1,
    ):
        yield complete(
            f"domain-{number:02}",
            "9.1",
            "Matching host names by text instead of by labels.",
            {"function": "domain_matches", "domain": domain, "pattern": pattern},
        )


def versions() -> Iterator[Scenario]:
    """Versions against ceilings."""
    for number, (version, below) in enumerate(
        (
            ("2.99.9", "3.0.0"),
            ("3.0.0", "3.0.0"),
            ("3.0", "3.0.0"),
            ("3", "3.0.0"),
            ("3.0.0-beta.1", "3.0.0"),
            ("2.10.0", "2.9.0"),
            ("2.9.0", "2.10"),
            (" 1.0 ", "2"),
            ("1.0+build.7", "1.0.1"),
            ("v1.0", "0.9"),
            ("1.2.3.4", "0.9"),
            ("1..2", "0.9"),
            ("", "0.9"),
            ("1.0", "soon"),
            ("٣.0", "0.9"),
            ("1" * 256, "0.9"),
            ("1" * 255, "2"),
            ("3.0.0", "3"),
            ("3.0.0", "3.0"),
        ),
        1,
    ):
        yield complete(
            f"version-{number:02}",
            "9.2",
            "Comparing versions as text, or failing closed on one that cannot be read.",
            {"function": "covers", "version": version, "below": below},
        )


def rendered() -> dict[str, str]:
    """File name -> content of every vector."""
    files: dict[str, str] = {}
    for scenario in scenarios():
        name = scenario["id"].partition("/")[2] + ".json"
        assert name not in files, f"two scenarios are called {name}"
        files[name] = json.dumps(scenario, indent=1, ensure_ascii=False) + "\n"
    return files


def main() -> None:
    """Write every vector, and remove files that are none any more."""
    files = rendered()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.glob("*.json"):
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"{len(files)} vectors in {FOLDER.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
