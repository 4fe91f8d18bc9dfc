"""
What follows a lost signing key: `carnet key reissue`, which `carnet key compromise` runs by itself once the new root is
in force, `carnet key check-artifact` and `carnet key never-issued` (SEC-24).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carnet.cli import exits
from carnet.cli.output import Output, facts, table, when
from carnet.cli.vendor import administer
from carnet.core._base import Struct
from carnet.core.quantities import how_many

if TYPE_CHECKING:
    from carnet.server.domain.reissue.checking import CheckedArtifact
    from carnet.server.domain.reissue.commands import Reissued
    from carnet.server.installation import Installation
    from carnet.server.ports.never_issued import Stranger

_SHOWN = 20
_MAX_FILE = 8 * 1024 * 1024
_SAY_EVERY = 2_000
"""Activations between two words of progress."""

_BY_HAND = {
    "license-key": "signed license keys; the next one of each: carnet license signed-key ID",
    "offline-token": "offline tokens; the next one of each: carnet license offline-token ID",
}


class Drilled(Struct):
    """
    What the drill came to, and what was seen of whoever has the key.

    Attributes:
        reissued: What was signed anew.
        folder: Where bundles are; None: none were asked for.
        strangers: Artifacts seen under the key that were never issued, at most `_SHOWN`.
        strangers_total: How many in all.
    """

    reissued: Reissued
    folder: Path | None
    strangers: tuple[Stranger, ...]
    strangers_total: int

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        from carnet.server.domain.documents import stranger_json

        done = self.reissued
        return {
            "kid": done.kid,
            "looked_at": done.looked_at,
            "reissued": done.activations,
            "artifacts": done.artifacts,
            "already": done.already,
            "ended": done.ended,
            "bundles": done.bundles,
            "folder": None if self.folder is None else str(self.folder),
            "milliseconds": round(done.seconds * 1000),
            "per_second": round(done.per_second),
            "products": [
                {
                    "product": part.product,
                    "activations": part.reissued,
                    "silent": part.silent,
                    "silent_customers": list(part.silent_customers),
                }
                for part in done.products
            ],
            "by_hand": [{"product": each.product, "kind": each.kind, "count": each.count} for each in done.by_hand],
            "never_issued": {
                "total": self.strangers_total,
                "items": [stranger_json(each) for each in self.strangers],
            },
        }

    def to_text(self) -> str:
        """For people: what was replaced, what was seen, what is left to do."""
        done = self.reissued
        lines = [
            facts(
                [
                    ("Lost key", done.kid),
                    (
                        "Signed anew",
                        f"{how_many(done.artifacts, 'artifact')} of {how_many(done.activations, 'activation')}",
                    ),
                    ("Time", f"{done.seconds:.1f} seconds, {done.per_second:.0f} activations a second"),
                    (
                        "New already",
                        f"{how_many(done.already, 'activation')}: the device was faster, or an earlier run",
                    ),
                    ("Ended", f"{how_many(done.ended, 'activation')}: nothing is owed"),
                    ("Bundles", None if self.folder is None else f"{done.bundles} written to {self.folder}"),
                ]
            ),
            "",
            f"Seen under this key and never issued here: {self.strangers_total}",
        ]
        if self.strangers:
            lines.append(stranger_table(self.strangers))
        todo = list(self._todo())
        if todo:
            lines += ["", "What is left to you:", *(f"  * {each}" for each in todo)]
        return "\n".join(lines)

    def _todo(self) -> list[str]:
        done, todo = self.reissued, []
        for part in done.products:
            if part.silent:
                customers = ", ".join(part.silent_customers[:_SHOWN])
                of = f", of the customers {customers}" if customers else ""
                todo.append(
                    f"{part.product}: {how_many(part.silent, 'device has', 'devices have')} not come for long{of}."
                    " Send them their bundles."
                )
        if any(part.silent for part in done.products) and self.folder is None:
            todo.append(f"Make the bundles: carnet key reissue {_word(done.kid)} --bundles DIR")
        todo += [f"{each.product}: {each.count} {_BY_HAND[each.kind]}" for each in done.by_hand]
        if self.strangers:
            todo.append("Look at the licenses in the list above: their devices hold what somebody else signed.")
        return todo


async def drill(installation: Installation, kid: str, folder: Path | None, say: Callable[[str], None]) -> Drilled:
    """Sign anew what *kid* signed, and see what is known of whoever has it."""
    from carnet.server.bundle_folder import BundleFolder
    from carnet.server.records import OPERATOR

    said = 0

    def progress(done: int, total: int) -> None:
        nonlocal said
        if done - said >= _SAY_EVERY:
            said = done
            say(f"{done} of {how_many(total, 'activation')} …")

    sink = None if folder is None else BundleFolder(folder)
    reissued = await installation.reissue.run(kid, OPERATOR, sink=sink, progress=progress)
    store = installation.store
    return Drilled(
        reissued=reissued,
        folder=folder,
        strangers=await store.strangers(kid=kid, limit=_SHOWN),
        strangers_total=await store.count_strangers(kid=kid),
    )


def drill_after(options: argparse.Namespace, out: Output, kids: tuple[str, ...]) -> tuple[Drilled, ...]:
    """The drill for keys that the new root has ended, if it is wanted now."""
    if options.no_reissue or not kids:
        return ()
    out.say("The new root is in force. What the lost key signed for devices is signed anew; this may be interrupted,")
    out.say(f"and goes on with: carnet key reissue {_word(kids[0])}")
    folder = None if options.bundles is None else Path(options.bundles)

    async def work(installation: Installation) -> tuple[Drilled, ...]:
        return tuple([await drill(installation, kid, folder, out.say) for kid in kids])

    return administer(options, out, work)


def reissue(options: argparse.Namespace, out: Output, kid: str) -> int:
    """`carnet key reissue KID`."""
    folder = None if options.bundles is None else Path(options.bundles)
    drilled = administer(options, out, lambda installation: drill(installation, kid, folder, out.say))
    out.data(drilled.to_json(), drilled.to_text())
    return exits.OK


def check_artifact(options: argparse.Namespace, out: Output) -> int:
    """`carnet key check-artifact FILE`: exit code 1 where something was never issued, or nobody can know."""
    from carnet.server.domain.documents import checked_json

    with Path(options.file).open("rb") as file:
        data = file.read(_MAX_FILE + 1)
    checked = administer(options, out, lambda installation: installation.checking.check(data))
    out.data({"items": [checked_json(each) for each in checked]}, "\n\n".join(map(_checked_text, checked)))
    if all(each.verdict == "as_issued" for each in checked):
        return exits.OK
    strange = [each for each in checked if each.verdict in {"unknown", "differs"}]
    if strange:
        out.say(_what_to_do(strange[0]))
        return exits.FAILED
    for reason in dict.fromkeys(each.reason for each in checked if each.reason is not None):
        out.say(f"{reason.message} {reason.fix}")
    return exits.FAILED


def _what_to_do(checked: CheckedArtifact) -> str:
    product, kid = checked.key_product, str(checked.grant.kid)
    if product is None:
        return "Somebody else has the key that signed this. End it at once: carnet key compromise KID"
    return (
        "Somebody else has the key that signed this. It is in no root: make the next one, have the apps that pin it pin"
        f" that one, and end it: carnet key create --product {product}, carnet key retire {_word(kid)}"
    )


def never_issued(options: argparse.Namespace, out: Output) -> int:
    """`carnet key never-issued`: what was seen and never issued."""
    from carnet.server.domain.documents import stranger_json

    kid = options.kid

    async def look(installation: Installation) -> tuple[tuple[Stranger, ...], int]:
        store = installation.store
        return await store.strangers(kid=kid, limit=options.limit), await store.count_strangers(kid=kid)

    strangers, total = administer(options, out, look)
    out.data(
        {"total": total, "items": [stranger_json(each) for each in strangers]},
        stranger_table(strangers),
    )
    if any(each.proved for each in strangers):
        out.say("Of what is proved, we saw the artifact: somebody else has the key. carnet key compromise KID")
    elif strangers:
        out.say("Nothing of it is proved: devices told it, and a device can tell anything. Ask for the file, then:")
        out.say("carnet key check-artifact FILE")
    return exits.OK


def stranger_table(strangers: tuple[Stranger, ...]) -> str:
    """Records, for people."""
    rows = [
        [
            each.jti,
            each.kind,
            "unknown id" if each.reason == "unknown" else "not as issued",
            "yes" if each.proved else "no",
            each.license_id or "-",
            when(each.issued_at),
            when(each.expires_at),
            each.times,
        ]
        for each in strangers
    ]
    columns = ["ID", "KIND", "WHAT", "PROVED", "LICENSE", "SAYS ISSUED", "SAYS UNTIL", "SEEN"]
    return table(columns, rows, "Nothing was seen that was never issued.")


def _checked_text(checked: CheckedArtifact) -> str:
    grant = checked.grant
    said = {
        "as_issued": "issued here, exactly as it is",
        "unknown": "NEVER ISSUED HERE, though a key of ours signed it",
        "differs": f"NOT AS ISSUED: it differs in {', '.join(checked.differs)}",
        "cannot_know": "nobody can know whether it was issued",
    }[checked.verdict]
    return facts(
        [
            ("Artifact", f"{checked.kind} {grant.id}"),
            ("Register", said),
            ("Key", f"{grant.kid}, {checked.key_state}"),
            ("License", checked.license_id or "of a license key that no license here has"),
            ("Activation", grant.activation_id),
            ("Says issued", when(grant.issued_at)),
            ("Says until", when(checked.expires_at)),
        ]
    )


def _word(kid: str) -> str:
    return f"--kid={kid}" if kid.startswith("-") else kid
