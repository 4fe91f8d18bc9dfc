"""
From what is wanted to the next root and the keys' new states. Pure: the same intent gives the same bytes, on every run.

That is what lets a ceremony be interrupted anywhere: what people sign is planned once and kept; when it is installed,
it is planned again from what is stored by then, and must come to the same root.
"""

from __future__ import annotations

from carnet.core._base import Struct
from carnet.core.errors import UsageError
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.formats.keys import ROLES, PublicKey, Role, load_ed25519
from carnet.formats.limits import MAX_LIFETIME_SECONDS
from carnet.formats.root import Root, build_root
from carnet.server.domain.trust.life import (
    NAMED,
    active_for,
    announced_for,
    check_announced_long_enough,
    find_key,
    moved,
)
from carnet.server.records import SigningKey


class NewKey(Struct):
    """A key that was made, or found at a location, for *roles*; its private half is nowhere here."""

    roles: tuple[Role, ...]
    public_key: PublicKey
    location: str


class RootKeys(Struct):
    """The root keys of the next root, and how many of them must sign from then on."""

    keys: tuple[PublicKey, ...]
    threshold: int


class Intent(Struct):
    """
    What is to become of the keys, in one root.

    Attributes:
        announce: New keys, to sign later.
        retire: Ids of keys to end.
        compromise: Ids of keys that somebody else has, or may have.
        replace: New keys that sign at once, in place of compromised active ones.
        root_keys: The next root keys; None: they stay.
    """

    announce: tuple[NewKey, ...] = ()
    retire: tuple[str, ...] = ()
    compromise: tuple[str, ...] = ()
    replace: tuple[NewKey, ...] = ()
    root_keys: RootKeys | None = None

    @property
    def is_empty(self) -> bool:
        """Nothing is to change but the root's version and dates: it is made anew before it expires."""
        return not (self.announce or self.retire or self.compromise or self.replace or self.root_keys)


class Replaced(Struct):
    """A key that signs no more, and the one in its place; None where nothing signed with it any more."""

    kid: str
    roles: tuple[Role, ...]
    by: str | None


class Plan(Struct):
    """
    What comes of an intent.

    Attributes:
        root: The next root, to be signed; None where no root tells of the change.
        keys: Keys that are new or in a new state.
        replaced: What signs no more.
    """

    root: Root | None
    keys: tuple[SigningKey, ...]
    replaced: tuple[Replaced, ...] = ()


def plan_root(root: Root, keys: tuple[SigningKey, ...], intent: Intent, *, issued_at: Instant, now: Instant) -> Plan:
    """
    The root after *root* that *intent* asks for, and what becomes of the keys when it is installed.

    Args:
        root: The newest one.
        keys: Every signing key there is.
        intent: What is wanted.
        issued_at: When the ceremony began: what the root says.
        now: When it is installed: since when the keys are in their new states.

    Raises:
        UsageError: ``key_not_found``; ``conflict``: a key cannot become that, a key of those roles waits already, or a
            compromised active key has no successor; ``bad_root``: clients would refuse it, or a signing key of the
            server would be a root key.
    """
    changed: dict[str, SigningKey] = {}
    replaced: list[Replaced] = []
    for made in intent.announce:
        _check_roles(keys, made)
        changed[made.public_key.kid] = _new(keys, made, now)
    for kid in intent.retire:
        changed[kid] = moved(find_key(keys, kid), "retired", now)
    for kid in intent.compromise:
        key = find_key(keys, kid)
        changed[kid] = moved(key, "compromised", now)
        successor = next((made for made in intent.replace if made.roles == key.roles), None)
        if key.state == "active":
            if successor is None:
                raise UsageError("conflict", f"The key {kid} signs, and no other would take its place.")
            changed[successor.public_key.kid] = moved(_new(keys, successor, now), "active", now)
        replaced.append(
            Replaced(
                kid=kid,
                roles=key.roles,
                by=successor.public_key.kid if successor is not None and key.state == "active" else None,
            )
        )
    after = tuple(changed.get(key.kid, key) for key in keys)
    after += tuple(key for kid, key in changed.items() if kid not in {key.kid for key in keys})
    by_role: dict[Role, list[PublicKey]] = {
        role: [load_ed25519(key.public_key) for key in after if key.state in NAMED and role in key.roles]
        for role in ROLES
        if role != "root"
    }
    top = root.role("root")
    wanted = intent.root_keys or RootKeys(keys=root.role_keys("root"), threshold=1 if top is None else top.threshold)
    _check_apart(after, wanted.keys)
    by_role["root"] = list(wanted.keys)
    planned = build_root(
        version=root.version + 1,
        issuer=root.issuer,
        issued_at=issued_at,
        expires_at=Instant(min(issued_at + MAX_LIFETIME_SECONDS, MAX_INSTANT)),
        keys=by_role,
        root_threshold=wanted.threshold,
        minimum_formats=dict(root.minimum_formats),
    )
    return Plan(root=planned, keys=tuple(changed.values()), replaced=tuple(replaced))


def plan_rotation(
    keys: tuple[SigningKey, ...], roles: tuple[Role, ...] | None, *, now: Instant, announce_seconds: int
) -> Plan:
    """
    Let announced keys sign, and those before them only verify. The root names both already, so there is no next one.

    Args:
        keys: Every signing key there is.
        roles: A role of each key to rotate; None: all that wait.
        now: The server's time.
        announce_seconds: How long a key must have been announced.

    Raises:
        UsageError: ``key_not_announced``: nothing waits for a role; ``key_not_announced_long_enough``.
    """
    waiting = [key for key in keys if key.state == "announced"]
    if roles is not None:
        wanted = [active_for(keys, role) for role in roles]
        groups = {key.roles for key in wanted if key is not None}
        for group in groups:
            if announced_for(keys, group) is None:
                raise _not_announced(group)
        waiting = [key for key in waiting if key.roles in groups]
    if not waiting:
        raise _not_announced(roles or ())
    changed: list[SigningKey] = []
    replaced: list[Replaced] = []
    for key in waiting:
        check_announced_long_enough(key, now, announce_seconds)
        before = active_for(keys, key.roles[0])
        if before is not None:
            changed.append(moved(before, "verify-only", now))
            replaced.append(Replaced(kid=before.kid, roles=before.roles, by=key.kid))
        changed.append(moved(key, "active", now))
    return Plan(root=None, keys=tuple(changed), replaced=tuple(replaced))


def group_of(keys: tuple[SigningKey, ...], role: Role) -> tuple[Role, ...]:
    """
    The roles that go together with *role*: those of the key that signs as it.

    Raises:
        UsageError: ``conflict``: no key signs as it.
    """
    key = active_for(keys, role)
    if key is None:
        raise UsageError("conflict", f"No key signs as {role}.", "See where each key stands: carnet key list")
    return key.roles


def _check_apart(keys: tuple[SigningKey, ...], root_keys: tuple[PublicKey, ...]) -> None:
    """Root keys never touch the server (design.md §4): whoever breaks in there must not be able to sign a root."""
    online = {key.public_key for key in keys}
    both = next((key.kid for key in root_keys if key.raw in online), None)
    if both is not None:
        raise UsageError(
            "bad_root",
            f"The key {both} is a signing key of the server, or was one, and cannot be a root key.",
            "Make a root key where a person keeps it: carnet key ceremony root-key",
        )


def _check_roles(keys: tuple[SigningKey, ...], made: NewKey) -> None:
    waits = announced_for(keys, made.roles)
    if waits is not None:
        raise UsageError(
            "conflict",
            f"The key {waits.kid} is announced for {', '.join(made.roles)} already, since {waits.announced_at}.",
            "Let it sign: carnet key rotate; or end it, if it was made by mistake: carnet key retire",
        )


def _new(keys: tuple[SigningKey, ...], made: NewKey, now: Instant) -> SigningKey:
    public = made.public_key
    if any(key.kid == public.kid for key in keys):
        raise UsageError("key_exists", f"The key {public.kid} was used here before.", "Make a new one.")
    if public.alg != "Ed25519" or public != load_ed25519(public.raw):
        raise UsageError(
            "bad_root",
            "A root names Ed25519 keys only, each by its thumbprint.",
            "Make an Ed25519 key there; specs/root.md §3 says why no other.",
        )
    return SigningKey(
        kid=public.kid,
        alg="Ed25519",
        roles=made.roles,
        public_key=public.raw,
        location=made.location,
        state="announced",
        announced_at=now,
    )


def _not_announced(roles: tuple[Role, ...]) -> UsageError:
    what = ", ".join(roles) or "any role"
    return UsageError(
        "key_not_announced",
        f"No announced key waits to sign for {what}.",
        "Announce one first: carnet key announce; it signs when everybody can know it.",
    )
