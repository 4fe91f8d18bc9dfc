"""
From an intent to a root in force: begun, signed by the people who hold the root keys, finished (SEC-20, SEC-24, R-18).

One ceremony goes on at a time. It is one file (`Desk`), written at once: what is wanted, the private halves of the keys
that it makes, sealed, and the signatures so far. Nothing of it is in force before `finish`, which writes the key files,
proves the keys, keeps the ceremony aside, and then changes the database in one transaction. So it may be killed
anywhere: before the transaction nothing has changed, after it everything has; `finish` run again does what is left.
What is kept aside is forgotten only if the database refused it: no root that clients may know is replaced by another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from carnet.core._base import replace
from carnet.core.errors import UsageError
from carnet.core.instant import Instant
from carnet.formats.dsse import EnvelopeSignature
from carnet.formats.keys import Role, Signer
from carnet.formats.root import read_root
from carnet.formats.root_draft import draft_of, root_file_of, sign_draft, with_signatures
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.trust.desk import Ceremony, Desk, Installed, KeyFileContent
from carnet.server.domain.trust.life import find_key
from carnet.server.domain.trust.live import LiveTrust
from carnet.server.domain.trust.plan import Intent, NewKey, Plan, Replaced, RootKeys, group_of, plan_root, plan_rotation
from carnet.server.ports import Clock, Storage, TrustChange, TrustFacts
from carnet.server.records import Actor, AuditEntry, RootFile, SigningKey


class Ceremonies:
    """
    What can be done with signing keys and root keys.

    Args:
        storage: The chain and the keys' records.
        clock: The server's time.
        live: What this process trusts; follows at once.
        desk: Where the ceremony lies.
        announce_seconds: How long a key is announced before it may sign.
    """

    def __init__(self, *, storage: Storage, clock: Clock, live: LiveTrust, desk: Desk, announce_seconds: int) -> None:
        self._storage = storage
        self._clock = clock
        self._live = live
        self._desk = desk
        self.announce_seconds = announce_seconds

    async def keys(self) -> tuple[SigningKey, ...]:
        """Every signing key there ever was, by announcement."""
        return (await self._storage.trust_facts()).keys

    async def alive_under(self, kid: str) -> int:
        """How many artifacts of the register were signed with *kid* and are not over."""
        return await self._storage.artifacts_under(kid, now=int(self._clock.now()))

    async def prove(self, key: SigningKey) -> None:
        """
        Open *key* on this host, and see that it signs (SEC-25).

        Raises:
            CarnetError: What opening it raises.
        """
        await asyncio.to_thread(self._desk.prove, key)

    async def pending(self) -> Ceremony | None:
        """The ceremony that goes on; one that came to its end in a run that was killed is put away."""
        await self.settle()
        return await asyncio.to_thread(self._desk.read)

    async def settle(self) -> tuple[Ceremony, Installed] | None:
        """Put away a ceremony whose run was killed after its root was in force, and say what it came to."""
        ceremony = await asyncio.to_thread(self._desk.read)
        if ceremony is None or not await self._is_done(ceremony):
            return None
        await asyncio.to_thread(self._desk.end, ceremony)
        return ceremony, self._installed(ceremony)

    # ── what begins a ceremony ───────────────────────────────────────────────────────────────────────────────────────

    async def announce(
        self, roles: tuple[Role, ...] | None, *, location: str | None = None, retire: tuple[str, ...] = ()
    ) -> Ceremony:
        """
        A ceremony, not kept yet, that announces a new key for each of *roles* and those that go with it.

        Args:
            roles: None: all.
            location: Where the new key lies already; None makes sealed files. For one group of roles only.
            retire: Keys to end in the same root.

        Raises:
            UsageError: ``conflict``, ``bad_usage``, ``key_not_found``, ``bad_key_location``, ``bad_root``.
        """
        keys = await self.keys()
        groups = _groups(keys, roles)
        if location is not None and len(groups) != 1:
            raise _one_place()
        made, files = await self._made(groups, location)
        return await self._begun(Intent(announce=made, retire=retire), files)

    async def retire(self, kid: str) -> Ceremony:
        """
        A ceremony, not kept yet, that ends a key for good.

        Raises:
            UsageError: ``key_not_found``, ``conflict``.
        """
        return await self._begun(Intent(retire=(kid,)), ())

    async def compromise(self, *kids: str, location: str | None = None) -> Ceremony:
        """
        A ceremony, not kept yet, that ends keys that somebody else has, and lets new ones sign in their place at once.

        Args:
            *kids: Which, all in one root.
            location: Where the new key lies already; None makes sealed files. For one key that signs only.

        Raises:
            UsageError: ``key_not_found``, ``conflict``, ``bad_key_location``, ``bad_root``.
        """
        known = await self.keys()
        lost = [find_key(known, kid) for kid in dict.fromkeys(kids)]
        groups = tuple(key.roles for key in lost if key.state == "active")
        if location is not None and len(groups) != 1:
            raise _one_place()
        made, files = await self._made(groups, location)
        return await self._begun(Intent(compromise=tuple(key.kid for key in lost), replace=made), files)

    async def root_keys(self, wanted: RootKeys | None) -> Ceremony:
        """
        A ceremony, not kept yet, that gives the next root other root keys; None: the same, and only a later expiry.

        Raises:
            UsageError: ``bad_root``.
        """
        return await self._begun(Intent(root_keys=wanted), ())

    async def begin(self, ceremony: Ceremony) -> Ceremony:
        """
        Keep *ceremony* as the one that goes on; where the same is wanted that goes on already, that one stays.

        Raises:
            UsageError: ``ceremony_pending``: another one goes on.
            StateError: ``data_not_writable``.
        """
        going_on = await self.pending()
        if going_on is not None:
            if _wish(going_on) == _wish(ceremony):
                return going_on
            raise UsageError(
                "ceremony_pending",
                f"A ceremony for root version {going_on.version} goes on, and asks for something else.",
                "See it: carnet key ceremony status. Bring it to its end, or drop it: carnet key ceremony cancel",
            )
        await asyncio.to_thread(self._desk.write, ceremony)
        return ceremony

    # ── what goes on with it ─────────────────────────────────────────────────────────────────────────────────────────

    async def sign(
        self, ceremony: Ceremony, signers: Iterable[Signer], signatures: Iterable[EnvelopeSignature] = ()
    ) -> Ceremony:
        """
        Keep more signatures of the ceremony that goes on.

        Raises:
            UsageError: ``not_a_root_key``.
            NotGenuineError: ``bad_signature``.
        """
        signed = replace(ceremony, draft=sign_draft(with_signatures(ceremony.draft, signatures), signers))
        if signed != ceremony and not ceremony.was_in_force:
            await asyncio.to_thread(self._desk.write, signed)
        return signed

    async def finish(self, actor: Actor) -> Installed:
        """
        Put the ceremony that goes on in force, once enough people signed.

        Raises:
            UsageError: ``no_ceremony``; ``conflict``: the keys changed meanwhile, so that something else was signed.
            NotGenuineError: ``below_threshold``.
            StateError: ``data_not_writable``, ``keys_do_not_match_root``, ``missing_file`` and what opening a new key
                raises: nothing has changed then.
        """
        ceremony = await asyncio.to_thread(self._desk.read)
        if ceremony is None:
            raise no_ceremony()
        if not await self._is_done(ceremony):
            file = root_file_of(ceremony.draft)
            await asyncio.to_thread(self._desk.put_keys, ceremony)
            now = self._clock.now()
            facts = await self._storage.trust_facts()
            for key in self._planned(ceremony, facts, now).keys:
                if key.ended_at is None:
                    await asyncio.to_thread(self._desk.prove, key)
            change = RootFile(version=ceremony.version, file=file, installed_at=now)

            def decide(facts: TrustFacts) -> TrustChange:
                plan = self._planned(ceremony, facts, now)
                audit = _root_entry(now, actor, ceremony, plan)
                return TrustChange(root=change, keys=plan.keys, audit=(audit,))

            await asyncio.to_thread(self._desk.keep, ceremony)
            try:
                await self._storage.change_trust(decide)
            except UsageError:  # refused under the lock, and nothing else says that it did not come to be
                if not ceremony.may_be_known:
                    await asyncio.to_thread(self._desk.forget, ceremony)
                raise
        await self._live.keep_up()
        await asyncio.to_thread(self._desk.end, ceremony)
        return self._installed(ceremony)

    async def cancel(self) -> Ceremony:
        """
        Drop the ceremony that goes on; the keys that it made are gone.

        Raises:
            UsageError: ``no_ceremony``; ``conflict``: its root was in force once, or may have been.
            StateError: ``data_not_writable``.
        """
        going_on = await self.pending()
        if going_on is None:
            raise no_ceremony()
        if going_on.may_be_known:
            how = "was in force before the database was put back" if going_on.was_in_force else "may have been in force"
            message = f"Root version {going_on.version} {how}; clients may know it."
            raise UsageError("conflict", message, "Put it in force again: carnet key ceremony finish")
        await asyncio.to_thread(self._desk.drop, going_on, [key.location for key in await self.keys()])
        return going_on

    async def rotate(self, roles: tuple[Role, ...] | None, actor: Actor, *, dry: bool = False) -> Installed:
        """
        Let announced keys sign. No root tells of it, so nobody has to sign anything.

        Args:
            roles: A role of each key to rotate; None: all that wait.
            actor: Who.
            dry: Only say what would change.

        Raises:
            UsageError: ``key_not_announced``, ``key_not_announced_long_enough``; ``ceremony_pending``: one that goes on
                would not fit any more.
            StateError: What opening the key raises: nothing has changed then.
        """
        now = self._clock.now()
        seconds = self.announce_seconds
        plan = plan_rotation(await self.keys(), roles, now=now, announce_seconds=seconds)
        await self._check_fits(plan, now)
        for key in plan.keys:
            if key.state == "active":
                await asyncio.to_thread(self._desk.prove, key)
        if not dry:

            def decide(facts: TrustFacts) -> TrustChange:
                again = plan_rotation(facts.keys, roles, now=now, announce_seconds=seconds)
                by = {each.by: each.kid for each in again.replaced}
                audit = tuple(
                    entry(now, actor, "key.rotated", key.kid, roles=list(key.roles), replaces=by.get(key.kid))
                    for key in again.keys
                    if key.state == "active"
                )
                return TrustChange(root=None, keys=again.keys, audit=audit)

            await self._storage.change_trust(decide)
            await self._live.keep_up()
        return Installed(version=self._live.state.root.version, keys=plan.keys, replaced=plan.replaced)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _made(
        self, groups: tuple[tuple[Role, ...], ...], location: str | None
    ) -> tuple[tuple[NewKey, ...], tuple[KeyFileContent, ...]]:
        if location is not None:
            return tuple([await asyncio.to_thread(self._desk.look_at, group, location) for group in groups]), ()
        now = self._clock.now()
        pairs = [await asyncio.to_thread(self._desk.make_key, group, now) for group in groups]
        return tuple(key for key, _ in pairs), tuple(file for _, file in pairs)

    async def _begun(self, intent: Intent, files: tuple[KeyFileContent, ...]) -> Ceremony:
        await self._live.keep_up()
        state, now = self._live.state, self._clock.now()
        plan = plan_root(state.root, state.keys, intent, issued_at=now, now=now)
        assert plan.root is not None  # noqa: S101 - a plan of a root has one
        return Ceremony(intent=intent, issued_at=now, files=files, draft=draft_of(state.roots, plan.root))

    async def _check_fits(self, rotation: Plan, now: Instant) -> None:
        """Refuse a rotation after which what people sign just now would not fit any more."""
        ceremony = await self.pending()
        if ceremony is None:
            return
        changed = {key.kid: key for key in rotation.keys}
        keys = tuple(changed.get(key.kid, key) for key in await self.keys())
        try:
            planned = plan_root(
                ceremony.draft.before, keys, ceremony.intent, issued_at=ceremony.issued_at, now=now
            ).root
        except UsageError:
            planned = None
        if planned != ceremony.draft.root:
            raise UsageError(
                "ceremony_pending",
                f"A ceremony for root version {ceremony.version} goes on, and would not fit any more after this.",
                "Bring it to its end first: carnet key ceremony status; or drop it: carnet key ceremony cancel",
            )

    def _planned(self, ceremony: Ceremony, facts: TrustFacts, now: Instant) -> Plan:
        """What the ceremony comes to from *facts*, which must be what people signed."""
        if facts.root_version != ceremony.draft.before.version:
            raise _overtaken(ceremony)
        before = read_root(ceremony.draft.roots[-1])
        # Of what was in force devices know the keys since then: nobody waits another day for one they need already.
        since = ceremony.issued_at if ceremony.was_in_force else now
        plan = plan_root(before, facts.keys, ceremony.intent, issued_at=ceremony.issued_at, now=since)
        if plan.root != ceremony.draft.root:
            raise _overtaken(ceremony)
        return plan

    async def _is_done(self, ceremony: Ceremony) -> bool:
        """Whether its root is in force already: a run before this one was killed after the transaction."""
        await self._live.keep_up()
        roots = self._live.state.roots
        return len(roots) >= ceremony.version and read_root(roots[ceremony.version - 1]) == ceremony.draft.root

    def _installed(self, ceremony: Ceremony) -> Installed:
        intent, known = ceremony.intent, {key.kid: key for key in self._live.state.keys}
        kids = [made.public_key.kid for made in (*intent.announce, *intent.replace)]
        successors = {made.roles: made.public_key.kid for made in intent.replace}
        gone = [known[kid] for kid in intent.compromise]
        return Installed(
            version=ceremony.version,
            keys=tuple(known[kid] for kid in (*intent.retire, *intent.compromise, *kids)),
            replaced=tuple(Replaced(kid=key.kid, roles=key.roles, by=successors.get(key.roles)) for key in gone),
        )


def no_ceremony() -> UsageError:
    """The error where a ceremony is spoken of and none goes on."""
    return UsageError(
        "no_ceremony",
        "No ceremony goes on here.",
        "It may have ended already: carnet key list. To begin one: carnet key announce, retire or compromise.",
    )


def _one_place() -> UsageError:
    return UsageError("bad_usage", "One location holds one key.", "Name the one key that the key there comes for.")


def _overtaken(ceremony: Ceremony) -> UsageError:
    n, fix = ceremony.version, "Drop it and begin again: carnet key ceremony cancel"
    if ceremony.may_be_known:
        fix = (
            f"Bring the keys to where they were: carnet key rotate. Or remove ceremony/root-{n}.json if nobody has it."
        )
    what = f"The keys changed since the ceremony for root version {n} began: what was signed does not fit."
    return UsageError("conflict", what, fix)


def _groups(keys: tuple[SigningKey, ...], roles: tuple[Role, ...] | None) -> tuple[tuple[Role, ...], ...]:
    """The groups of roles that *roles* belong to, each once."""
    if roles is None:
        return tuple(key.roles for key in keys if key.state == "active")
    return tuple(dict.fromkeys(group_of(keys, role) for role in roles))


def _wish(ceremony: Ceremony) -> object:
    """What tells one intent from another: not the keys that were made for it here, but where others lie."""
    intent, sealed = ceremony.intent, {f"file:{file.name}" for file in ceremony.files}
    return (
        {(made.roles, None if made.location in sealed else made.location) for made in intent.announce},
        set(intent.retire),
        set(intent.compromise),
        {made.location for made in intent.replace if made.location not in sealed},
        intent.root_keys,
    )


def _root_entry(now: Instant, actor: Actor, ceremony: Ceremony, plan: Plan) -> AuditEntry:
    intent = ceremony.intent
    return entry(
        now,
        actor,
        "root.installed",
        str(ceremony.version),
        announced=_listed(made.public_key.kid for made in intent.announce),
        retired=_listed(intent.retire),
        compromised=_listed(intent.compromise),
        activated=_listed(key.kid for key in plan.keys if key.state == "active"),
        root_keys=None if intent.root_keys is None else _listed(key.kid for key in intent.root_keys.keys),
        root_threshold=None if intent.root_keys is None else intent.root_keys.threshold,
        signed_by=_listed(each.kid for each in ceremony.draft.signatures),
    )


def _listed(kids: Iterable[str]) -> list[str] | None:
    return list(kids) or None
