"""
The root files on a device: followed one step at a time, bounded, never back (specs/root.md §6, SEC-21, SEC-22).

Pure but for `catch_up`, a generator of requests as those in `flows.py`. A root file vouches for itself by its
signatures, so it may come from anywhere, and what could be followed is kept even where the rest of an answer cannot be
judged yet. Nothing that is offered can take more than `MAX_ROOT_STEPS` steps, and no more than `MAX_OFFERED` files of
it are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from itertools import islice

from carnet.client.wire import HttpAnswer, HttpRequest, Pause
from carnet.core._base import Struct, replace
from carnet.core.errors import CarnetError, NotGenuineError, TransportError
from carnet.core.instant import Instant
from carnet.formats.keys import KeyRing
from carnet.formats.limits import MAX_ROOT, MAX_ROOT_STEPS
from carnet.formats.root import Root, anchor, next_root, read_root

MAX_OFFERED = 512
"""Root files of one answer, bundle or state that are looked at: those that are known already, and as many new ones."""

MAX_STORED_ROOTS = 512
MAX_STORED_BYTES = 2 * 1024 * 1024
"""What a device keeps of its chain at most (specs/state.md §4): half of what a copy of the state may hold."""

BATCH = 64
"""Root files that a server puts into one answer; one that brings so many may have more (specs/http-api.md §4.1)."""

_KEPT_EVERY = 16
_OK = 200


class Chain(Struct):
    """
    The trusted root and how it is known.

    Attributes:
        root: The newest trusted one.
        files: Root files without a gap, each followed from the one before; the first is what the app embeds, the last
            is *root*'s own. Empty for who only wants to follow, and keeps nothing.
    """

    root: Root
    files: tuple[str, ...] = ()

    @property
    def later(self) -> tuple[str, ...]:
        """The files that lead from the embedded root to the newest."""
        return self.files[1:]


class Fork(Struct):
    """
    Another root file of a version that this device has: refused, and told.

    Attributes:
        version: Of both.
        is_vouched: Whether enough root keys signed the other one too: then the vendor has made two, or somebody else
            has the root keys. Otherwise somebody in between made it.
    """

    version: int
    is_vouched: bool


class Followed(Struct):
    """
    What came of root files that were offered.

    Attributes:
        chain: The chain after them.
        brought: Those that were followed, oldest first.
        forks: Those that contradict the chain.
    """

    chain: Chain
    brought: tuple[str, ...] = ()
    forks: tuple[Fork, ...] = ()


def _keep_nothing(_: Followed) -> None:
    """For who asks without a state."""


class Trust(Struct):
    """
    Whom a device believes while it asks.

    Attributes:
        chain: The root files that it trusts.
        wall: The wall clock.
        trusted_at: The proven lower bound of the time, and
        signed_by: the key that it rests on: it counts while the root names that key (SEC-31).
        known: Ids of keys whose artifacts this device has accepted and holds; an expired root still vouches for those.
        keep: Writes down what was followed, between two requests. A failure is its own to bear.
    """

    chain: Chain
    wall: Instant
    trusted_at: Instant | None = None
    signed_by: str | None = None
    known: frozenset[str] = frozenset()
    keep: Callable[[Followed], None] = _keep_nothing

    @property
    def root(self) -> Root:
        """The newest trusted root."""
        return self.chain.root

    @property
    def now(self) -> Instant:
        """The best guess of the present time; a root that takes a wrong signed time back is not judged by that time."""
        is_named = self.signed_by is None or any(key.kid == self.signed_by for key in self.root.keys)
        return max(self.wall, self.trusted_at) if self.trusted_at is not None and is_named else self.wall

    def ring(self) -> KeyRing:
        """The keys of the newest root."""
        return self.root.ring()

    def check_key(self, kid: str | None) -> None:
        """
        Check that the root may still vouch for the key *kid*, which signed something that has just come (SEC-22).

        Raises:
            NotGenuineError: ``root_expired``: the root has ended, and this device holds nothing by that key.
        """
        if self.now >= self.root.expires_at and kid not in self.known:
            raise NotGenuineError(
                "root_expired",
                f"The vendor's root file ended on {self.root.expires_at}, and vouches for no key that is new here.",
                "Check this device's clock; otherwise update the app, or ask the vendor for a newer root file.",
            )

    def follow(self, files: Iterable[str], *, most: int = MAX_ROOT_STEPS) -> Trust:
        """What is trusted after *files*, which are followed as far as they go; what came of that is kept."""
        followed = follow(self.chain, files, most=most)
        if followed.brought or followed.forks:
            self.keep(followed)
        return replace(self, chain=followed.chain)


def embedded(data: bytes) -> Chain:
    """
    The chain of an app that has heard of nothing yet.

    Raises:
        MalformedError, NotGenuineError: *data* is no root file.
    """
    return Chain(root=read_root(data), files=(data.decode("utf-8", "surrogateescape"),))


def follow(chain: Chain, files: Iterable[str], *, most: int = MAX_ROOT_STEPS) -> Followed:
    """
    Follow root files as far as each continues the one before. Steps 7 and 8 of specs/root.md §6.

    Args:
        chain: Trusted already.
        files: In any state, oldest first. Those that the chain has are passed over; after one was followed, the first
            that does not continue it is the last that is looked at.
        most: Steps that are taken at most.
    """
    brought: list[str] = []
    forks: dict[int, Fork] = {}
    held = set(chain.files)
    for text in islice(files, MAX_OFFERED):
        if text in held:
            continue
        if len(brought) >= most:
            break
        try:
            newer = next_root(chain.root, text)
        except CarnetError as error:
            other = _held_version(chain, text) if error.code == "root_not_next" else None
            if other is None:
                if brought:
                    break
            elif (fork := _fork(chain, text, other)) is not None:
                forks[fork.version] = fork
            continue
        chain = Chain(root=newer, files=(*chain.files, text))
        held.add(text)
        brought.append(text)
    return Followed(chain=chain, brought=tuple(brought), forks=tuple(forks.values()))


def stored_after(stored: tuple[str, ...], chain: Chain) -> tuple[str, ...]:
    """
    What is kept once *chain* is trusted, where *stored* is what stands in the state now.

    Another process may have stored more of the same chain: then that stays. Files before the embedded root stay for an
    older app beside this one. Where all are too many, those go; they come again if they are needed.
    """
    later = chain.later
    if not later:
        return stored
    at = stored.index(later[0]) if later[0] in stored else len(stored)
    if stored[at : at + len(later)] == later:
        return stored
    known = set(chain.files)
    before = stored[: next((index for index, text in enumerate(stored) if text in known), len(stored))]
    every = (*before, *chain.files) if before or chain.files[0] in stored else later
    return every if is_storable(every) else _cut(later)


def is_storable(files: tuple[str, ...]) -> bool:
    """Whether *files* are within what a device keeps."""
    return len(files) <= MAX_STORED_ROOTS and sum(map(len, files)) <= MAX_STORED_BYTES


def catch_up(
    trust: Trust, *, most: int = MAX_ROOT_STEPS
) -> Generator[HttpRequest | Pause, HttpAnswer, tuple[Trust, TransportError | None]]:
    """
    Fetch the root files after the newest trusted one, one at a time, until there is no further one.

    Args:
        trust: What is trusted so far.
        most: Steps that are taken at most.

    Returns:
        What is trusted then, and what cut it short: None where there is no further root, or none that continues;
        ``catching_up`` where more are left than were to be taken. What was followed is kept, also where this is cut.
    """
    first = kept = trust.chain
    problem: TransportError | None = catching_up()

    def keep() -> None:
        brought = trust.chain.files[len(kept.files) :]
        if brought:
            trust.keep(Followed(chain=trust.chain, brought=brought))

    try:
        while len(trust.chain.files) - len(first.files) < most:
            request = HttpRequest(method="GET", path=f"/v1/root/{trust.root.version + 1}")
            try:
                answer = yield request
            except TransportError as cut:
                problem = cut
                break
            is_file = answer.status == _OK and len(answer.body) <= MAX_ROOT
            followed = follow(trust.chain, (answer.body.decode("utf-8", "replace"),) if is_file else ())
            if not followed.brought:
                problem = None
                break
            trust = replace(trust, chain=followed.chain)
            if len(trust.chain.files) - len(kept.files) >= _KEPT_EVERY:
                keep()
                kept = trust.chain
    finally:
        keep()
    return trust, problem


def catching_up() -> TransportError:
    """The problem of a contact that brought roots, and must be gone on with."""
    return TransportError(
        "catching_up",
        "This device was away for many changes of the vendor's keys, and has not followed all of them yet.",
        "Try again: it goes on where it was.",
    )


def _held_version(chain: Chain, text: str) -> Root | None:
    """The root *text*, where it vouches for itself and *chain* has its version."""
    try:
        other = read_root(text)
    except CarnetError:
        return None
    is_held = chain.root.version - len(chain.files) < other.version <= chain.root.version
    return other if is_held and other.issuer == chain.root.issuer else None


def _fork(chain: Chain, text: str, other: Root) -> Fork | None:
    """What to tell of *other*, a root of a version that *chain* has; None where it is the same one."""
    at = other.version - chain.root.version - 1
    if anchor(text) == anchor(chain.files[at]):
        return None
    # What leads to the embedded root is not at hand; its own keys stand for those of the version before.
    before = read_root(chain.files[max(at - 1, -len(chain.files))])
    try:
        next_root(replace(before, version=other.version - 1), text)
    except CarnetError:
        return Fork(version=other.version, is_vouched=False)
    return Fork(version=other.version, is_vouched=True)


def _cut(files: tuple[str, ...]) -> tuple[str, ...]:
    """As many of *files* as are kept, from the first on: a chain with a gap leads nowhere."""
    kept: list[str] = []
    size = 0
    for text in files[:MAX_STORED_ROOTS]:
        size += len(text)
        if size > MAX_STORED_BYTES:
            break
        kept.append(text)
    return tuple(kept)
