"""
What this process trusts and signs with now, and how it follows when that changes (SEC-20, R-18).

Every process of every host reads the same rows: another one's rotation or new root is noticed within seconds, without a
restart. The switch happens between two steps of the event loop: a request sees the state before or the one after.

Invariants: the root files chain from version 1, each a step from the one before; a signer's public half stands in the
newest of them for its role. What cannot be opened while serving is told (`problems`) and changes nothing for the rest:
the key that signed so far goes on as long as the root names it, and where it does not, nothing is signed for that role.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from carnet.core._base import Struct
from carnet.core.errors import CarnetError, NotGenuineError, StateError
from carnet.formats.keys import ROLES, KeyRing, PublicKey, Role, Signer, load_ed25519
from carnet.formats.root import Root, next_root, read_root
from carnet.server.ports import Storage, TrustChange, TrustFacts
from carnet.server.records import RootFile, SigningKey

MAX_ROOTS_SENT: Final = 64
"""Of one answer, oldest first: 200 KB. Who is further behind asks again, or gets the others from `/v1/root/{n}`."""

POLL_SECONDS: Final = 2
"""How often a process looks for a change: less than half of the five seconds in which it must have followed."""

OPEN_SECONDS: Final = 2.0
"""How long a look waits for keys that are new: with `POLL_SECONDS` still within the five."""

_PROOF: Final = b"carnet/v1/start-up-proof\0"

OpenKey = Callable[[SigningKey], Signer]
"""Opens the private half of a key and proves it (`signing.opening.open_signer`). May take long."""


class TrustState(Struct):
    """
    One moment's state.

    Attributes:
        roots: Every root file, version 1 first, as text.
        root: The newest one.
        keys: Every signing key that there ever was, by announcement.
        signers: By key id: what was opened, each key of it named by the root.
        problems: Sentences about keys that could not be opened.
    """

    roots: tuple[str, ...]
    root: Root
    keys: tuple[SigningKey, ...]
    signers: Mapping[str, Signer]
    problems: tuple[str, ...] = ()

    def active(self, role: Role) -> SigningKey | None:
        """The key that signs as *role*."""
        return next((key for key in self.keys if key.state == "active" and role in key.roles), None)

    def __repr__(self) -> str:
        return f"TrustState(version={self.root.version})"


class LiveRing(KeyRing):
    """A key ring that is always the newest root's: who holds it need not ask again."""

    __slots__ = ()

    def follow(self, ring: KeyRing) -> None:
        """Be as *ring* from now on. The headers go last: what another thread still notes in the old ones is dropped."""
        self._roles = ring._roles  # noqa: SLF001 - a ring of the same class
        self.headers = {}


class LiveTrust:
    """
    `ports.SigningKeys` and root files of this process. Make one with `load`.

    Attributes:
        ring: The public keys of the newest root.
    """

    def __init__(self, storage: Storage, open_key: OpenKey, state: TrustState) -> None:
        self._storage = storage
        self._open_key = open_key
        self._state = state
        self._signing: Mapping[Role, Signer] = _signing(state, {})
        self._turn = asyncio.Lock()
        self._opening: dict[str, asyncio.Task[Signer | CarnetError]] = {}
        self.ring = LiveRing(state.root.ring().keys())

    @classmethod
    async def load(cls, storage: Storage, first: str, open_key: OpenKey) -> LiveTrust:
        """
        Read what is stored, open every active key and prove it (SEC-25).

        Args:
            storage: Where the rows are.
            first: Root file version 1.
            open_key: Opens a key.

        Raises:
            StateError: ``no_signing_key``, ``keys_do_not_match_root``, ``root_chain_broken``; and what *open_key*
                raises: nothing is served without its keys.
            MalformedError: ``bad_key_file``.
        """
        facts = await storage.trust_facts()
        stored = await storage.root_files(after=1)
        state = follow_state(
            TrustState(roots=(first,), root=read_root(first), keys=(), signers={}), facts, _files_of(facts, stored)
        )
        check_named(state.root, state.keys)
        signers = await asyncio.to_thread(
            lambda: {key.kid: open_key(key) for key in state.keys if key.state == "active"}
        )
        trust = cls(storage, open_key, _with_signers(state, signers, ()))
        await asyncio.to_thread(trust.prove)
        return trust

    @property
    def state(self) -> TrustState:
        """What holds now. One object, so that its parts fit each other."""
        return self._state

    def signer(self, role: Role) -> Signer:
        """See `ports.SigningKeys`."""
        try:
            return self._signing[role]
        except KeyError:
            raise _no_key(role) from None

    def earlier(self, kid: str) -> Signer | None:
        """See `ports.SigningKeys`."""
        return self._state.signers.get(kid)

    def newer_roots(self, known: int | None) -> tuple[str, ...]:
        """The root files after version *known*, oldest first, at most `MAX_ROOTS_SENT`; None: nobody wants any."""
        return () if known is None else self._state.roots[known : known + MAX_ROOTS_SENT]

    def prove(self) -> None:
        """
        Sign with every key that signs now, and verify under the root's public half of it for each role (SEC-25). One
        signature for each key, which may be a service's.

        Raises:
            StateError: ``no_signing_key``; ``keys_do_not_match_root``: a key is not in the root for its role, or does
                not verify there; and what a signer says that is away.
        """
        made: dict[str, bytes] = {}
        for role in ROLES:
            if role == "root":  # never on the server (design.md §4)
                continue
            signer = self.signer(role)
            if signer.kid not in made:
                made[signer.kid] = signer.sign(_PROOF)
            try:
                self.ring.find(role, signer.kid).verify(made[signer.kid], _PROOF)
            except NotGenuineError as error:
                raise _do_not_match(role) from error

    async def keep_up(self) -> bool:
        """
        Take in what another process changed. One short read where nothing was.

        Returns:
            Whether anything had changed.

        Raises:
            StateError: ``storage_unavailable``, ``storage_busy``; ``root_chain_broken``.
        """
        async with self._turn:
            before = self._state
            facts = await self._storage.trust_facts()
            if facts.root_version == before.root.version and facts.keys == before.keys and not before.problems:
                return False
            files: tuple[str, ...] = ()
            if facts.root_version > before.root.version:
                files = _files_of(facts, await self._storage.root_files(after=before.root.version))
            try:
                state = follow_state(before, facts, files)
            except StateError as error:
                self._become(_with_signers(before, before.signers, (error.message,)))
                raise
            signers, problems = await self._open(state)
            self._become(_with_signers(state, signers, problems))
            return True

    async def _open(self, state: TrustState) -> tuple[Mapping[str, Signer], tuple[str, ...]]:
        """
        The signers of *state* and those that open within `OPEN_SECONDS`; one that takes longer is taken in later. A
        service that hangs must not hold up that a lost key is out.
        """
        missing = [key for key in state.keys if key.state == "active" and key.kid not in state.signers]
        for key in missing:
            if key.kid not in self._opening:
                self._opening[key.kid] = asyncio.create_task(self._opened(key))
        if self._opening:
            await asyncio.wait(self._opening.values(), timeout=OPEN_SECONDS)
        signers, codes = dict(state.signers), {key.kid: "signer_unavailable" for key in missing}
        for kid in [kid for kid, task in self._opening.items() if task.done()]:
            task = self._opening.pop(kid)
            opened = None if task.cancelled() else task.result()  # cancelled with an event loop that ended: once more
            if isinstance(opened, CarnetError):
                codes[kid] = opened.code
            elif opened is not None:
                signers[kid] = opened
        return signers, tuple(
            f"The key {key.kid} ({', '.join(key.roles)}) does not open ({codes[key.kid]})."
            for key in missing
            if key.kid not in signers
        )

    async def _opened(self, key: SigningKey) -> Signer | CarnetError:
        try:
            return await asyncio.to_thread(self._open_key, key)
        except CarnetError as error:
            return error

    def _become(self, state: TrustState) -> None:
        # No await here. The ring goes first: it knows every key that signs after.
        signing = _signing(state, self._signing)
        self.ring.follow(state.root.ring())
        self._state, self._signing = state, signing


def follow_state(before: TrustState, facts: TrustFacts, files: tuple[str, ...]) -> TrustState:
    """
    The state after *before*: each of *files* one step further, and the keys of *facts*. No signers but those of before.

    Raises:
        StateError: ``root_chain_broken``: a stored root is no step from the one before it.
    """
    roots, root = before.roots, before.root
    for file in files:
        try:
            root = next_root(root, file)
        except CarnetError as error:
            raise StateError(
                "root_chain_broken",
                f"The stored root file after version {root.version} is no step from it ({error.code}).",
                "Restore the database from your backup; never change its rows by hand.",
            ) from error
        roots = (*roots, file)
    return TrustState(roots=roots, root=root, keys=facts.keys, signers=before.signers)


def _files_of(facts: TrustFacts, stored: tuple[RootFile, ...]) -> tuple[str, ...]:
    """
    Those of *stored* that were there when *facts* were read. A root that came in between goes with keys that are not
    known yet: a lost key would be out, and its successor not in, until the next look.
    """
    return tuple(root.file for root in stored if root.version <= facts.root_version)


def check_named(root: Root, keys: tuple[SigningKey, ...]) -> None:
    """
    Make sure that *root* names each active one of *keys* for each of its roles.

    Raises:
        StateError: ``keys_do_not_match_root``.
    """
    for key in keys:
        for role in key.roles:
            if key.state == "active" and public_key_of(key) not in root.role_keys(role):
                raise _do_not_match(role)


def public_key_of(key: SigningKey) -> PublicKey:
    """The public half that *key* records."""
    return load_ed25519(key.public_key)


def adopted_change(facts: TrustFacts, found: tuple[SigningKey, ...]) -> TrustChange:
    """An installation of before the table existed: its rows are made of its key files, once."""
    return TrustChange(root=None, keys=() if facts.keys else found, audit=())


def _with_signers(state: TrustState, signers: Mapping[str, Signer], problems: tuple[str, ...]) -> TrustState:
    """*state* with those of *signers* that the root names: a key that was dropped signs nothing any more."""
    named = {key.kid for key in state.root.keys}
    kept = {kid: signer for kid, signer in signers.items() if kid in named}
    return TrustState(roots=state.roots, root=state.root, keys=state.keys, signers=kept, problems=problems)


def _signing(state: TrustState, before: Mapping[Role, Signer]) -> Mapping[Role, Signer]:
    """By role, what signs now: the active key, or the one before it while that does not open and still is trusted."""
    signing: dict[Role, Signer] = {}
    for role in ROLES:
        key = state.active(role)
        signer = None if key is None else state.signers.get(key.kid)
        if signer is None and role in before and before[role].kid in state.signers:
            signer = before[role]
        if signer is not None:
            signing[role] = signer
    return signing


def _do_not_match(role: Role) -> StateError:
    return StateError(
        "keys_do_not_match_root",
        f"The signing key for {role} is not the one that the root file names; nothing will be signed.",
        "Restore root.json, the database and the keys directory from the same time.",
    )


def _no_key(role: Role) -> StateError:
    return StateError(
        "no_signing_key",
        f"This installation has no key that may sign as {role}.",
        "Restore the keys directory from your backup.",
    )
