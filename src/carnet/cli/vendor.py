"""
What the vendor's commands share: settings from flags and environment, an open installation, lists page by page.

The commands call the server's own services in this process, on the data directory; they need no running server and no
network. Needs the `server` extra.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from carnet.cli.output import Output, table
from carnet.cli.secrets import interactive
from carnet.cli.words import whole
from carnet.core._base import replace
from carnet.core.errors import CarnetError, UsageError

if TYPE_CHECKING:
    from carnet.server.installation import Installation
    from carnet.server.records import Page
    from carnet.server.settings import Settings

_T = TypeVar("_T")
_PAGE = 500  # the services' largest page


def add_installation_options(parser: argparse.ArgumentParser) -> None:
    """Let *parser* say which installation it is about."""
    parser.add_argument("--data", metavar="DIR", help="the data directory (default: $CARNET_DATA, else ./carnet-data)")
    parser.add_argument("--passphrase-file", metavar="FILE", help="holds the passphrase of the signing keys")


def settings_of(options: argparse.Namespace) -> Settings:
    """
    The settings: flags before environment.

    Raises:
        UsageError: ``bad_setting``; ``server_extra_missing``.
    """
    with server_extra():
        from carnet.server.settings import settings_from_environment
    environ = dict(os.environ)
    if options.data:
        environ["CARNET_DATA"] = options.data
    if options.passphrase_file:
        environ.pop("CARNET_PASSPHRASE", None)
        environ["CARNET_PASSPHRASE_FILE"] = options.passphrase_file
    return settings_from_environment(environ)


def administer(options: argparse.Namespace, out: Output, work: Callable[[Installation], Awaitable[_T]]) -> _T:
    """
    Open the installation, do *work* with it, close it; asks for the passphrase where a person can answer.

    Raises:
        CarnetError: What opening or *work* raises.
    """
    import asyncio

    with server_extra():
        from carnet.server.installation import open_installation

    async def run(settings: Settings) -> _T:
        async with open_installation(settings, say=out.say) as installation:
            return await work(installation)

    settings = settings_of(options)
    try:
        return asyncio.run(run(settings))
    except CarnetError as error:
        if error.code != "passphrase_needed" or not interactive():
            raise
        return asyncio.run(run(replace(settings, passphrase=ask_passphrase())))


def ask_passphrase() -> bytes:
    """Ask for the passphrase of the signing keys, without showing it."""
    from getpass import getpass

    return getpass("Passphrase of the signing keys: ").encode()


def add_list_options(parser: argparse.ArgumentParser) -> None:
    """Let *parser* bound a list."""
    parser.add_argument("--limit", type=whole(1, 1_000_000), default=100, help="at most so many (default 100)")
    parser.add_argument("--cursor", help="continue a list: its next_cursor")


async def collect(fetch: Callable[[str | None, int], Awaitable[Page[_T]]], options: argparse.Namespace) -> Page[_T]:
    """Up to `--limit` items of a paged list, over as many pages as that takes."""
    items: list[_T] = []
    after: str | None = options.cursor
    while len(items) < options.limit:
        page = await fetch(after, min(_PAGE, options.limit - len(items)))
        items += page.items
        after = page.next_after
        if after is None:
            break
    return replace(page, items=tuple(items), next_after=after)


def show_list(
    out: Output,
    page: Page[_T],
    as_json: Callable[[_T], dict[str, Any]],
    columns: Mapping[str, Callable[[_T], object]],
    empty: str,
) -> None:
    """Print a list: `{"items": […], "has_more": …, "next_cursor": …}` or a table."""
    document = {
        "items": [as_json(item) for item in page.items],
        "has_more": page.next_after is not None,
        "next_cursor": page.next_after,
    }
    rows = [[cell(item) for cell in columns.values()] for item in page.items]
    out.data(document, table(list(columns), rows, empty))
    if page.next_after is not None:
        out.say(f"There are more: --cursor {page.next_after}")


async def only_product(installation: Installation, given: str | None) -> str:
    """
    The product that was named, or the only one there is.

    Raises:
        UsageError: ``product_needed``: none was named and there is not exactly one.
    """
    if given:
        return given
    page = await installation.products.list(limit=10)
    if len(page.items) == 1:
        return page.items[0].id
    names = ", ".join(product.id for product in page.items)
    fix = f"Add --product with one of: {names}." if names else "Make one: carnet product create NAME"
    raise UsageError("product_needed", "Which product is not clear.", fix)


class server_extra:  # noqa: N801 - used as a statement
    """Turns the absence of a server dependency into a sentence."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("carnet"):
            raise UsageError(
                "server_extra_missing",
                f"This command is for the server, whose part {error.name!r} is not installed.",
                'Install it: pip install "carnet[server]"',
            ) from error
