"""
Are the app's files as they were released? An optional check, in the background, that tells and never stops (R-42).

It finds a broken download, a disk that loses bits, an update that stopped halfway, an antivirus that "mended" a
library, and careless patches. It does not find a careful attacker: who changes files can change this too. What that
means, and what does help, is in docs/security/integrity.md.

Which folder and which manifest, the app says: the SDK knows no place of its own.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from carnet.core._base import Struct
from carnet.core.errors import CarnetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Thread

    from carnet.client.base import Client

Result = Literal["unchanged", "changed", "not genuine"]

_CHUNK_BYTES = 256 * 1024
_MAX_NAMED = 100
"""So many files are named at most; the counts are exact."""


class Integrity(Struct):
    """
    What a check found.

    Attributes:
        result: ``unchanged``, ``changed``, or ``not genuine``: there is no manifest that can be believed.
        changed: Files whose content is another, at most 100 of them.
        missing: Files that are not there or cannot be read, likewise.
        changed_count, missing_count: How many.
        checked: How many files were compared.
        version: The version that the manifest is of; None where it cannot be believed.
        problem: Why the manifest cannot be believed, else None.
    """

    result: Result
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    changed_count: int = 0
    missing_count: int = 0
    checked: int = 0
    version: str | None = None
    problem: CarnetError | None = None

    def __bool__(self) -> bool:
        return self.result == "unchanged"


def check_files(
    client: Client,
    manifest: bytes,
    folder: str | os.PathLike[str],
    *,
    version: str | None = None,
    pause: Callable[[], None] | None = None,
) -> Integrity:
    """
    Compare the files below *folder* with *manifest*. Reads every listed file; writes nothing.

    Args:
        client: The app's `Carnet` or `AsyncCarnet`: product and trusted root are its.
        manifest: What `carnet manifest create` made for this release.
        folder: Where the listed paths begin, for example that of the frozen program.
        version: The app's own version; a manifest of another one is not believed.
        pause: Called after each file, to be gentle in the background.

    Returns:
        What was found; never an exception for what files or manifest hold. Files that are not listed are not looked at:
        plug-ins, caches and settings are the user's.
    """
    from carnet.formats.app_manifest import verify_app_manifest

    device = client._device  # noqa: SLF001 - one part in two modules, so that no start loads this one
    try:
        ring = device.look().root.ring()
        listed = verify_app_manifest(manifest, ring, product=device.config.product_id())
    except CarnetError as error:
        return Integrity(result="not genuine", problem=error)
    if version is not None and version != listed.version:
        from carnet.core.errors import NotGenuineError

        told = f"The app manifest is of version {listed.version}, and this app is {version}."
        fix = "Take the manifest that the vendor released with this version."
        return Integrity(
            result="not genuine", version=listed.version, problem=NotGenuineError("wrong_manifest", told, fix)
        )
    changed: list[str] = []
    missing: list[str] = []
    for path, digest in listed.files:
        found = digest_of(os.path.join(os.fspath(folder), *path.split("/")))
        if found is None:
            missing.append(path)
        elif found != digest:
            changed.append(path)
        if pause is not None:
            pause()
    return Integrity(
        result="changed" if changed or missing else "unchanged",
        changed=tuple(changed[:_MAX_NAMED]),
        missing=tuple(missing[:_MAX_NAMED]),
        changed_count=len(changed),
        missing_count=len(missing),
        checked=len(listed.files),
        version=listed.version,
    )


def check_in_background(
    client: Client,
    manifest: bytes,
    folder: str | os.PathLike[str],
    tell: Callable[[Integrity], None],
    *,
    version: str | None = None,
) -> Thread:
    """
    As `check_files`, in a thread that yields to the app after each file and ends with the process.

    Args:
        client, manifest, folder, version: As for `check_files`.
        tell: Called once with what was found, in that thread.

    Returns:
        The thread, started.

    Raises:
        UsageError: The client's settings are wrong.
    """
    from threading import Thread
    from time import sleep

    client._config.product_id()  # noqa: SLF001 - a mistake of the app's is told in its own thread

    def work() -> None:
        tell(check_files(client, manifest, folder, version=version, pause=lambda: sleep(0.001)))

    thread = Thread(target=work, name="carnet integrity", daemon=True)
    thread.start()
    return thread


def digest_of(path: str) -> str | None:
    """SHA-256 of the file at *path*, in chunks; None where it is no file or cannot be read."""
    from hashlib import sha256

    digest = sha256()
    try:
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError:
        return None
    return digest.hexdigest()


def files_below(folder: str) -> Iterator[str]:
    """The paths of all files below *folder*, as a manifest writes them; links to folders are not followed."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        relative = os.path.relpath(place, folder)
        for name in sorted(names):
            path = name if relative == os.curdir else os.path.join(relative, name)
            yield path.replace(os.sep, "/")
