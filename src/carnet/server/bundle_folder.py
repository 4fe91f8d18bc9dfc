"""
A folder of bundles for devices that nobody can reach over a network: one file each, and a list of what is whose.

`<folder>/<product>/<license id>.<activation id>.carnet`, and `<folder>/<product>.csv`. Names and list hold ids and the
last four of the license key, by which support finds a customer; no name, no device's name, no key (SEC-33, R-67).

Killed at any moment: a file that has its name is whole; a line of the list may be there before its file, never twice.
"""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Final

from carnet.core.errors import StateError
from carnet.server.domain.reissue.commands import DeviceBundle
from carnet.server.files import sync_folder
from carnet.server.records import Activation

COLUMNS: Final = ("file", "license", "key_ending", "customer", "activation", "covered_until", "last_refresh")
_SUFFIX: Final = ".carnet"


class BundleFolder:
    """
    `domain.reissue.commands.BundleSink` on disk.

    Args:
        folder: Where; made if it is not there. One for each drill: what is in it already counts as done.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._listed: dict[str, set[str]] = {}

    def has(self, activation: Activation) -> bool:
        """See `BundleSink`."""
        return (self.folder / activation.product / _name(activation)).exists()

    def keep(self, bundles: tuple[DeviceBundle, ...]) -> None:
        """See `BundleSink`."""
        by_product: dict[str, list[DeviceBundle]] = {}
        for each in bundles:
            by_product.setdefault(each.activation.product, []).append(each)
        try:
            for product, some in by_product.items():
                (self.folder / product).mkdir(0o700, parents=True, exist_ok=True)
                self._list(product, some)
                self._write(product, some)
        except OSError as error:
            raise StateError(
                "data_not_writable",
                f"{error.filename or self.folder} cannot be written ({error.strerror}).",
                "Choose another directory, or make room, and run it again: what is there is not made twice.",
            ) from error

    def _list(self, product: str, bundles: list[DeviceBundle]) -> None:
        path = self.folder / f"{product}.csv"
        listed = self._listed.get(product)
        if listed is None:
            listed = self._listed[product] = _listed_in(path)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if not listed:
            writer.writerow(COLUMNS)
            listed.add(COLUMNS[0])
        for each in bundles:
            name, activation = _name(each.activation), each.activation
            if name not in listed:
                writer.writerow(
                    (
                        name,
                        activation.license_id,
                        each.key_last_four,
                        each.customer or "",
                        activation.id,
                        str(each.covered_until),
                        str(activation.refreshed_at),
                    )
                )
                listed.add(name)
        with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as file:  # noqa: PTH123 - owner-only from the first byte
            file.write(text.getvalue())

    def _write(self, product: str, bundles: list[DeviceBundle]) -> None:
        """All of them under passing names, then on the disk together, then under their own."""
        folder = self.folder / product
        made: list[tuple[Path, Path]] = []
        for each in bundles:
            path = folder / _name(each.activation)
            passing = path.with_suffix(".part")
            with open(os.open(passing, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:  # noqa: PTH123 - as above
                file.write(f"{each.text}\n")
            made.append((passing, path))
        if hasattr(os, "sync"):  # one for all of them: a wait for each would be the longest part of the drill
            os.sync()
        for passing, path in made:
            passing.replace(path)
        sync_folder(folder)


def _name(activation: Activation) -> str:
    return f"{activation.license_id}.{activation.id}{_SUFFIX}"


def _listed_in(path: Path) -> set[str]:
    """The files that a list names; what a killed process left of a line at its end is taken off."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return set()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.truncate(path, len(whole))
    return {row[0] for row in csv.reader(io.StringIO(whole.decode("utf-8"))) if row}
