"""
What a next root changes, in sentences and as JSON: found by comparing two roots, never by what somebody says of them.

Used on the server and on the machine of whoever signs; needs no server and no database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carnet.cli.output import facts, when
from carnet.formats.keys import PublicKey
from carnet.formats.root import Root
from carnet.formats.root_draft import RootDraft, needed

if TYPE_CHECKING:
    from carnet.server.records import SigningKey


def changes(before: Root, after: Root) -> list[str]:
    """What *after* changes, most dangerous first: root keys, then signing keys, then the rest."""
    told = [*_root_keys(before, after), *_signing_keys(before, after)]
    if before.minimum_formats != after.minimum_formats:
        formats = ", ".join(f"{name} {oldest}" for name, oldest in after.minimum_formats)
        told.append(f"Artifacts older than these formats are refused: {formats}.")
    if after.expires_at != before.expires_at:
        told.append(f"It vouches for keys until {when(after.expires_at)}; before: {when(before.expires_at)}.")
    return told


def _root_keys(before: Root, after: Root) -> list[str]:
    old, new = _kids(before.role_keys("root")), _kids(after.role_keys("root"))
    told = [f"NEW ROOT KEY {kid}: whoever holds it may sign roots from then on." for kid in new if kid not in old]
    told += [f"The root key {kid} is dropped: it signs no root after this one." for kid in old if kid not in new]
    if (_threshold(before), len(old)) != (_threshold(after), len(new)):
        told.append(
            f"From then on {_threshold(after)} of {len(new)} root keys must sign; so far {_threshold(before)} of"
            f" {len(old)}."
        )
    return told


def _signing_keys(before: Root, after: Root) -> list[str]:
    old, new = _roles(before), _roles(after)
    told = [f"New signing key {kid}, for {', '.join(roles)}." for kid, roles in new.items() if kid not in old]
    told += [
        f"The signing key {kid} is dropped ({', '.join(roles)}): what it signed grants nothing any more."
        for kid, roles in old.items()
        if kid not in new
    ]
    return told + [
        f"The signing key {kid} is for {', '.join(roles)} from then on; so far for {', '.join(old[kid])}."
        for kid, roles in new.items()
        if kid in old and old[kid] != roles
    ]


def draft_rows(draft: RootDraft) -> list[tuple[str, object]]:
    """What a person compares before signing."""
    counted = needed(draft)
    return [
        ("Installation", draft.root.issuer),
        ("Anchor", f"{draft.anchor}  (SHA-256 of root.json, the one that your app embeds)"),
        ("Root", f"version {draft.before.version} becomes version {draft.root.version}"),
        ("Signed", f"{counted.before} of {counted.before_threshold} by keys of version {draft.before.version}"),
        ("", f"{counted.own} of {counted.own_threshold} by keys of version {draft.root.version}"),
    ]


def draft_text(draft: RootDraft) -> str:
    """The draft for a person: what to compare, and what it changes."""
    lines = [facts(draft_rows(draft)), "", "What changes:"]
    told = changes(draft.before, draft.root)
    lines += [f"  - {sentence}" for sentence in told] or ["  - Nothing but the version and the dates."]
    return "\n".join(lines)


def draft_json(draft: RootDraft) -> dict[str, Any]:
    """The same for programs."""
    counted = needed(draft)
    return {
        "issuer": draft.root.issuer,
        "anchor": draft.anchor,
        "version": draft.root.version,
        "changes": changes(draft.before, draft.root),
        "signed_by": [each.kid for each in draft.signatures],
        "signatures": {
            "before": counted.before,
            "before_threshold": counted.before_threshold,
            "own": counted.own,
            "own_threshold": counted.own_threshold,
        },
        "missing": list(counted.missing),
        "is_enough": counted.is_enough,
    }


def signing_key_json(key: SigningKey) -> dict[str, Any]:
    """A signing key for programs."""
    times = ("announced_at", "activated_at", "replaced_at", "ended_at")
    return {
        "kid": key.kid,
        "alg": key.alg,
        "roles": list(key.roles),
        "state": key.state,
        "location": key.location,
        **{name: None if getattr(key, name) is None else str(getattr(key, name)) for name in times},
    }


def _threshold(root: Root) -> int:
    role = root.role("root")
    return 1 if role is None else role.threshold


def _kids(keys: tuple[PublicKey, ...]) -> list[str]:
    return [key.kid for key in keys]


def _roles(root: Root) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for role in root.roles:
        if role.role != "root":
            for kid in role.kids:
                found.setdefault(kid, []).append(role.role)
    return found
