"""
What the server asks PostgreSQL for one validation and for one activation, written as scripts for pgbench.

The statements are not copied but overheard: the services run once on a pool that remembers. So the limit is always that
of the very statements in use. Values that must differ from one transaction to the next become variables, the others
stay what they were.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from bench.population import PLAIN, PRODUCT, device_of, key_of
from carnet.server.domain.activations.commands import ActivateCommand, DeviceClaim, ValidateCommand
from carnet.server.installation import open_installation
from carnet.server.settings import Settings

NUMBERED = "100000000000"
"""Twelve digits: where the numbers of a run's transactions begin."""

_LICENSE = "'01997f3e-5a10-7c3b-8000-00' || :l"
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Script(NamedTuple):
    """A transaction for pgbench, and the values of its constant variables."""

    text: str
    variables: dict[str, str]


def script_of_validation(settings: Settings, licenses: int) -> Script:
    """
    The statement of validate, about one of the *licenses* from `PLAIN` and the device that holds its seat.

    Args:
        settings: Of an installation with license 1 of `population`.
        licenses: How many licenses there are from `PLAIN` on.
    """
    device = DeviceClaim(fingerprint=device_of(1))
    command = ValidateCommand(license_key=key_of(1), product=PRODUCT, device=device)
    ((sql, values),) = _overheard(settings, command)
    lookup, fingerprint = values[2], values[4]
    writer = _Writer({lookup: ":l", fingerprint: ":l"})
    return Script(_drawn(licenses) + writer.statement(sql, values), writer.variables)


def script_of_activation(settings: Settings, licenses: int) -> Script:
    """
    The statements of activate, by a device that is new each time; otherwise as `script_of_validation`.

    Two variables are the caller's: `i`, 0, and `round`, another whole number from 0 for each run.
    """
    device = DeviceClaim(fingerprint=device_of(1, 98), name="Line 1", platform="linux")
    command = ActivateCommand(license_key=key_of(1), product=PRODUCT, device=device)
    (find, facts), (change, written) = _overheard(settings, command)
    license_id, sequence, position = written[0], written[3], written[4]
    varying = {
        **_new_ids(written, license_id),
        facts[2]: ":l",
        device.fingerprint: f"'{'a' * 52}' || :n",
        license_id: _LICENSE,
        sequence: "2000000000000 + :n",
        position: "2000000000000 + :n",
    }
    head = f"\\set n {NUMBERED} + :round * 1000000000 + :client_id * 10000000 + :i\n\\set i :i + 1\n"
    writer = _Writer(varying)
    text = writer.statement(find, facts) + writer.statement(change, written)
    return Script(head + _drawn(licenses) + text, writer.variables)


def _new_ids(values: list[Any], license_id: str) -> dict[str, str]:
    """An expression for each id that the activation gave: of itself, of its artifacts, of its events."""
    flat = [each for value in values for each in (value if isinstance(value, list) else [value])]
    ids = dict.fromkeys(each for each in flat if isinstance(each, str) and _ID.fullmatch(each) and each != license_id)
    return {each: f"'01997f3e-5a10-7c3b-{number:04x}-' || :n" for number, each in enumerate(ids, 0x9000)}


def _drawn(licenses: int) -> str:
    return f"\\set l random({PLAIN}, {PLAIN + licenses - 1})\n"


class _Writer:
    """Writes statements with their values as pgbench reads them; *varying* are expressions for values."""

    def __init__(self, varying: Mapping[Any, str]) -> None:
        self._varying = varying
        self.variables: dict[str, str] = {}

    def statement(self, sql: str, values: list[Any]) -> str:
        def given(match: re.Match[str]) -> str:
            value = values[int(match[1]) - 1]
            if isinstance(value, list):
                return f"ARRAY[{', '.join(map(self._literal, value))}]"
            return self._literal(value)

        return re.sub(r"\$(\d+)", given, sql).strip() + ";\n"

    def _literal(self, value: Any) -> str:
        if value in self._varying:
            expression = self._varying[value]
            return expression if expression.startswith(":") else f"({expression})"
        if value is None:
            return "NULL"
        if isinstance(value, int):
            return str(int(value))
        if isinstance(value, bytes):
            return f"'\\x{value.hex()}'"
        text = str(value)
        if ":" in text or "'" in text:  # pgbench would look for variables in it
            name = f"text_{len(self.variables)}"
            self.variables[name] = text
            return f":{name}"
        return f"'{text}'"


def _overheard(settings: Settings, command: ActivateCommand | ValidateCommand) -> list[tuple[str, list[Any]]]:
    return asyncio.run(_overhear(settings, command))


async def _overhear(settings: Settings, command: ActivateCommand | ValidateCommand) -> list[tuple[str, list[Any]]]:
    heard: list[tuple[str, list[Any]]] = []
    async with open_installation(settings) as installation:
        pool = installation._storage._pool  # type: ignore[attr-defined]  # noqa: SLF001 - a wire tap
        for name in ("read", "write"):
            setattr(pool, name, _tapped(getattr(pool, name), heard))
        if isinstance(command, ActivateCommand):
            await installation.activations.activate(command)
        else:
            await installation.activations.validate(command)
    return heard


def _tapped(ask: Callable[..., Awaitable[list[Any]]], heard: list[tuple[str, list[Any]]]) -> Any:
    async def asked(sql: str, *values: Any) -> list[Any]:
        if "licenses" in sql:  # not what the storage does for itself beside the requests
            heard.append((sql, list(values)))
        return await ask(sql, *values)

    return asked
