"""
What an app calls its device and its user, before it is sent: the server refuses what it could not store or show, and a
request that it cannot read has no signed answer.
"""

from __future__ import annotations

from carnet.core.errors import UsageError

MAX_LABEL = 64
MAX_USER = 255
MAX_VERSION = 64
MAX_DOMAIN = 253


def key_text(license_key: object) -> str:
    """*license_key* as text. Anything else, such as None out of a variable that is not set, is no key: nothing."""
    return license_key if isinstance(license_key, str) else ""


def label(name: str | None) -> str | None:
    """
    *name*, which people will see, as the server takes it (specs/http-api.md §4.1): printable, without blanks around it,
    at most `MAX_LABEL` characters. A host name or an emoji that is too much must not look like a broken server.
    """
    if name is None:
        return None
    text = "".join(character if character.isprintable() else " " for character in name)
    return text.strip()[:MAX_LABEL].rstrip()


def told(text: str | None, most: int) -> str | None:
    """
    *text*, what an app says of itself, as the server takes it: without blanks around it; None where it says nothing, or
    more than *most* characters or what cannot be shown. An app that reads its version from a file, or has none, goes
    online all the same; where the server has to know, its own refusal says so.
    """
    value = "" if text is None else text.strip()
    return value if 0 < len(value) <= most and value.isprintable() else None


def is_id(text: str) -> bool:
    """Whether *text* can be the id of a user, or of who holds a floating seat."""
    return 0 < len(text) <= MAX_USER and text.isprintable() and text == text.strip()


def check_user(user: str | None) -> None:
    """
    Check who is said to use the device: opaque to us, and never changed, because it holds a seat (R-28).

    Raises:
        UsageError: ``bad_user``: not 1 to `MAX_USER` printable characters, or blanks around them.
    """
    if user is not None and not is_id(user):
        raise UsageError(
            "bad_user",
            "What is given as the user cannot be one.",
            f"Give 1 to {MAX_USER} printable characters, without blanks around them.",
        )
