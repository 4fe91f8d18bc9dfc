"""
Single columns: JSON text, times, policies. Policies are parsed once per text: equal texts are equal policies, so the
cache can never be stale.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from carnet.core.conditions import Conditions, conditions_from_json, override_conditions
from carnet.core.instant import Instant
from carnet.core.model import Policy
from carnet.core.policies import override, policy_from_json
from carnet.core.progress import NOTHING, Progress, progress_from_json
from carnet.formats.limits import MAX_ADMIN_BODY
from carnet.formats.strict_json import dump_json, parse_json

_CACHED_POLICIES = 4096


def write_json(value: Any) -> str:
    """The canonical text of *value*, as JSON columns hold it."""
    return dump_json(value).decode()


def read_json(text: str) -> Any:
    """What `write_json` wrote."""
    return parse_json(text.encode(), max_bytes=MAX_ADMIN_BODY, what="A stored value")


@lru_cache(maxsize=_CACHED_POLICIES)
def policy_of(body: str) -> Policy:
    """The policy that *body* says."""
    return policy_from_json(read_json(body))


@lru_cache(maxsize=_CACHED_POLICIES)
def overridden(body: str, overrides: str) -> Policy:
    """The policy that *body* says, with *overrides* applied."""
    return override(policy_of(body), read_json(overrides))


@lru_cache(maxsize=_CACHED_POLICIES)
def conditions_of(text: str, own: str = "{}") -> Conditions:
    """The conditions of a policy that *text* says, with a license's *own* values applied."""
    inherited = conditions_from_json(read_json(text))
    return inherited if own == "{}" else override_conditions(inherited, read_json(own))


def progress_of(text: str) -> Progress:
    """Where a license stands, as *text* says."""
    return NOTHING if text == "{}" else progress_from_json(read_json(text))


def instant(value: int | None) -> Instant | None:
    """A column of time that may be NULL."""
    return None if value is None else Instant(value)
