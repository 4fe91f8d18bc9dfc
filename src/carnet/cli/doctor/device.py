"""What may be wrong on a customer's device: settings, identity, state, clock, license, and the way to the server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from carnet.cli.doctor.finding import Finding, ok, problem, warning
from carnet.client.support import symptoms_of
from carnet.core._base import replace
from carnet.core.errors import CarnetError
from carnet.core.instant import DAY, HOUR, MINUTE
from carnet.core.quantities import how_many
from carnet.formats.support_code import Symptoms, write_support_code

if TYPE_CHECKING:
    from carnet import Carnet, Decision, Info

_SECONDS = 10
_RECENT_LINES = 5
_GOOD = frozenset({"granted", "right", "followed", "kept"})


def look_at_device(carnet: Carnet) -> tuple[list[Finding], str]:
    """
    Everything that can be seen from here; opens one connection to the server, changes nothing.

    Returns:
        What was found, and the support code.
    """
    info = carnet.info()
    decision = carnet.check()
    logged, logged_code = _log(info)
    server, server_code = _server(carnet)
    findings = [_identity(info), _state(info), _clock(info, decision), *_roots(info, decision), _license(decision)]
    findings += [*_lists(info, decision), *logged, server]
    symptoms = symptoms_of(carnet)
    code = server_code or logged_code
    return findings, write_support_code(symptoms if code is None else replace(symptoms, problem=code))


def explained(symptoms: Symptoms) -> dict[str, object]:
    """What a support code says, by the names of its fields."""
    return {name: getattr(symptoms, name) for name in symptoms.__fields__}


def _identity(info: Info) -> Finding:
    identity = info.identity
    if not identity.anchors:
        return problem("identity", "Nothing identifies this device.", identity.advice)
    first = identity.anchors[0]
    told = f"this device is known by {first.kind} ({first.strength})"
    if first.strength == "weak":
        return warning("identity", f"{told[0].upper()}{told[1:]}.", identity.advice)
    missing = "".join(f"; {missing.kind}: {missing.reason}" for missing in identity.missing)
    return ok("identity", told + missing.rstrip("."))


def _state(info: Info) -> Finding:
    where = info.state_directory
    match info.condition:
        case "absent":
            return warning("state", f"Nothing was activated here: {where} holds no license state.", "Activate.")
        case "foreign":
            fix = "Activate with your license key. If this is the same computer, changed, it keeps its seat."
            told = f"The license state in {where} was made on another device{_what_differs(info)}."
            return problem("state", told, fix)
        case "damaged":
            fix = "Activate again with your license key: the same device keeps its seat."
            return problem("state", f"Both copies of the license state in {where} are damaged.", fix)
        case "unreadable":
            fix = "Run the app as the user who activated it, or give this user access to the directory."
            return problem("state", f"This user may not read the license state in {where}.", fix)
        case "too_new":
            return problem("state", f"A newer version wrote the license state in {where}.", "Use the newer version.")
        case _:
            pass
    if "damaged" in info.copies:
        return warning("state", "One of the two copies of the state is damaged.", "Nothing: it is mended when written.")
    if not os.access(where, os.W_OK):
        fix = "Give this user write access to the directory, or the license cannot be refreshed."
        return problem("state", f"This user may not write to {where}.", fix)
    return ok("state", f"both copies in {where} are whole")


def _what_differs(info: Info) -> str:
    """By which of the identifiers that the state was sealed for this device is another one (users-ask 36)."""
    from carnet.client.state import COPIES
    from carnet.client.state_file import MAX_STATE, peek

    for name in COPIES:
        try:
            with open(os.path.join(info.state_directory, name), "rb") as file:  # noqa: PTH118, PTH123 - as on devices
                header = peek(file.read(MAX_STATE + 1), info.product).header
        except OSError:
            continue
        if header is not None:
            here = {anchor.kind for anchor in info.identity.anchors}
            told = (
                f"{slot.anchor} is {'another here' if slot.anchor in here else 'not here'}" for slot in header.slots
            )
            return f": {', '.join(told)}"
    return ""


def _clock(info: Info, decision: Decision) -> Finding:
    if info.trusted_at is None:
        return ok("clock", "nothing to compare it with yet: no server was heard")
    if decision.checked_at == info.trusted_at and _now() < info.trusted_at - DAY:
        fix = "Set date, time and time zone of this device, and check its battery."
        return warning("clock", f"The clock is behind: it is at least {info.trusted_at}.", fix)
    return ok("clock", f"not behind the proven time, {info.trusted_at}")


def _now() -> int:
    from carnet.client.clock import SystemClock

    return SystemClock().now()


def _license(decision: Decision) -> Finding:
    reasons = " ".join(reason.message for reason in decision.reasons)
    fix = " ".join(dict.fromkeys(reason.fix for reason in decision.reasons if reason.fix))
    if decision.access == "none":
        return problem("license", f"{decision.state}: {reasons}", fix)
    if reasons:
        return warning("license", f"{decision.state}: {reasons}", fix)
    until = "for ever" if decision.offline_until is None else f"until {decision.offline_until} without the server"
    return ok("license", f"{decision.state}, {until}")


def _roots(info: Info, decision: Decision) -> list[Finding]:
    """The vendor's root file: whether it has ended, and whether another one of its version was handed out (SEC-21)."""
    told = f"root file version {info.root_version} vouches for new keys until {info.root_expires_at}"
    found = [ok("root", told)]
    if info.root_expires_at is not None and decision.checked_at >= info.root_expires_at:
        fix = "Check the clock; otherwise update the app, or ask the vendor for a newer root file or bundle."
        found = [warning("root", f"Root file version {info.root_version} ended on {info.root_expires_at}.", fix)]
    for entry in _entries(info):
        if entry.get("code") == "root_forked":
            is_vouched = entry.get("why") == "signed_by_root_keys"
            who = "the vendor's root keys signed it too" if is_vouched else "others than the vendor signed it"
            told = f"On {entry.get('at')} another root file of a version that is here was handed out; {who}. "
            fix = "Tell the vendor." if is_vouched else "Look for a proxy between this device and the license server."
            found = [(problem if is_vouched else warning)("root", f"{told}It was refused.", fix)]
    return found


def _lists(info: Info, decision: Decision) -> list[Finding]:
    """How old the status lists here are, and whether the policy allows that (SEC-28); nothing without a license."""
    if info.revocation_checked_at is None:
        return []
    told = "; ".join(
        f"the list {each.uri} is of {each.issued_at}, {_age(each.age_seconds)} old"
        + (", which is more than the policy allows" if each.is_too_old else "")
        for each in info.status_lists
    )
    told = told or "no list is here"
    if info.revocation_check_by is None:
        return [ok("status-lists", f"{told}; the policy asks for none")]
    told += f"; the license was last checked for revocation on {info.revocation_checked_at}"
    if decision.checked_at < info.revocation_check_by:
        return [ok("status-lists", f"{told}, which is enough until {info.revocation_check_by}")]
    fix = "Connect to the license server, or bring a newer list or bundle to this device."
    return [
        warning("status-lists", f"{told[0].upper()}{told[1:]}, and had to be again by {info.revocation_check_by}.", fix)
    ]


def _age(seconds: int) -> str:
    """A length of time, as people say it."""
    for unit, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if seconds >= unit:
            return f"{seconds // unit} {name}{'' if seconds < 2 * unit else 's'}"
    return "less than a minute"


def _entries(info: Info) -> list[dict[str, object]]:
    """The lines of the device's log, oldest first; none where it cannot be read."""
    from carnet.client.journal import FILE
    from carnet.formats.strict_json import parse_object

    try:
        with open(os.path.join(info.state_directory, FILE), "rb") as file:  # noqa: PTH118, PTH123 - as on devices
            return [parse_object(line, max_bytes=4096, what="The log") for line in file.read().splitlines()]
    except (OSError, CarnetError):
        return []


def _log(info: Info) -> tuple[list[Finding], str | None]:
    """What the device's log says of the last contacts; and the code of the last one, where that went wrong."""
    entries = _entries(info)[-_RECENT_LINES:]
    bad = [entry for entry in entries if entry.get("outcome") not in _GOOD]
    if bad and bad[-1] is entries[-1]:
        last = bad[-1]
        told = f"The last entry of the log: {last.get('event')} {last.get('outcome')}, {last.get('code')}"
        fix = "See what this code means in docs/reference/codes.md."
        code = last.get("code")
        return [warning("log", f"{told}, on {last.get('at')}.", fix)], code if isinstance(code, str) else None
    return (
        [ok("log", "the last entry ends well" if len(entries) == 1 else f"the last {len(entries)} entries end well")]
        if entries
        else []
    ), None


def _server(carnet: Carnet) -> tuple[Finding, str | None]:
    """Whether the server is reached, and is the vendor's: a signed time with our nonce; and the problem's code."""
    from carnet.client.transport import HttpTransport
    from carnet.client.wire import HttpRequest
    from carnet.formats.encoding import b64url_encode
    from carnet.formats.strict_json import parse_object
    from carnet.formats.time_answer import verify_time_answer

    try:
        address = carnet._config.server_address()  # noqa: SLF001 - the SDK's own command
    except CarnetError:
        return ok("server", "none is named; this device does without"), None
    nonce = b64url_encode(os.urandom(16))
    try:
        transport = HttpTransport(address)
        try:
            answer = transport.send(HttpRequest(method="GET", path=f"/v1/time?nonce={nonce}"), timeout_seconds=_SECONDS)
        finally:
            transport.close()
        body = parse_object(answer.body, max_bytes=16 * 1024, what="The answer")
        view = carnet._device.look()  # noqa: SLF001 - as above
        told = verify_time_answer(str(body.get("token")), view.root.ring(), nonce=nonce)
    except CarnetError as error:
        return problem("server", f"{address}: {error.message}", error.fix), error.code
    off = abs(int(told.at) - _now())
    if off > 5 * 60:
        fix = "Set date, time and time zone of this device."
        return warning(
            "server", f"{address} answers, and says that this clock is off by {how_many(off, 'second')}.", fix
        ), None
    return ok("server", f"{address} answers, and is the vendor's"), None
