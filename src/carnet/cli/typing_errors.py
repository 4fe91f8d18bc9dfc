"""
A mistyped license key: show what was probably meant, and let the person decide (R-80, design.md §5).

Healing proposes and never decides. A key of another shape, or one that healing does not know, is used as it was typed,
because imported keys must work verbatim.
"""

from __future__ import annotations

from typing import Any

from carnet.cli.output import Output
from carnet.cli.secrets import confirm, interactive
from carnet.formats.license_key import Healing, heal_license_key


def proposal(typed: str) -> Healing | None:
    """The corrected key for *typed*, if it is one of ours with typing errors; None when there is nothing to correct."""
    healing = heal_license_key(typed)
    return None if healing is None or healing.exact else healing


def settle(typed: str, out: Output) -> str:
    """
    The key to try: *typed*, or its correction when a person at the terminal agrees.

    In a pipe nobody can be asked, and *typed* stays: the server tries it, and `show` explains when it is unknown.
    """
    healing = proposal(typed)
    if healing is None or out.json or not interactive():
        return typed
    show(healing, out)
    return healing.key if confirm("Use the corrected key?") else typed


def show(healing: Healing, out: Output) -> None:
    """Say what was probably meant, and what would change."""
    out.say("That license key has a typing error. It is probably:")
    out.say(f"    {marked(healing, out)}")
    for change in describe(healing):
        out.say(f"    {change}")


def marked(healing: Healing, out: Output) -> str:
    """The corrected key with the changed symbols standing out: in colour, or in brackets where there is none."""
    changed = {change.position for change in healing.changes if change.corrected}
    text, position = "", 0
    for character in healing.key:
        position += character != "-"
        if character != "-" and position in changed:
            plain_mark = f"[{character}]"
            styled = out.style(character, "yellow", "bold", stream=out.stderr)
            text += styled if styled != character else plain_mark
        else:
            text += character
    return text


def describe(healing: Healing) -> list[str]:
    """Each change as a phrase: `symbol 7: 8 instead of B`."""
    lines = []
    for change in healing.changes:
        if not change.typed:
            lines.append(f"symbol {change.position}: {change.corrected} was left out")
        elif not change.corrected:
            lines.append(f"symbol {change.position}: {change.typed} is one too many")
        else:
            lines.append(f"symbol {change.position}: {change.corrected} instead of {change.typed}")
    return lines


def as_json(healing: Healing) -> dict[str, Any]:
    """The proposal for programs; `position` counts the key's 25 symbols from 1."""
    return {
        "key": healing.key,
        "changes": [{"position": c.position, "typed": c.typed, "corrected": c.corrected} for c in healing.changes],
    }
