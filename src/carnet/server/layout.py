"""Where everything of an installation lies below its data directory (design.md §8), and what was begun there."""

from __future__ import annotations

from pathlib import Path

from carnet.core._base import Struct
from carnet.core.errors import MalformedError, StateError
from carnet.core.instant import Instant, parse_instant
from carnet.formats.limits import MAX_PUBLIC_BODY
from carnet.formats.strict_json import dump_json, parse_object
from carnet.server.signing.file_store import read_file

_RECORD_FORMAT = "carnet-installation/1"
_MARKER_FORMAT = "carnet-init/1"


class Layout(Struct):
    """The paths of one installation. Nothing here touches the disk."""

    data: Path

    @property
    def record(self) -> Path:
        """Written last by `carnet init`: where it exists, the installation is whole."""
        return self.data / "installation.json"

    @property
    def marker(self) -> Path:
        """Written first by `carnet init`, removed at its end."""
        return self.data / "init.json"

    @property
    def lock(self) -> Path:
        """Held by a running `carnet init`."""
        return self.data / "init.lock"

    @property
    def root(self) -> Path:
        """The root file, version 1: what apps embed."""
        return self.data / "root.json"

    @property
    def database(self) -> Path:
        """The embedded database."""
        return self.data / "carnet.db"

    @property
    def high_water(self) -> Path:
        """How far the database had got when it was last seen (REL-11)."""
        return self.data / "high-water.json"

    @property
    def clock(self) -> Path:
        """What the machine's clock showed when it was last seen right (SEC-31)."""
        return self.data / "clock.json"

    @property
    def keys(self) -> Path:
        """The sealed signing keys."""
        return self.data / "keys"

    @property
    def ceremony(self) -> Path:
        """A ceremony that goes on, and the roots that others came to."""
        return self.data / "ceremony"

    @property
    def secrets(self) -> Path:
        """What backups never hold."""
        return self.data / "secrets"

    @property
    def pepper(self) -> Path:
        """Key of the look-up hashes."""
        return self.secrets / "pepper"

    @property
    def seal(self) -> Path:
        """Key of the sealed license keys."""
        return self.secrets / "seal"

    @property
    def status(self) -> Path:
        """Key of the status index permutation."""
        return self.secrets / "status"

    @property
    def signing(self) -> Path:
        """Key-encryption key of the signing keys, where no passphrase opens them."""
        return self.secrets / "signing"


class InstallationRecord(Struct):
    """Who this installation is, as `installation.json` says."""

    issuer: str
    created_at: Instant
    anchor: str


class InitMarker(Struct):
    """
    What a running or interrupted `carnet init` makes outside the data directory: root keys, and the rows that name
    `issuer` in a database that is no file. None: an older program's marker, which knew no such database.
    """

    issuer: str | None
    root_keys: Path
    root_key_files: tuple[str, ...]


def write_record(record: InstallationRecord) -> bytes:
    """The content of `installation.json`."""
    return _write(
        {
            "format": _RECORD_FORMAT,
            "issuer": record.issuer,
            "created_at": str(record.created_at),
            "anchor": record.anchor,
        }
    )


def read_record(layout: Layout) -> InstallationRecord:
    """
    Who the installation is.

    Raises:
        StateError: ``not_initialised``, ``half_initialised``, ``missing_file``, ``data_not_readable``,
            ``bad_installation_file``.
    """
    if not layout.record.exists():
        if layout.marker.exists():
            raise StateError(
                "half_initialised",
                f"A carnet init in {layout.data} did not get to its end.",
                "Run carnet init again: it clears what is half-finished and starts afresh.",
            )
        raise StateError(
            "not_initialised",
            f"There is no installation in {layout.data}.",
            "Run carnet init, or set CARNET_DATA to where it is.",
        )
    content = _read(layout.record, _RECORD_FORMAT)
    issuer, created_at, anchor = content.get("issuer"), content.get("created_at"), content.get("anchor")
    if not (isinstance(issuer, str) and isinstance(created_at, str) and isinstance(anchor, str)):
        raise _bad(layout.record)
    return InstallationRecord(issuer=issuer, created_at=parse_instant(created_at), anchor=anchor)


def write_marker(marker: InitMarker) -> bytes:
    """The content of `init.json`."""
    return _write(
        {
            "format": _MARKER_FORMAT,
            **({} if marker.issuer is None else {"issuer": marker.issuer}),
            "root_keys": str(marker.root_keys.absolute()),
            "root_key_files": list(marker.root_key_files),
        }
    )


def read_marker(layout: Layout) -> InitMarker:
    """
    What the interrupted init would have made.

    Raises:
        StateError: ``bad_installation_file``, ``data_not_readable``.
    """
    content = _read(layout.marker, _MARKER_FORMAT)
    issuer, folder, files = content.get("issuer"), content.get("root_keys"), content.get("root_key_files")
    if not isinstance(folder, str) or not isinstance(files, list) or not isinstance(issuer, str | None):
        raise _bad(layout.marker)
    return InitMarker(issuer=issuer, root_keys=Path(folder), root_key_files=tuple(str(name) for name in files))


def _write(content: dict[str, object]) -> bytes:
    return dump_json(content) + b"\n"


def _read(path: Path, wanted: str) -> dict[str, object]:
    try:
        content = parse_object(read_file(path), max_bytes=MAX_PUBLIC_BODY, what=f"The file {path.name}")
    except MalformedError as error:
        raise _bad(path) from error
    if content.get("format") != wanted:
        raise _bad(path)
    return content


def _bad(path: Path) -> StateError:
    return StateError("bad_installation_file", f"{path} is damaged.", "Restore it from your backup.")
