"""How an audit row is made: one per change, in the change's own transaction, never with a secret (SEC-33, SEC-46)."""

from __future__ import annotations

from typing import Any

from carnet.core.instant import Instant
from carnet.server.ports import note
from carnet.server.records import Actor, AuditEntry


def entry(now: Instant, actor: Actor, action: str, object_id: str, **details: Any) -> AuditEntry:
    """
    The audit row of a change. It also notes the object's id for the request's own memory (`ports.note`): the answer to
    the same request, sent again, is made of it.

    Args:
        now: When.
        actor: Who.
        action: What, as ``<kind of object>.<past participle>``.
        object_id: To which object.
        **details: What else matters, as plain JSON. Times as text; None is left out.
    """
    kind = action.partition(".")[0]
    note(**{kind: object_id})
    return AuditEntry(
        at=now,
        actor=actor,
        action=action,
        object_kind=kind,
        object_id=object_id,
        details={
            name: str(value) if isinstance(value, Instant) else value
            for name, value in details.items()
            if value is not None
        },
    )
