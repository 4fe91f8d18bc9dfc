"""
What a step of a story checks: whatever does not come out as it must ends the story.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carnet.cli.demo.stage import Said, StoryError


def expect(said: Said, code: int, state: str, access: str) -> Mapping[str, Any]:
    """The decision that a device's command printed; exit code, state and access must be these."""
    if said.code != code:
        detail = said.problem.get("detail") or "; ".join(r["message"] for r in said.data.get("reasons", ()))
        raise StoryError(
            "story_failed", f"The command ended with {said.code} instead of {code}. {detail}", "Report this."
        )
    check(said.data, state, access)
    return said.data


def check(decision: Mapping[str, Any], state: str, access: str) -> None:
    """*decision* must be this state with this access."""
    found = decision.get("state"), decision.get("access")
    must(found == (state, access), f"The decision is {found[0]}, {found[1]} access, instead of {state}, {access}.")


def must(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Else the story fails."""
    if not holds:
        raise StoryError("story_failed", otherwise, "Please report this.")
