"""
Taking over licenses of another system, with their keys as they are: every line is looked at, then they are stored.

A file may be large, so nothing of it is kept but a few bytes for each line: it is read twice, some lines at a time, in
a thread beside the server's loop. `docs/decisions/0065-imports-in-two-passes.md`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, TextIO, TypeAlias

from carnet.core._base import Struct, replace
from carnet.core.errors import CarnetError, MalformedError
from carnet.core.quantities import how_many
from carnet.formats.key_strength import check_sealing_key
from carnet.server.domain.artifacts.signed_keys import SignedKeys
from carnet.server.domain.bulk.commands import BadLine, Imported, ImportOptions
from carnet.server.domain.bulk.lines import Line, Unreadable, read_lines
from carnet.server.domain.checks import check_license_key
from carnet.server.domain.ids import Ids
from carnet.server.domain.licenses.commands import CreateLicense
from carnet.server.domain.licenses.drafting import Identity, draw_up
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.ports import Clock, LicenseContext, NewLicense, NextIndex, Storage
from carnet.server.records import SYSTEM, Actor, StoredPolicy

LOT: Final = 1_000
"""Licenses that are imported in one transaction, and lines that are looked at together."""

MAX_BAD: Final = 1_000
MAX_ROWS: Final = 250_000
"""
Lines with a license in a file over HTTP. What is kept of each (a number for its key, a letter for what was found) is
about 120 bytes: at most 30 MB for one import, and one is done at a time.
"""

Source: TypeAlias = Callable[[], TextIO]
"""Opens the file from its beginning, with ``newline=""``; the same text each time."""

_GOOD, _KNOWN, _BAD = b"gkb"
_FEW_KINDS: Final = 4_096


class _Look(Struct):
    """A line that can be read and has a key that may be taken over."""

    line: Line
    lookup: bytes


class _Findings:
    """What the first pass finds, in a few bytes for each line."""

    def __init__(self) -> None:
        self.verdicts = bytearray()
        self.bad: list[BadLine] = []
        self.bad_total = 0
        self._first_with: dict[int, int] = {}

    def is_first(self, look: _Look) -> int | None:
        """None for the first line with this key, else that line's number. 64 bits of the hash tell keys apart."""
        first = self._first_with.setdefault(int.from_bytes(look.lookup[:8], "big"), look.line.number)
        return None if first == look.line.number else first

    def tell(self, verdicts: Sequence[int], bad: list[BadLine]) -> None:
        """Take in what was found of some lines, in the order of the file."""
        self.verdicts += bytes(verdicts)
        self.bad_total += len(bad)
        self.bad += bad[: MAX_BAD - len(self.bad)]


class _Known:
    """What exists of what lines name, asked for once each; and what kinds of lines were tried."""

    def __init__(self, storage: Storage, options: ImportOptions) -> None:
        self._storage = storage
        self._within = options.within
        self.skip_known = options.skip_known
        self.taken: frozenset[bytes] = frozenset()
        self.tried: set[tuple[str, ...]] = set()
        self._policies: dict[tuple[str, str], tuple[bool, StoredPolicy | None]] = {}
        self._customers: frozenset[str] = frozenset()

    async def learn(self, looks: Sequence[_Look]) -> None:
        """Look up what lines name; of keys and customers, only theirs are known then."""
        self.taken = await self._storage.known_keys(tuple(each.lookup for each in looks))
        commands = [each.line.command for each in looks]
        for command in commands:
            named = (command.product, command.policy)
            if named not in self._policies and len(self._policies) < _FEW_KINDS:
                is_there = self._within is None or command.product in self._within
                is_there = is_there and await self._storage.product(command.product) is not None
                policy = await self._storage.policy(*named) if is_there else None
                self._policies[named] = (is_there, policy)
        wanted = {command.customer for command in commands if command.customer is not None}
        self._customers = await self._storage.known_customers(tuple(wanted), self._within)

    def context(self, line: Line) -> LicenseContext:
        """What exists of what *line* names."""
        command = line.command
        product_known, policy = self._policies.get((command.product, command.policy), (False, None))
        return LicenseContext(
            product_known=product_known, policy=policy, customer_known=command.customer in self._customers
        )


class ImportService:
    """Makes licenses of files."""

    def __init__(self, storage: Storage, clock: Clock, ids: Ids, vault: KeyVault, *, signed_keys: SignedKeys) -> None:
        self._storage = storage
        self._clock = clock
        self._ids = ids
        self._vault = vault
        self._signed_keys = signed_keys
        self._turn = asyncio.Semaphore(1)

    async def import_lines(self, source: Source, actor: Actor, options: ImportOptions) -> Imported:
        """
        Take over licenses of another system, with their keys as they are.

        Every line is looked at first. If one is bad nothing is imported, unless bad lines are to be skipped; then they
        are told all the same. Licenses are stored 1,000 at a time; if the storage fails in between, what was stored
        stays, and the answer says so: importing the same file again, passing over what is known, does the rest.

        Args:
            source: The file.
            actor: Who.
            options: How.

        Raises:
            MalformedError: ``bad_import``: it has no header, an unknown column, or too many lines; ``bad_utf8``.
        """
        async with self._turn:
            found = await self._looked_at(source, options)
            imported, stopped = 0, ""
            if not options.dry_run and (options.skip_bad or not found.bad_total):
                imported, stopped = await self._stored(source, actor, options, found.verdicts)
        return Imported(
            lines=len(found.verdicts),
            imported=imported,
            skipped=found.verdicts.count(_KNOWN),
            bad=tuple(found.bad),
            bad_total=found.bad_total,
            done=not (options.dry_run or found.bad_total or stopped),
            stopped=stopped,
        )

    # ── first pass ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _looked_at(self, source: Source, options: ImportOptions) -> _Findings:
        """What is to be made of each line."""
        findings, known = _Findings(), _Known(self._storage, options)
        with await asyncio.to_thread(source) as text:
            rows = read_lines(text, options.form, product=options.product, policy=options.policy)
            while lot := await asyncio.to_thread(self._read, rows):
                if options.most is not None and len(findings.verdicts) + len(lot) > options.most:
                    raise MalformedError(
                        "bad_import", f"The file has more than {how_many(options.most, 'line')}.", "Import it in parts."
                    )
                await known.learn([each for each in lot if isinstance(each, _Look)])
                await asyncio.to_thread(self._judge, lot, findings, known)
        return findings

    def _read(self, rows: Iterator[Line | Unreadable]) -> list[_Look | BadLine]:
        lot: list[_Look | BadLine] = []
        for row in islice(rows, LOT):
            if isinstance(row, Unreadable):
                lot.append(BadLine(line=row.number, code=row.error.code, message=row.error.message))
                continue
            key = row.command.license_key or ""
            try:
                check_license_key(key)
                check_sealing_key(key)  # SEC-16: what can be guessed locks no machine file, and is refused here
            except CarnetError as error:
                lot.append(BadLine(line=row.number, code=error.code, message=error.message))
            else:
                lot.append(_Look(line=row, lookup=self._vault.lookup(key)))
        return lot

    def _judge(self, lot: Sequence[_Look | BadLine], findings: _Findings, known: _Known) -> None:
        verdicts: list[int] = []
        bad: list[BadLine] = []
        for each in lot:
            wrong = each if isinstance(each, BadLine) else self._wrong(each, findings, known)
            if wrong is not None:
                verdicts.append(_BAD)
                bad.append(wrong)
            else:
                verdicts.append(_KNOWN if isinstance(each, _Look) and each.lookup in known.taken else _GOOD)
        findings.tell(verdicts, bad)

    def _wrong(self, look: _Look, findings: _Findings, known: _Known) -> BadLine | None:
        """Why no license can be made of a line; None where one can, or is there already and may be passed over."""
        line = look.line
        first = findings.is_first(look)
        if first is not None:
            return BadLine(line=line.number, code="already_exists", message=f"Line {first} has the same key.")
        if look.lookup in known.taken:
            if known.skip_known:
                return None
            return BadLine(line=line.number, code="already_exists", message="A license has this key already.")
        command = line.command
        # Lines that differ in their keys only are tried once; what is large or exists once is not worth remembering.
        is_plain = not command.metadata and command.customer is None
        kind = tuple(str(getattr(command, name)) for name in CreateLicense.__fields__ if name != "license_key")
        if is_plain and kind in known.tried:
            return None
        try:
            draw_up(
                command,
                (_NOBODY,),
                known.context(line),
                lambda: 0,
                ids=self._ids,
                now=self._clock.now(),
                actor=SYSTEM,
                signed_keys=self._signed_keys,
                batch=None,
            )
        except CarnetError as error:
            return BadLine(line=line.number, code=error.code, message=error.message)
        if is_plain and len(known.tried) < _FEW_KINDS:
            known.tried.add(kind)
        return None

    # ── second pass ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _stored(
        self, source: Source, actor: Actor, options: ImportOptions, verdicts: bytearray
    ) -> tuple[int, str]:
        """Make licenses of the good lines; how many, and why it ended in the middle, if it did."""
        batch = self._ids.new(self._clock.now())
        imported = 0
        with await asyncio.to_thread(source) as text:
            rows = read_lines(text, options.form, product=options.product, policy=options.policy)
            lots = _lots(row for row, verdict in zip(rows, verdicts, strict=False) if verdict == _GOOD)
            while lot := await asyncio.to_thread(next, lots, None):
                try:
                    imported += await self._store(lot, actor, batch)
                except CarnetError as error:  # the storage, or something that was changed since it was looked at
                    return imported, f"{error.message} Licenses from line {lot[0].number} on may be missing."
        return imported, ""

    async def _store(self, lot: Sequence[Line], actor: Actor, batch: str) -> int:
        """Store licenses of one product and policy, all of them or none."""
        now = self._clock.now()
        identities = await asyncio.to_thread(self._identities, lot)

        def build(context: LicenseContext, next_index: NextIndex) -> tuple[NewLicense, ...]:
            # Customers were looked up before; they are never removed, and the database holds that they exist.
            context = replace(context, customer_known=True)
            made: list[NewLicense] = []
            for line, identity in zip(lot, identities, strict=True):
                (new,) = draw_up(
                    line.command,
                    (identity,),
                    replace(context, in_use=context.in_use + len(made)),
                    next_index,
                    ids=self._ids,
                    now=now,
                    actor=actor,
                    signed_keys=self._signed_keys,
                    batch=batch,
                )
                status: Any = line.status
                made.append(replace(new, license=replace(new.license, status=status)))
            return tuple(made)

        first = lot[0].command
        stored = await self._storage.add_licenses(
            product=first.product, policy=first.policy, customer=None, build=build
        )
        return len(stored)

    def _identities(self, lot: Sequence[Line]) -> list[Identity]:
        now = self._clock.now()
        identities: list[Identity] = []
        for line in lot:
            key = line.command.license_key or ""
            license_id = self._ids.new(now)
            sealed = self._vault.seal(key, license_id)
            identities.append(Identity(license_id=license_id, key=key, lookup=self._vault.lookup(key), sealed=sealed))
        return identities


_NOBODY: Final = Identity(license_id="", key="00000-00000-00000-00000-00000", lookup=b"", sealed=b"")
"""Stands for the identity of a license that is only tried."""


def _lots(rows: Iterator[Line | Unreadable]) -> Iterator[tuple[Line, ...]]:
    """Lines of one product and policy together, at most `LOT` of them, in the order of the file as far as that goes."""
    waiting: dict[tuple[str, str], list[Line]] = {}
    count = 0
    for row in rows:
        if isinstance(row, Unreadable):  # it was good when it was looked at: the file is another one
            continue
        lot = waiting.setdefault((row.command.product, row.command.policy), [])
        lot.append(row)
        count += 1
        if len(lot) == LOT or count == 4 * LOT:
            largest = max(waiting, key=lambda each: len(waiting[each]))
            together = waiting.pop(largest)
            count -= len(together)
            yield tuple(together)
    for together in waiting.values():
        yield tuple(together)
