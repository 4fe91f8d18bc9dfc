"""
Status lists on a device: what they say of the grants at hand, which are kept, and where they are asked for.

A list vouches for itself by its seal, so it may come from anywhere, and whoever can bring a list can bring no other
news than the vendor's (R-83, REL-16). It is verified again at each judgement, under the keys of now (SEC-23), and only
where a grant names it: what nobody asked for is not even unpacked. Pure, and loaded only where there is a list
(specs/state.md §14, specs/decision.md §2.6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from carnet.core._base import replace
from carnet.core.decision import Evidence
from carnet.core.errors import CarnetError
from carnet.core.model import Grant, StatusRef
from carnet.core.revocation import Listed, newest_lists, with_lists
from carnet.formats.encoding import b64url_decode
from carnet.formats.jws import unverified_jws
from carnet.formats.keys import KeyRing, check_kid
from carnet.formats.status_list import StatusList, verify_status_list

MAX_KEPT = 4
MAX_KEPT_CHARACTERS = 64 * 1024
"""Of one list; a shard of 131,072 has at most 59,000, when half of all licenses are suspended at random."""

_PATH = "/v1/status/"
_MAX_SHARD_DIGITS = 15
"""A life of a database that began with a restored backup has numbers of ten (REL-11)."""
_SUB = b'"sub":"'

CheckKey = Callable[[str], None]


def judged_with_lists(
    evidence: Evidence, tokens: Iterable[str], ring: KeyRing, *, issue_times_count: bool = False
) -> Evidence:
    """
    *evidence* with what the lists among *tokens* say of its grants.

    Args:
        evidence: What is known without them.
        tokens: Status lists as received, in any state and order; what does not verify, and what no grant names, is as
            if it were not there.
        ring: The keys of the newest root.
        issue_times_count: Whether the time at which a list was signed raises `trusted_at`, as that of a grant does.
    """
    refs = refs_of(evidence.grants)
    lists = [listed for _, listed in _verified(tokens, ring, {ref.uri for ref in refs})]
    if not lists:
        return evidence
    known = with_lists(evidence, [_listed(one, refs) for one in lists])
    if not issue_times_count:
        return known
    times = [one.issued_at for one in lists]
    return replace(known, trusted_at=max(times if known.trusted_at is None else (*times, known.trusted_at)))


def kept_after(
    kept: tuple[str, ...],
    offered: Iterable[str],
    ring: KeyRing,
    grants: Iterable[Grant],
    *,
    check_key: CheckKey | None = None,
) -> tuple[str, ...]:
    """
    What a device keeps where it has *kept* and *offered* is brought to it (SEC-27).

    Args:
        kept: What stands in the state.
        offered: Lists from anywhere, in any state.
        ring: The keys of the newest root. A kept list whose key is gone from it is dropped, and with it its version as
            the least that is taken: the only way back, and it takes the root keys.
        grants: Those on the device. Without any, which lists matter is not known, and nothing changes.
        check_key: Raises for the key of an offered list that the root may not vouch for any more (SEC-22).

    Returns:
        The newest list of each address that *grants* name, none of them older than a grant allows; *kept* itself where
        nothing changes.
    """
    refs = refs_of(grants)
    if not refs:
        return kept
    uris = {ref.uri for ref in refs}
    found = _verified(kept, ring, uris)
    for token, listed in _verified((text for text in offered if text not in kept), ring, uris):
        if len(token) <= MAX_KEPT_CHARACTERS and _is_new_enough(listed, refs) and _may_vouch(token, check_key):
            found.append((token, listed))
    tokens = {id(listed): token for token, listed in found}
    newest = newest_lists(listed for _, listed in found)
    after = tuple(tokens[id(listed)] for listed in newest.values())[:MAX_KEPT]
    return kept if set(after) == set(kept) else after


def versions_of(tokens: Iterable[str], ring: KeyRing) -> dict[str, tuple[int, int]]:
    """The version of the newest list of each address among *tokens*, to be told to the server."""
    return {listed.uri: listed.version for listed in newest_of(tokens, ring)}


def newest_of(tokens: Iterable[str], ring: KeyRing) -> list[StatusList]:
    """The newest list of each address among *tokens* that verifies under *ring*."""
    return list(newest_lists(listed for _, listed in _verified(tokens, ring, None)).values())


def refs_of(grants: Iterable[Grant]) -> list[StatusRef]:
    """Where the status lists have *grants*, each place once."""
    refs = [ref for grant in grants for ref in (grant.license_status_ref, grant.activation_status_ref)]
    return list(dict.fromkeys(ref for ref in refs if ref is not None))


def path_of(uri: str) -> str | None:
    """
    What to ask the license server, or a mirror that the app names, for the list called *uri*; None for nothing.

    Only the number of the shard is taken from *uri*, whatever host it names: an artifact never makes a device call
    anybody that its app does not know. Where the number leads to is told by the list's own `sub`, which has to be
    *uri* (SEC-26).
    """
    _, slash, shard = uri.rpartition("/")
    if not f"{uri[: -len(shard)]}".endswith(_PATH) or not slash:
        return None
    is_number = shard.isascii() and shard.isdigit() and len(shard) <= _MAX_SHARD_DIGITS
    return _PATH + shard if is_number else None


def tokens_in(data: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """
    The status lists of a file that an app brings with it, and the root files beside them; nothing of it verified.

    Args:
        data: A ``.carnet`` bundle, or status list tokens, one in a line.

    Raises:
        MalformedError: It looks like a bundle, and is none.
    """
    from carnet.formats.bundle import LABEL, read_bundle

    if LABEL.encode() in data[:200]:
        bundle = read_bundle(data)
        return bundle.status_lists, bundle.roots
    lines = data.decode("ascii", "replace").split()
    return tuple(line for line in lines if line.count(".") == 2), ()


def uri_of(token: str) -> str | None:
    """The address that *token* claims to be the list of, unverified: to choose which one is worth verifying."""
    try:
        payload = b64url_decode(token.split(".")[1], "The list")
    except (CarnetError, IndexError):
        return None
    start = payload.rfind(_SUB) + len(_SUB)
    end = payload.find(b'"', start)
    return payload[start:end].decode("utf-8", "replace") if len(_SUB) <= start < end else None


def _verified(tokens: Iterable[str], ring: KeyRing, uris: set[str] | None) -> list[tuple[str, StatusList]]:
    found = []
    for token in tokens:
        if uris is not None and uri_of(token) not in uris:
            continue
        try:
            listed = verify_status_list(token, ring)
        except CarnetError:
            continue  # it says nothing: not authentic under the keys of today, or no list at all (SEC-23, REL-16)
        if uris is None or listed.uri in uris:
            found.append((token, listed))
    return found


def _listed(listed: StatusList, refs: Iterable[StatusRef]) -> Listed:
    """*listed* as far as *refs* ask."""
    return Listed(
        issuer=listed.issuer,
        uri=listed.uri,
        version=listed.version,
        issued_at=listed.issued_at,
        statuses=tuple(
            (ref.index, listed.status(ref.index)) for ref in refs if ref.uri == listed.uri and ref.index < listed.size
        ),
    )


def _is_new_enough(listed: StatusList, refs: Iterable[StatusRef]) -> bool:
    return all(ref.minimum is None or listed.version >= ref.minimum for ref in refs if ref.uri == listed.uri)


def kid_of(token: str) -> str:
    """
    The id of the key that *token* names.

    Raises:
        MalformedError: It is no token.
    """
    header, _ = unverified_jws(token, max_bytes=MAX_KEPT_CHARACTERS, max_string=MAX_KEPT_CHARACTERS, what="The list")
    return check_kid(header.get("kid"))


def _may_vouch(token: str, check_key: CheckKey | None) -> bool:
    if check_key is None:
        return True
    try:
        check_key(kid_of(token))
    except CarnetError:
        return False
    return True
