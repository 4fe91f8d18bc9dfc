"""
`carnet license import` and `carnet license export`: licenses of another system taken over, ours written out.

A line that cannot be imported is told with its number; unless it is asked for, nothing is imported while one is bad.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from carnet.cli import exits
from carnet.cli.issuing import add_output_option, new_file
from carnet.cli.output import Output
from carnet.cli.parser import leaf
from carnet.cli.vendor import add_installation_options, administer, only_product
from carnet.core.errors import UsageError
from carnet.core.quantities import how_many

if TYPE_CHECKING:
    from carnet.server.domain.bulk.commands import Imported
    from carnet.server.installation import Installation

MAX_FILE_BYTES = 512 * 1024 * 1024
_SHOWN = 20


def configure_transfer(group: Any) -> None:
    """Add the two commands."""
    taking = leaf(group, "import", "take over licenses of another system, with their keys as they are", _import)
    taking.add_argument("file", metavar="FILE", help="CSV with a header, or one JSON object a line; key is required")
    taking.add_argument("--product", help="for lines that name none (default: the only product)")
    taking.add_argument("--policy", help="for lines that name none")
    taking.add_argument("--skip-known", action="store_true", help="pass over keys that a license has already")
    taking.add_argument("--skip-bad", action="store_true", help="import the good lines although there are bad ones")
    taking.add_argument("--dry-run", action="store_true", help="only look")
    giving = leaf(group, "export", "write licenses to a file", _export)
    giving.add_argument("--product", help="only of this product")
    giving.add_argument("--customer", metavar="ID", help="only of this customer")
    giving.add_argument("--status", choices=("active", "suspended", "revoked"), help="only with this status")
    giving.add_argument("--with-keys", action="store_true", help="with their keys in clear; the audit records it")
    add_output_option(giving, "the licenses")
    for command in (taking, giving):
        command.add_argument("--format", choices=("csv", "jsonl"), help="default: by the file's name, else jsonl")
        add_installation_options(command)


def _format(options: argparse.Namespace, path: str) -> Literal["csv", "jsonl"]:
    if options.format is not None:
        return "csv" if options.format == "csv" else "jsonl"
    return "csv" if path.lower().endswith(".csv") else "jsonl"


def _import(options: argparse.Namespace, out: Output) -> int:
    import io

    from carnet.server.domain.bulk.commands import ImportOptions
    from carnet.server.records import OPERATOR

    text = _text_of(options.file)
    form = _format(options, options.file)

    async def work(installation: Installation) -> Imported:
        names_none = options.product is None and len((await installation.products.list(limit=2)).items) != 1
        product = None if names_none else await only_product(installation, options.product)
        wanted = ImportOptions(
            form=form,
            product=product,
            policy=options.policy,
            skip_known=options.skip_known,
            skip_bad=options.skip_bad,
            dry_run=options.dry_run,
        )
        return await installation.imports.import_lines(lambda: io.StringIO(text, newline=""), OPERATOR, wanted)

    made = administer(options, out, work)
    document = {
        "done": made.done,
        "lines": made.lines,
        "imported": made.imported,
        "skipped": made.skipped,
        "bad": [{"line": each.line, "code": each.code, "message": each.message} for each in made.bad],
        "bad_total": made.bad_total,
        "stopped": made.stopped,
    }
    out.data(document, f"{made.imported:,} of {made.lines:,} imported, {made.skipped:,} there already")
    for each in made.bad[:_SHOWN]:
        out.say(f"line {each.line}: {each.message} ({each.code})")
    if made.bad_total > _SHOWN:
        out.say(f"… and {made.bad_total - _SHOWN:,} more bad lines; --json lists 1,000 of them.")
    if made.stopped:
        out.say(f"It stopped: {made.stopped} Run it again with --skip-known.")
    if made.bad_total and not made.imported:
        out.say("Nothing was imported. Correct these lines, or add --skip-bad.")
    looked = options.dry_run and not made.bad_total
    return exits.OK if made.done or looked else exits.FAILED


def _text_of(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError("not_readable", f"{path} cannot be read ({error.strerror}).", "Check its name.") from error
    except ValueError as error:
        raise UsageError("not_readable", "No file can have that name.", "Check it.") from error
    if len(content) > MAX_FILE_BYTES:
        raise UsageError("not_readable", f"{path} is larger than 512 MiB.", "Import it in parts.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError("not_readable", f"{path} is not UTF-8.", "Save it as UTF-8.") from error


def _export(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.ports import LicenseFilter
    from carnet.server.records import OPERATOR

    if options.output is None:
        raise UsageError("bad_usage", "Where to?", "Add --output FILE.")
    which = LicenseFilter(product=options.product, customer=options.customer, status=options.status)
    form = _format(options, options.output)
    with new_file(options.output) as file:

        async def work(installation: Installation) -> int:
            written = -1 if form == "csv" else 0
            async for some in installation.bulk.export(which, form, OPERATOR, with_keys=options.with_keys):
                file.write(some)
                written += some.count("\n")
            return written

        written = administer(options, out, work)
    out.data({"exported": written, "output": options.output}, f"{how_many(written, 'license')} in {options.output}")
    if options.with_keys:
        out.say("The file holds keys in clear: hand it on safely, then remove it.")
    return exits.OK
