"""
The `.carnet` bundle: everything that one device needs to start offline, in one file to mail or carry; specs/bundle.md.

A bundle is a box, not a seal: it is not signed, and says nothing itself. Each thing in it is verified by its own rules
by whoever opens it, so a swapped part is found by the part's own seal.
"""

from __future__ import annotations

from typing import Any, Final

from carnet.core._base import Struct
from carnet.core.errors import MalformedError, UsageError
from carnet.formats.encoding import armor, dearmor, read_kindly
from carnet.formats.limits import MAX_BUNDLE, MAX_ROOT_STEPS
from carnet.formats.strict_json import dump_json, parse_object

LABEL: Final = "CARNET BUNDLE"
FORMAT: Final = 1
_MEMBERS: Final = frozenset(("format", "roots", "token", "machine_file", "status_lists", "time", "answer", "lease"))
MAX_STATUS_LISTS: Final = 256
"""What an app brings along at once: 33 million licenses and activations."""
_WHAT: Final = "The bundle"
_FIX: Final = "Fetch or copy the bundle again, complete and unchanged."


class Bundle(Struct):
    """
    What is in the box, each as its own text, nothing of it verified.

    Attributes:
        roots: Root files in the order of their versions.
        token: A license token.
        machine_file: A machine file.
        status_lists: Status list tokens.
        time: A time answer.
        answer: An answer proof.
        lease: A lease token, of a seat that was borrowed for travel.
    """

    roots: tuple[str, ...] = ()
    token: str | None = None
    machine_file: str | None = None
    status_lists: tuple[str, ...] = ()
    time: str | None = None
    answer: str | None = None
    lease: str | None = None


def write_bundle(bundle: Bundle) -> str:
    """
    *bundle* as an armoured text, LF, no final newline.

    Raises:
        UsageError: ``bad_bundle``: a reader would refuse it.
    """
    members: dict[str, Any] = {"format": FORMAT}
    members.update((name, getattr(bundle, name)) for name in Bundle.__fields__ if getattr(bundle, name))
    text = armor(LABEL, dump_json(members))
    try:
        if read_bundle(text.encode()) == bundle:
            return text
    except MalformedError as bad:
        raise UsageError("bad_bundle", f"This cannot be a bundle: {bad.message}") from None
    raise UsageError("bad_bundle", "A part of a bundle that is empty must be None.")


def read_bundle(data: bytes) -> Bundle:
    """
    Read a bundle. Give each part to its own verifier next.

    Args:
        data: The file's content, at most 8 MiB; what mail and editors do to text is forgiven.

    Raises:
        MalformedError: The codes of `dearmor` and `parse_object`; ``bad_bundle``: other members, types or format.
    """
    inner = dearmor(LABEL, read_kindly(data) if len(data) <= MAX_BUNDLE else data, max_bytes=MAX_BUNDLE)
    members = parse_object(inner, max_bytes=MAX_BUNDLE, what=_WHAT, max_string=MAX_BUNDLE)
    if members.get("format") != FORMAT or type(members["format"]) is not int:
        raise _bad("has a format that this version does not read")
    if not members.keys() <= _MEMBERS or dump_json(members) != inner:
        raise _bad("has members that a bundle does not have, or is not in its canonical form")
    return Bundle(
        roots=_texts(members, "roots", MAX_ROOT_STEPS),
        token=_text(members, "token"),
        machine_file=_text(members, "machine_file"),
        status_lists=_texts(members, "status_lists", MAX_STATUS_LISTS),
        time=_text(members, "time"),
        answer=_text(members, "answer"),
        lease=_text(members, "lease"),
    )


def _text(members: dict[str, Any], name: str) -> str | None:
    if name not in members:
        return None
    value = members[name]
    if type(value) is not str or not value:
        raise _bad(f"has a {name} that is not text")
    return value


def _texts(members: dict[str, Any], name: str, most: int) -> tuple[str, ...]:
    if name not in members:
        return ()
    values = members[name]
    if (
        type(values) is not list
        or not 0 < len(values) <= most
        or not all(type(value) is str and value for value in values)
    ):
        raise _bad(f"does not have 1 to {most} texts as {name}")
    return tuple(values)


def _bad(how: str) -> MalformedError:
    return MalformedError("bad_bundle", f"{_WHAT} {how}.", _FIX)
