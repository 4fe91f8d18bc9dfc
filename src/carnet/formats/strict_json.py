"""
The one JSON reader for artifacts and API bodies, and the one writer for what we sign (SEC-09, specs/strict-json.md).

Reading is stricter than RFC 8259 in every place where two readers could disagree: names twice, numbers that are not
exact integers, half surrogates, NUL, a byte order mark, depth and size. The scanning itself is CPython's own C scanner
with our hooks; `import json` would cost the app up to 14 ms at every start (docs/decisions/0004), so it is loaded only
where that scanner is missing.

The fast path skips the walk over the parsed value when the size alone proves that the walk would find nothing:
below 8 KiB there is no room for 4,097 values or a 16 KiB string, without a backslash there is no way to write NUL or a
half surrogate, with at most 20 opening brackets the depth is at most 20, and without 16 digits in a row no integer
reaches 2^53.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

from carnet.core.errors import MalformedError, UsageError
from carnet.formats.limits import MAX_JSON_DEPTH, MAX_JSON_INTEGER, MAX_JSON_STRING, MAX_JSON_VALUES

_BLANK: Final = " \t\n\r"
_MAX_DIGITS: Final = len(str(MAX_JSON_INTEGER))
_NOT_OPENING: Final = bytes(range(256)).translate(None, b"[{")
_NOT_STRUCTURE: Final = bytes(range(256)).translate(None, b'[{,"')
_BACKSLASH: Final = ord("\\")
_DIGITS_TO_ZERO: Final = bytes.maketrans(b"123456789", b"000000000")
_LONG_RUN: Final = b"0" * _MAX_DIGITS
_SMALL: Final = 2 * MAX_JSON_VALUES
"""A text this short holds at most 4,096 values: each takes a byte and, but for the last, a separator."""

_SENTENCES: Final = {
    "too_large": "{what} is larger than {limit} bytes.",
    "bad_utf8": "{what} is not UTF-8 text without a byte order mark.",
    "bad_json": "{what} is not well-formed JSON.",
    "duplicate_name": "{what} names a member twice.",
    "bad_number": "{what} holds a number that is not an exact integer within 2^53.",
    "too_deep": "{what} is nested deeper than 20 levels.",
    "too_many_values": "{what} holds more than 4,096 values.",
    "string_too_long": "{what} holds a string that is too long.",
    "bad_string": "{what} holds a string with NUL or half a surrogate pair.",
    "not_an_object": "{what} is not a JSON object.",
}
_FIX: Final = "Fetch or copy it again, or ask whoever wrote it to follow specs/strict-json.md."


class _FoundError(ValueError):
    """What a hook found; `ValueError`, because that is what scanners may raise."""


def parse_json(
    data: bytes, *, max_bytes: int, what: str, allow_floats: bool = False, max_string: int = MAX_JSON_STRING
) -> Any:
    """
    Read one strict JSON text (specs/strict-json.md §3).

    Args:
        data: The text exactly as received.
        max_bytes: Largest *data* accepted; checked first.
        what: What this is, for the error's sentence; starts with a capital: ``The license token``.
        allow_floats: Whether finite numbers with a fraction or exponent are read, as `float`; never in artifacts.
        max_string: Longest string or name in bytes of UTF-8, for formats that carry an artifact within a string.

    Returns:
        `dict`, `list`, `str`, `int`, `bool`, `None`, and `float` where allowed.

    Raises:
        MalformedError: ``too_large``, ``bad_utf8``, ``bad_json``, ``duplicate_name``, ``bad_number``, ``too_deep``,
            ``too_many_values``, ``string_too_long``, ``bad_string``.
    """
    size = len(data)
    if size > max_bytes:
        _refuse("too_large", what, max_bytes)
    if size > _SMALL and _surely_too_many(data):
        _refuse("too_many_values", what)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        _refuse("bad_utf8", what)
    if text[:1] not in "{[":
        text = text.lstrip(_BLANK)
    if allow_floats:
        scan = _scan_floats
    elif max_string > MAX_JSON_STRING or _LONG_RUN in data.translate(_DIGITS_TO_ZERO):
        scan = _scan  # also for texts that are mostly one long string, where looking costs more than the hook
    else:
        scan = _scan_short
    try:
        value, end = scan(text, 0)
    except _FoundError as found:
        _refuse(str(found), what)
    except RecursionError:
        _refuse("too_deep", what)
    # SystemError: CPython 3.11's scanner reports a syntax error through `json.decoder` only where that is loaded.
    except (ValueError, StopIteration, SystemError):
        _refuse("bad_utf8" if text.startswith("\ufeff") else "bad_json", what)
    if end != len(text) and text[end:].strip(_BLANK):
        _refuse("bad_json", what)
    if (
        size >= _SMALL
        or size > max_string
        or _BACKSLASH in data
        or len(data.translate(None, _NOT_OPENING)) > MAX_JSON_DEPTH
    ):
        _walk(value, what, max_string)
    return value


def parse_object(
    data: bytes, *, max_bytes: int, what: str, allow_floats: bool = False, max_string: int = MAX_JSON_STRING
) -> dict[str, Any]:
    """
    Read one strict JSON text that is an object; as `parse_json`.

    Raises:
        MalformedError: As `parse_json`, and ``not_an_object``.
    """
    value = parse_json(data, max_bytes=max_bytes, what=what, allow_floats=allow_floats, max_string=max_string)
    if type(value) is not dict:
        _refuse("not_an_object", what)
    return value


def dump_json(value: Any) -> bytes:
    """
    Write *value* in the one canonical form (specs/strict-json.md §4): members sorted by code point, no blanks, UTF-8,
    nothing escaped but quotes, backslashes and control characters. What it writes, `parse_json` reads.

    Args:
        value: `dict` with string names, `list`, `tuple`, `str`, `int`, `bool`, `None`, nested at most 20 deep.

    Raises:
        UsageError: ``bad_json_value``: anything that the strict reader would refuse, floats among it.
    """
    if _encode is not None:
        _check_value(value, MAX_JSON_DEPTH)
        try:
            data = "".join(_encode(value, 0)).encode()
        except UnicodeEncodeError:
            data = _WRITTEN_NUL
        if _WRITTEN_NUL not in data:
            return data
    # Without the C writer; or a text holds half a surrogate pair, NUL, or what NUL is written as: say which.
    parts: list[str] = []
    _write(value, parts.append, MAX_JSON_DEPTH)
    return "".join(parts).encode()


def _refuse(code: str, what: str, limit: int = 0) -> NoReturn:
    raise MalformedError(code, _SENTENCES[code].format(what=what, limit=limit), _FIX) from None


def _surely_too_many(data: bytes) -> bool:
    """
    Whether a well-formed *data* would hold more than 4,096 values, from its separators alone.

    Bounds the work and memory of the scanner before it starts (SEC-10). May miss some; the walk counts exactly.
    """
    if _BACKSLASH in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    if data.count(b'"') > 4 * MAX_JSON_VALUES:  # two quotes for each value and for its name
        return True
    structure = b"".join(data.translate(None, _NOT_STRUCTURE).split(b'"')[::2])
    commas = structure.count(b",")
    return commas >= MAX_JSON_VALUES or len(structure) - commas > MAX_JSON_VALUES


def _walk(root: Any, what: str, max_string: int) -> None:
    """Check what the scanner has no hook for: depth, number of values, every string and name."""
    count = 1
    level: list[Any] = [root]
    depth = 0
    while level:
        deeper: list[Any] = []
        nested = False
        for value in level:
            kind = type(value)
            if kind is str:
                _check_string(value, what, max_string)
            elif kind is dict:
                nested = True
                for name in value:
                    _check_string(name, what, max_string)
                deeper += value.values()
            elif kind is list:
                nested = True
                deeper += value
        depth += nested
        if depth > MAX_JSON_DEPTH:
            _refuse("too_deep", what)
        count += len(deeper)
        if count > MAX_JSON_VALUES:
            _refuse("too_many_values", what)
        level = deeper


def _check_string(text: str, what: str, max_string: int) -> None:
    if text.isascii():
        size = len(text)
    else:
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            _refuse("bad_string", what)
    if size > max_string:
        _refuse("string_too_long", what)
    if "\x00" in text:
        _refuse("bad_string", what)


# ── hooks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _FoundError("duplicate_name")
    return members


def _integer(text: str) -> int:
    if len(text) <= _MAX_DIGITS + 1:  # reading a huge number is quadratic
        number = int(text)
        if -MAX_JSON_INTEGER <= number <= MAX_JSON_INTEGER:
            return number
    raise _FoundError("bad_number")


def _no_number(_text: str) -> NoReturn:
    raise _FoundError("bad_number")


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:  # infinite: too large for a float
        raise _FoundError("bad_number")
    return number


class _Hooks:
    """What a scanner asks for, as `json.JSONDecoder` has it."""

    strict = True
    object_hook = None
    object_pairs_hook = staticmethod(_members)
    parse_int: Any = staticmethod(_integer)
    parse_float: Any = staticmethod(_no_number)
    parse_constant = staticmethod(_no_number)


class _FloatHooks(_Hooks):
    parse_float = staticmethod(_finite)


class _ShortHooks(_Hooks):
    """For texts without a long run of digits: the scanner reads its integers itself."""

    parse_int = int


def _public_scanner(hooks: type[_Hooks]) -> Any:
    """The same scanner from the public `json` module, for interpreters without the C one."""
    from json import JSONDecoder

    def ascii_only(read: Any) -> Any:
        # Scanners written in Python have read other scripts' digits.
        return lambda text: read(text) if text.isascii() else _no_number(text)

    decoder = JSONDecoder(
        object_pairs_hook=hooks.object_pairs_hook,
        parse_int=ascii_only(hooks.parse_int),
        parse_float=ascii_only(hooks.parse_float),
        parse_constant=hooks.parse_constant,
    )

    def scan(text: str, start: int) -> tuple[Any, int]:
        _check_escapes(text)
        return decoder.raw_decode(text, start)

    return scan


def _check_escapes(text: str) -> None:
    """Refuse what scanners written in Python have taken for four hexadecimal digits: `+123`, `1_23`."""
    at = text.find("\\")
    while at >= 0:
        if text[at + 1 : at + 2] == "u" and not all(c in "0123456789abcdefABCDEF" for c in text[at + 2 : at + 6]):
            raise _FoundError("bad_json")
        at = text.find("\\", at + 2)


_make_scanner: Any
try:
    from _json import encode_basestring as _quote
    from _json import make_scanner as _make_scanner
except ImportError:  # pragma: no cover - PyPy
    from json.encoder import encode_basestring as _quote

    _make_scanner = _public_scanner

_encode: Any = None
try:
    from _json import make_encoder as _make_encoder
except ImportError:  # pragma: no cover - PyPy
    pass
else:
    # markers, default, encoder, indent, key separator, item separator, sort keys, skip keys, allow NaN: as `json` calls
    # it. What it would be lenient about never reaches it: `_check_value`.
    _encode = _make_encoder(None, _no_number, _quote, None, ":", ",", True, False, False)

_scan: Any = _make_scanner(_Hooks)
_scan_floats: Any = _make_scanner(_FloatHooks)
_scan_short: Any = _make_scanner(_ShortHooks)

# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


_WRITTEN_NUL: Final = b"\\u0000"
_SIMPLE: Final = frozenset((str, bool, type(None)))


def _check_value(value: Any, depth: int) -> None:
    """Refuse what has no canonical form, but for what stands within strings. Written out, because it is hot."""
    kind = type(value)
    if kind is dict:
        for name in value:
            if type(name) is not str:
                raise UsageError("bad_json_value", "A member's name must be a string.")
        items = value.values()
    elif kind is list or kind is tuple:
        items = value
    else:
        _scalar(value, kind)
        return
    if depth == 0:
        raise UsageError("bad_json_value", "A value nested deeper than 20 levels cannot be signed.")
    for item in items:
        kind = type(item)
        if kind in _SIMPLE:
            continue
        if kind is dict or kind is list or kind is tuple:
            _check_value(item, depth - 1)
        elif not (isinstance(item, int) and -MAX_JSON_INTEGER <= item <= MAX_JSON_INTEGER):
            _scalar(item, kind)


def _write(value: Any, put: Any, depth: int) -> None:
    """Put the text of *value* in pieces. Members that hold no others are written in place, because this is hot."""
    kind = type(value)
    if kind is not dict and kind is not list and kind is not tuple:
        put(_scalar(value, kind))
    elif depth == 0:
        raise UsageError("bad_json_value", "A value nested deeper than 20 levels cannot be signed.")
    elif kind is dict:
        separator = "{"
        for name in sorted(value):
            put(f"{separator}{_quoted(name)}:")
            separator = ","
            item = value[name]
            kind = type(item)
            if kind is dict or kind is list or kind is tuple:
                _write(item, put, depth - 1)
            else:
                put(_quoted(item) if kind is str else _scalar(item, kind))
        put("}" if value else "{}")
    else:
        separator = "["
        for item in value:
            put(separator)
            separator = ","
            _write(item, put, depth - 1)
        put("]" if value else "[]")


def _scalar(value: Any, kind: type) -> str:
    if kind is str:
        return _quoted(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if isinstance(value, int):
        if not -MAX_JSON_INTEGER <= value <= MAX_JSON_INTEGER:
            raise UsageError("bad_json_value", "An integer beyond 2^53 cannot be signed.")
        return int.__repr__(value)
    raise UsageError("bad_json_value", f"A {kind.__name__} has no canonical JSON form.")


def _quoted(text: Any) -> str:
    if type(text) is not str:
        raise UsageError("bad_json_value", "A member's name must be a string.")
    quoted: str = _quote(text)
    if len(quoted) != len(text) + 2 or not text.isascii():  # else nothing was escaped: neither NUL nor a surrogate
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise UsageError("bad_json_value", "A string with half a surrogate pair cannot be signed.") from None
        if "\x00" in text:
            raise UsageError("bad_json_value", "A string with NUL cannot be signed.")
    return quoted
