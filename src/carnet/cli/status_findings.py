"""
What a status list says, for `carnet verify`: of itself, and, in a bundle, of the license beside it (R-83, SEC-26).

A list grants nothing and is judged with the license that names it; alone it is genuine or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carnet.cli.findings import Finding
from carnet.cli.output import when
from carnet.core.decision import Reason
from carnet.core.errors import CarnetError
from carnet.core.quantities import how_many

if TYPE_CHECKING:
    from collections.abc import Iterable

    from carnet.cli.trust import Trust
    from carnet.core.model import Grant, StatusRef
    from carnet.formats.status_list import StatusList

_WORDS = {0: "valid", 1: "ended", 2: "suspended", 3: "ended"}
_BITS_OF_BYTE = 256


def find_list(data: bytes | str, trust: Trust, grants: Iterable[Grant] = ()) -> Finding:
    """
    Whether *data* is a status list of the vendor's, and what it says.

    Args:
        data: The token.
        trust: What to verify it with.
        grants: Genuine licenses beside it, which it may name.
    """
    from carnet.client.status_lists import kid_of
    from carnet.formats.status_list import verify_status_list

    version = None if trust.root is None else trust.root.version
    text = data if isinstance(data, str) else data.decode("ascii", "replace")
    try:
        listed = verify_status_list(text, trust.ring("status-list"))
        kid = kid_of(text)
    except CarnetError as error:
        reason = Reason(code=error.code, message=error.message, fix=error.fix)
        return Finding(kind="status-list", is_genuine=False, kid=None, root_version=version, reasons=(reason,))
    ended, suspended = counts(listed)
    facts: dict[str, Any] = {
        "uri": listed.uri,
        "version": list(listed.version),
        "issuer": listed.issuer,
        "issued_at": str(listed.issued_at),
        "size": listed.size,
        "ended": ended,
        "suspended": suspended,
    }
    told = f"Of {listed.size} licenses and seats {how_many(ended, 'has', 'have')} ended"
    told += f" and {how_many(suspended, 'is', 'are')} suspended"
    told += f", as of {when(listed.issued_at)}."
    for grant in grants:
        for name, ref in (("license", grant.license_status_ref), ("seat", grant.activation_status_ref)):
            word = None if ref is None else _said(listed, grant, ref)
            if word is not None and name not in facts:
                facts[name] = word
                told += f" The {name} of the {grant.kind} is {word}."
    return Finding(
        kind="status-list", is_genuine=True, kid=kid, root_version=version, facts=tuple(facts.items()), text=told
    )


def counts(listed: StatusList) -> tuple[int, int]:
    """How many of *listed* have ended, and how many are suspended."""
    seen = [listed.statuses.count(byte) for byte in range(_BITS_OF_BYTE)]
    mask = (1 << listed.bits) - 1
    statuses = [0] * 4
    for byte, times in enumerate(seen):
        for shift in range(0, 8, listed.bits):
            statuses[byte >> shift & mask] += times
    return statuses[1] + statuses[3], statuses[2]


def _said(listed: StatusList, grant: Grant, ref: StatusRef) -> str | None:
    """What *listed* says of *ref*; None where it is another list."""
    if (ref.uri, grant.issuer) != (listed.uri, listed.issuer):
        return None
    if ref.minimum is not None and listed.version < ref.minimum:
        return "not told: the list is older than the license accepts"
    return _WORDS[listed.status(ref.index)] if ref.index < listed.size else "not in it"
