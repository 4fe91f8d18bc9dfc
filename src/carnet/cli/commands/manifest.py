"""`carnet manifest create|check`: which files a release of an app consists of, under the vendor's seal (R-42)."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from carnet.cli import exits
from carnet.cli.device import add_device_options, carnet_of, read_artifact
from carnet.cli.output import Output, plain
from carnet.cli.parser import Parser, leaf
from carnet.cli.vendor import add_installation_options, administer
from carnet.cli.words import add_name, name
from carnet.core.errors import UsageError
from carnet.core.quantities import how_many

if TYPE_CHECKING:
    from carnet.client.integrity import Integrity


def configure(parser: Parser) -> None:
    """Add the subcommands."""
    group = parser.commands("command")
    create = leaf(group, "create", "list the files of a release with their digests, and seal the list", _create)
    create.add_argument("folder", metavar="FOLDER", help="the release as it will be installed")
    add_name(create, "--product", "the product")
    create.add_argument("--app-version", required=True, metavar="VERSION", help="the app's version")
    create.add_argument("--output", required=True, metavar="FILE", help="the manifest; it must not exist")
    create.add_argument(
        "--exclude", action="append", default=[], metavar="PATTERN", help="paths to leave out, e.g. '*.log'; repeatable"
    )
    add_installation_options(create)
    check = leaf(group, "check", "compare a folder with a manifest", _check)
    check.add_argument("file", metavar="FILE", help="the manifest")
    check.add_argument("folder", metavar="FOLDER", help="where the app is installed")
    check.add_argument("--app-version", metavar="VERSION", help="which version it should be")
    add_device_options(check, "product", "root", "state")


def _create(options: argparse.Namespace, out: Output) -> int:
    from carnet.client.integrity import files_below
    from carnet.server.records import OPERATOR

    if not os.path.isdir(options.folder):  # noqa: PTH112 - one question
        raise UsageError("folder_not_found", f"There is no folder {options.folder}.", "Name the folder of the release.")
    product = name(options, "product")
    paths = [path for path in files_below(options.folder) if not _is_excluded(path, options.exclude)]
    files = tuple((path, _digest(options.folder, path)) for path in paths)
    sealed = administer(
        options,
        out,
        lambda installation: installation.manifests.seal(product, options.app_version, files, OPERATOR),
    )
    try:
        with open(options.output, "xb") as file:  # noqa: PTH123 - created, never replaced
            file.write(sealed)
    except FileExistsError as error:
        raise UsageError("output_exists", f"{options.output} exists already.", "Name another file.") from error
    out.data(
        {"product": product, "version": options.app_version, "files": len(files), "path": options.output},
        options.output,
    )
    out.say(f"{how_many(len(files), 'file')}. Ship it with the app, outside the folder or excluded from the list.")
    return exits.OK


def _is_excluded(path: str, patterns: list[str]) -> bool:
    from fnmatch import fnmatchcase

    return any(fnmatchcase(path, pattern) for pattern in patterns)


def _digest(folder: str, path: str) -> str:
    from carnet.client.integrity import digest_of

    digest = digest_of(os.path.join(folder, *path.split("/")))  # noqa: PTH118 - as the SDK joins it
    if digest is None:
        raise UsageError("file_not_readable", f"{path} cannot be read.", "Give this user the right to read it.")
    return digest


def _check(options: argparse.Namespace, out: Output) -> int:
    from carnet.client.integrity import check_files

    with carnet_of(options) as carnet:
        found = check_files(carnet, read_artifact(options.file), options.folder, version=options.app_version)
    _show(found, out)
    if found.problem is not None:
        out.problem(found.problem.code, found.problem.message, found.problem.fix)
    return exits.OK if found else exits.FAILED


def _show(found: Integrity, out: Output) -> None:
    document = {
        "result": found.result,
        "version": found.version,
        "checked": found.checked,
        "changed": list(found.changed),
        "missing": list(found.missing),
        "changed_count": found.changed_count,
        "missing_count": found.missing_count,
    }
    lines = [
        found.result,
        *(f"changed  {path}" for path in found.changed),
        *(f"missing  {path}" for path in found.missing),
    ]
    out.data(document, plain("\n".join(lines)))
