"""
Fetching status lists by themselves, and keeping what came, for whoever runs operations (`operations.py`).

A refresh is a check for revocation and more, so lists are fetched only where a policy bounds how old the check may be
and no refresh is due before. They are public and the same for everybody: a CDN may answer, and learns the number of a
shard. No answer but a genuine, newer list changes anything (REL-16).
"""

from __future__ import annotations

from collections.abc import Generator, Iterable

from carnet.client.device import Device, View, with_problem
from carnet.client.flows import OUT_OF_TIME
from carnet.client.journal import note
from carnet.client.operations import Outcome, Steps, refresh
from carnet.client.root_keeping import trust_of
from carnet.client.roots import stored_after
from carnet.client.state import LOCK_SECONDS, Loaded
from carnet.client.state_file import DeviceState
from carnet.client.status_lists import MAX_KEPT_CHARACTERS, kept_after, path_of, refs_of
from carnet.client.wire import HttpAnswer, HttpRequest, Pause
from carnet.core._base import replace
from carnet.core.errors import StateError, TransportError, UsageError

_ACCEPT = ("Accept", "application/statuslist+jwt")
_OK = 200


def recheck(device: Device, *, is_refresh_due: bool = False) -> Steps:
    """
    See to it that the license is checked for revocation: by status lists, or else by a refresh.

    Args:
        device: This device.
        is_refresh_due: A refresh is due as well, and follows whatever the lists say.
    """
    yield from _recheck(device)
    view = device.look()
    if not is_refresh_due and device.is_checked(view):
        return Outcome(decision=device.judge(view))
    return (yield from refresh(device))


def refresh_or_recheck(device: Device) -> Steps:
    """Refresh; where that brings no answer, see whether status lists can be had: whoever has them may be elsewhere."""
    outcome = yield from refresh(device)
    if outcome.problem is None or device.is_checked(device.look()):
        return outcome
    yield from _recheck(device)
    return Outcome(decision=with_problem(device.judge(device.look()), outcome.problem), problem=outcome.problem)


def _recheck(device: Device) -> Generator[HttpRequest | Pause, HttpAnswer, None]:
    """Fetch the lists and keep what is newer; what goes wrong is noted and no more."""
    view = device.look()
    offered, code = yield from _fetched(device, view)
    if offered:
        try:
            code = None if keep_lists(device, view, offered) else "not_newer"
        except StateError as error:
            code = error.code
    if code is not None:
        note(device.store.directory, view.wall, "status_lists", "problem", code)


def keep_lists(device: Device, view: View, offered: Iterable[str], *, lock_seconds: float = LOCK_SECONDS) -> bool:
    """
    Write down which of the lists *offered* are newer than those that are kept, and the roots that *view* has followed.

    Returns:
        Whether a list was kept.

    Raises:
        StateError: ``state_not_writable``, ``state_busy``.
    """
    trust = trust_of(device, view)
    texts = tuple(offered)
    is_kept = False

    def change(found: Loaded) -> DeviceState | None:
        nonlocal is_kept
        if found.condition != "open":
            return None
        old = found.state
        # By the grants of this very moment: another process may have activated with another license.
        grants = device.listed(replace(view, loaded=found))
        lists = kept_after(old.status_lists, texts, view.root.ring(), grants, check_key=trust.check_key)
        roots = stored_after(old.roots, view.chain)
        is_kept = lists != old.status_lists
        return replace(old, status_lists=lists, roots=roots) if is_kept or roots != old.roots else None

    device.store.update(view.identity.anchors, change, lock_seconds=lock_seconds)
    if is_kept:
        note(device.store.directory, view.wall, "status_lists", "kept")
    return is_kept


def _fetched(device: Device, view: View) -> Generator[HttpRequest | Pause, HttpAnswer, tuple[list[str], str | None]]:
    """What came for each list that the grants here name, unverified, and a code for why nothing did."""
    offered: list[str] = []
    code: str | None = None
    mirror = device.config.mirror_address()
    if mirror is not None:
        from carnet.client.transport import check_server

        try:
            check_server(mirror)
        except UsageError:
            return [], "bad_mirror"  # a setting that is wrong costs the lists, and not the refresh that follows
    for uri in dict.fromkeys(ref.uri for ref in refs_of(device.stored(view))):
        path = path_of(uri)
        if path is None:
            continue
        try:
            answer = yield HttpRequest(method="GET", path=path, headers=(_ACCEPT,), mirror=mirror)
        except TransportError as error:
            code = error.code
            if code == OUT_OF_TIME:
                break
            continue
        if answer.status == _OK and len(answer.body) <= MAX_KEPT_CHARACTERS and answer.body.isascii():
            offered.append(answer.body.decode().strip())
        else:
            code = f"http_{answer.status}"  # a login page, an error, another server: nothing follows from it (REL-16)
    return offered, code
