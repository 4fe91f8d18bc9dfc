"""
`carnet events list|tail`: what happened. `destinations|deliveries|retry|stop`: where it is told, and what was given up.

See docs/how-to/workers-and-jobs.md.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from carnet.cli import exits
from carnet.cli.output import Output, as_json, plain, table
from carnet.cli.parser import Parser, leaf
from carnet.cli.vendor import add_installation_options, add_list_options, administer, collect, show_list
from carnet.cli.views import delivery_json, event_json
from carnet.cli.words import whole

if TYPE_CHECKING:
    from carnet.server.installation import Installation
    from carnet.server.ports import Delivery, EventFilter, OutboxState, StoredDestination
    from carnet.server.records import Event

FOLLOW_SECONDS = 1.0
"""How often `tail --follow` looks."""

_LOT = 500
_STATES = ("waiting", "dead", "delivered")


def configure(parser: Parser) -> None:
    """Add the subcommands."""
    group = parser.commands("command")
    listing = leaf(group, "list", "what happened, newest first", _list)
    tail = leaf(group, "tail", "what happened, oldest first; with --follow also what happens from now on", _tail)
    for command in (listing, tail):
        command.add_argument("--object", metavar="ID", help="only about this license, activation, …")
        command.add_argument("--kind", help="only of this kind, e.g. license.expiring")
        command.add_argument("--product", help="only of this product")
    add_list_options(listing)
    tail.add_argument("--after", type=whole(0, 10**18 - 1), default=None, metavar="SEQ", help="only above this number")
    tail.add_argument("--lines", type=whole(0, _LOT), default=10, help="begin with so many of the newest (default 10)")
    tail.add_argument("--follow", action="store_true", help="go on until Ctrl-C")
    where = leaf(group, "destinations", "where events go, how many wait, how many were given up", _destinations)
    deliveries = leaf(group, "deliveries", "events that wait for a destination, or were given up", _deliveries)
    deliveries.add_argument("--state", choices=_STATES, default="dead", help="(default dead: given up)")
    deliveries.add_argument("--destination", metavar="NAME", help="only to this one")
    add_list_options(deliveries)
    retry = leaf(group, "retry", "try a delivery again that was given up", _retry)
    retry.add_argument("id", metavar="ID", help="as carnet events deliveries shows it")
    stop = leaf(group, "stop", "let no event go to a destination any more, and drop what waits for it", _stop)
    stop.add_argument("name", metavar="NAME", help="as carnet events destinations shows it")
    for each in (listing, tail, where, deliveries, retry, stop):
        add_installation_options(each)


def _filter(options: argparse.Namespace) -> EventFilter:
    from carnet.server.ports import EventFilter

    return EventFilter(object_id=options.object, kind=options.kind, product=options.product)


def _list(options: argparse.Namespace, out: Output) -> int:
    page = administer(
        options,
        out,
        lambda installation: collect(
            lambda after, limit: installation.outbox.events(_filter(options), after=after, limit=limit), options
        ),
    )
    show_list(out, page, event_json, _EVENT, "Nothing happened yet.")
    return exits.OK


def _tail(options: argparse.Namespace, out: Output) -> int:
    async def follow(installation: Installation) -> None:
        which, number = _filter(options), options.after
        if number is None:
            number = await _begin(installation, which, options.lines)
        while True:
            found = await installation.outbox.events_after(number, which, limit=_LOT)
            for event in found:
                out.data(event_json(event), _line(event))
                number = event.seq
            if not found and not options.follow:
                return
            if not found:
                await asyncio.sleep(FOLLOW_SECONDS)

    try:
        administer(options, out, follow)
    except KeyboardInterrupt:  # how one ends --follow
        return exits.OK
    return exits.OK


async def _begin(installation: Installation, which: EventFilter, lines: int) -> int:
    """The number that *lines* of the newest events are above."""
    newest = await installation.outbox.events(which, limit=max(1, lines))
    if not newest.items:
        return 0
    if not lines:
        return newest.items[0].seq or 0
    return (newest.items[-1].seq or 1) - 1


def _line(event: Event) -> str:
    return plain(f"{event.at}  {event.kind:<28} {event.object_id}  {_data(event) or ''}".rstrip())


def _data(event: Event) -> str | None:
    given = event.payload.items()
    return ", ".join(f"{name}={value if isinstance(value, str) else as_json(value)}" for name, value in given) or None


def _destinations(options: argparse.Namespace, out: Output) -> int:
    async def look(installation: Installation) -> tuple[tuple[StoredDestination, ...], OutboxState]:
        return await installation.outbox.destinations(), await installation.outbox.state()

    found, state = administer(options, out, look)
    items = [
        {
            "name": each.name,
            "since": str(each.since),
            "waiting": state.waiting[each.name],
            "dead": state.dead[each.name],
        }
        for each in found
    ]
    columns = ["NAME", "SINCE", "WAITING", "GIVEN UP"]
    empty = "Events go nowhere yet: set CARNET_EVENT_LOG to a file. carnet events list shows them."
    out.data(
        {"items": items, "oldest_at": None if state.oldest_at is None else str(state.oldest_at)},
        table(columns, [list(each.values()) for each in items], empty),
    )
    return exits.OK


def _deliveries(options: argparse.Namespace, out: Output) -> int:
    page = administer(
        options,
        out,
        lambda installation: collect(
            lambda after, limit: installation.outbox.deliveries(
                options.state, destination=options.destination, after=after, limit=limit
            ),
            options,
        ),
    )
    show_list(out, page, delivery_json, _DELIVERY, f"No delivery is {options.state}.")
    return exits.OK


def _retry(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.records import OPERATOR

    found = administer(options, out, lambda installation: installation.outbox.retry(options.id, OPERATOR))
    out.data(delivery_json(found), f"It is tried again: {found.event.kind} to {found.destination}.")
    return exits.OK


def _stop(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.records import OPERATOR

    administer(options, out, lambda installation: installation.outbox.stop(options.name, OPERATOR))
    out.data({"name": options.name, "stopped": True}, f"No event goes to {options.name} any more.")
    out.say("If a process still has it in its settings, it begins again when that is started.")
    return exits.OK


_EVENT: Mapping[str, Callable[[Event], object]] = {
    "SEQ": lambda event: event.seq,
    "AT": lambda event: event.at,
    "KIND": lambda event: event.kind,
    "OBJECT": lambda event: event.object_id,
    "PRODUCT": lambda event: event.product,
    "DATA": _data,
}

_DELIVERY: Mapping[str, Callable[[Delivery], object]] = {
    "ID": lambda delivery: delivery.seq,
    "TO": lambda delivery: delivery.destination,
    "KIND": lambda delivery: delivery.event.kind,
    "OBJECT": lambda delivery: delivery.event.object_id,
    "TRIED": lambda delivery: delivery.attempts,
    "PROBLEM": lambda delivery: delivery.problem,
}
