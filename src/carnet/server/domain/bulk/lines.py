"""
Licenses as lines of text: CSV (RFC 4180, with a header) and JSON Lines. Pure.

A CSV file is opened by people in spreadsheets, which run what looks like a formula: a cell that begins with one of
``= + - @`` or a control character is written with an apostrophe before it (SEC-39), and read without.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TextIO

from carnet.core._base import Struct
from carnet.core.errors import CarnetError, MalformedError
from carnet.core.instant import parse_instant
from carnet.core.quantities import how_many
from carnet.formats.limits import MAX_METADATA, MAX_PUBLIC_BODY
from carnet.formats.strict_json import dump_json, parse_json, parse_object
from carnet.server.domain.bulk.commands import Format
from carnet.server.domain.licenses.commands import CreateLicense

COLUMNS: Final = (
    "key", "product", "policy", "customer", "type", "status", "starts_at", "expires_at", "duration_seconds",
    "seat_limit", "metadata",
)  # fmt: skip
"""What a line may say. Only `key` must be there; `product` and `policy` may be the same for the whole file."""

_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_WHOLE: Final = frozenset({"duration_seconds", "seat_limit"})
_MAX_LINE: Final = MAX_PUBLIC_BODY + MAX_METADATA


class Line(Struct):
    """
    A license to import.

    Attributes:
        number: Of its line in the file, from 1.
        command: What it is; its `license_key` is taken over as it stands.
        status: Its status from the start.
    """

    number: int
    command: CreateLicense
    status: str

    def __repr__(self) -> str:
        return f"Line(number={self.number!r})"  # never the license key


class Unreadable(Struct):
    """A line that says no license."""

    number: int
    error: CarnetError


def read_lines(
    text: TextIO, form: Format, *, product: str | None = None, policy: str | None = None
) -> Iterator[Line | Unreadable]:
    """
    The licenses of *text*, in order, one at a time: whatever it holds, no more than a line of it is kept.

    Args:
        text: The file from its beginning, opened with ``newline=""``; a byte order mark and any line ends are taken.
        form: Its form.
        product: For lines that name none.
        policy: For lines that name none.

    Raises:
        MalformedError: ``bad_import``: a CSV file whose header names an unknown column, or no `key`; ``bad_utf8``.
    """
    members = _csv_members if form == "csv" else _json_members
    for number, found in members(text):
        if isinstance(found, CarnetError):
            yield Unreadable(number=number, error=found)
            continue
        try:
            yield _line(number, found, product, policy)
        except CarnetError as error:
            yield Unreadable(number=number, error=error)


def _pieces(text: TextIO) -> Iterator[str]:
    """Lines with their ends; of one that is too long, its first `_MAX_LINE` characters and then the others."""
    first = True
    while True:
        try:
            piece = text.readline(_MAX_LINE)
        except UnicodeDecodeError as error:
            raise MalformedError("bad_utf8", "The file is not UTF-8.", "Save it as UTF-8.") from error
        if first:
            piece, first = piece.removeprefix("\ufeff"), False
        if not piece:
            return
        yield piece


class _RowLines:
    """What a CSV reader takes one row from: lines of text, and not more of them than a row may have."""

    def __init__(self, text: TextIO) -> None:
        self._pieces = _pieces(text)
        self._left = _MAX_LINE

    def begin_row(self) -> None:
        """From here on, it is another row."""
        self._left = _MAX_LINE

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        piece = next(self._pieces)
        self._left -= len(piece)
        if self._left < 0 or (len(piece) == _MAX_LINE and piece[-1:] not in "\r\n"):
            raise csv.Error
        return piece


def _csv_members(text: TextIO) -> Iterator[tuple[int, dict[str, Any] | CarnetError]]:
    lines = _RowLines(text)
    reader = csv.reader(lines, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise _no_csv() from error
    unknown = [name for name in header if name not in COLUMNS]
    if "key" not in header or unknown or len(set(header)) != len(header):
        raise MalformedError(
            "bad_import",
            "The first line does not name the columns." if not unknown else f"There is no column {unknown[0][:40]!r}.",
            f"Name them in the first line, each once: key and any of {', '.join(COLUMNS[1:])}.",
        )
    while True:
        number = reader.line_num + 1
        lines.begin_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield number, _no_csv()
            return
        if not any(cells):
            continue
        if len(cells) != len(header):
            told = f"It has {how_many(len(cells), 'cell')} instead of {len(header)}."
            yield (
                number,
                MalformedError("bad_import", told, "Give each line as many cells as the first, empty ones too."),
            )
            continue
        yield number, {name: unguarded(cell) for name, cell in zip(header, cells, strict=True) if cell != ""}


def _no_csv() -> MalformedError:
    return MalformedError(
        "bad_import",
        "It is no CSV: a quotation mark is not closed or stands alone, or the line is too long.",
        "Correct it.",
    )


def _json_members(text: TextIO) -> Iterator[tuple[int, dict[str, Any] | CarnetError]]:
    number, is_new = 0, True
    for line in _pieces(text):
        begins, is_new = is_new, line[-1:] in "\r\n"
        number += begins
        is_cut = not is_new and len(line) == _MAX_LINE
        if begins and is_cut:
            yield number, MalformedError("bad_import", "The line is too long.", "Correct it.")
        if not begins or is_cut or not line.strip():
            continue
        try:
            found = parse_object(line.strip().encode("utf-8", "surrogatepass"), max_bytes=_MAX_LINE, what="The line")
        except CarnetError as error:
            yield number, error
            continue
        yield number, {name: value for name, value in found.items() if value is not None}


def _line(number: int, members: Mapping[str, Any], product: str | None, policy: str | None) -> Line:
    unknown = sorted(set(members) - set(COLUMNS))
    if unknown:
        raise MalformedError("unknown_member", f"There is no member {unknown[0][:40]!r}.", f"Use {', '.join(COLUMNS)}.")
    given: dict[str, Any] = {}
    for name, value in members.items():
        if name == "metadata":
            given[name] = _metadata(value)
        elif name in _WHOLE:
            given[name] = _whole(name, value)
        elif isinstance(value, str):
            given[name] = parse_instant(value) if name.endswith("_at") else value
        else:
            raise MalformedError("bad_member", f"{name} is no text.", "Correct it.")
    for name, value in (("key", None), ("product", product), ("policy", policy)):
        given.setdefault(name, value)
        if given[name] is None:
            raise MalformedError("missing_member", f"It lacks {name}.", "Add it.")
    status = given.get("status", "active")
    if status not in {"active", "suspended", "revoked"}:
        raise MalformedError("bad_member", "status is none.", "It is active, suspended or revoked.")
    if given.get("type") not in {None, "perpetual", "timed", "trial"}:
        raise MalformedError("bad_member", "type is none.", "It is perpetual, timed or trial.")
    limit = given.get("seat_limit")
    command = CreateLicense(
        product=given["product"],
        policy=given["policy"],
        customer=given.get("customer"),
        type=given.get("type"),
        starts_at=given.get("starts_at"),
        expires_at=given.get("expires_at"),
        duration_seconds=given.get("duration_seconds"),
        overrides=None if limit is None else {"seat_limit": limit},
        metadata=given.get("metadata"),
        license_key=given["key"],
    )
    return Line(number=number, command=command, status=status)


def _metadata(value: Any) -> dict[str, Any]:
    found = parse_json(value.encode(), max_bytes=MAX_METADATA, what="metadata") if isinstance(value, str) else value
    if not isinstance(found, dict):
        raise MalformedError("bad_member", "metadata is no JSON object.", "Correct it.")
    return found


def _whole(name: str, value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 18:
        value = int(value)
    if type(value) is not int or value < 1:
        raise MalformedError("bad_member", f"{name} is no whole number from 1.", "Correct it.")
    return value


def guarded(cell: str) -> str:
    """*cell* as a spreadsheet may see it: never a formula."""
    return f"'{cell}" if cell.startswith((*_DANGEROUS, "'")) else cell


def unguarded(cell: str) -> str:
    """What `guarded` made of a cell, taken back."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith((*_DANGEROUS, "'")) else cell


def write_lines(records: Iterable[Mapping[str, Any]], form: Format, columns: tuple[str, ...]) -> Iterator[str]:
    """*records* as text, some lines at a time; a CSV file begins with its header."""
    if form == "jsonl":
        for record in records:
            yield dump_json({name: record[name] for name in columns}).decode() + "\n"
        return
    for record in records:
        out = io.StringIO()
        csv.writer(out, lineterminator="\r\n").writerow(guarded(_cell(record[name])) for name in columns)
        yield out.getvalue()


def header(form: Format, columns: tuple[str, ...]) -> str:
    """What a file begins with."""
    return ",".join(columns) + "\r\n" if form == "csv" else ""


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else dump_json(value).decode()
