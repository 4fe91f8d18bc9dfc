"""
`carnet key announce|rotate|retire|compromise` and `carnet key ceremony roots`: what begins a ceremony, or needs none.

With enough root keys at hand (`--root-key`), the same command goes to the end. Without, it writes the draft, and says
who has to sign it and what to type then. Run again after an interruption, it goes on where it stood.
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carnet.cli import exits
from carnet.cli.keys.drill import drill_after
from carnet.cli.keys.root_keys import read_public_root_key, root_signers
from carnet.cli.keys.words import draft_json, draft_text, signing_key_json
from carnet.cli.output import Output, when
from carnet.cli.vendor import administer, settings_of
from carnet.core.errors import UsageError
from carnet.core.instant import Instant

if TYPE_CHECKING:
    from carnet.formats.dsse import EnvelopeSignature
    from carnet.formats.keys import Ed25519Signer, Role
    from carnet.server.domain.trust.ceremonies import Ceremonies
    from carnet.server.domain.trust.desk import Ceremony, Installed
    from carnet.server.domain.trust.plan import Intent
    from carnet.server.installation import Installation

Begin = Callable[["Installation"], Awaitable["Ceremony"]]
Wanted = Callable[["Intent"], bool]
"""Whether an intent is what the command asks for: its ceremony may have ended in a run that was killed."""


def announce(options: argparse.Namespace, out: Output) -> int:
    """A new key for each named role, to sign later."""
    roles, location, retire = _roles(options), options.location, tuple(options.retire)

    async def begin(installation: Installation) -> Ceremony:
        return await installation.ceremonies.announce(roles, location=location, retire=retire)

    def wanted(intent: Intent) -> bool:
        made = {role for key in intent.announce for role in key.roles}
        return bool(made) and intent.retire == retire and (roles is None or set(roles) <= made)

    return _run(options, out, begin, wanted)


def retire_signing_key(options: argparse.Namespace, out: Output, kid: str) -> int:
    """The end of a key that signs no more."""

    async def begin(installation: Installation) -> Ceremony:
        ceremony = await installation.ceremonies.retire(kid)
        alive = await installation.ceremonies.alive_under(kid)
        if alive and not options.even_if_needed:
            raise UsageError(
                "key_still_needed",
                f"Artifacts that the key {kid} signed are not over yet, {alive} of them; they would grant nothing.",
                "Wait: devices that come get others, under the key of now. Or say --even-if-needed.",
            )
        return ceremony

    return _run(options, out, begin, lambda intent: intent.retire == (kid,))


def compromise(options: argparse.Namespace, out: Output, kid: str) -> int:
    """The end of keys that somebody else has, and their successors at once."""
    kids, location = tuple(dict.fromkeys((kid, *options.also))), options.location

    async def begin(installation: Installation) -> Ceremony:
        return await installation.ceremonies.compromise(*kids, location=location)

    return _run(options, out, begin, lambda intent: intent.compromise == kids)


def change_roots(options: argparse.Namespace, out: Output) -> int:
    """Other root keys, another threshold, or only a later expiry."""

    async def begin(installation: Installation) -> Ceremony:
        from carnet.formats.root import read_root
        from carnet.server.domain.trust.plan import RootKeys

        root = read_root(installation.roots[-1])
        keys = {key.kid: key for key in root.role_keys("root")}
        top = root.role("root")
        threshold = options.threshold or (1 if top is None else top.threshold)
        for path in options.add:
            added = read_public_root_key(path, root.issuer)
            keys[added.kid] = added
        for kid in options.drop:
            if keys.pop(kid, None) is None:
                raise UsageError("key_not_found", f"{kid} is no root key.", "List them: carnet key list")
        wanted = RootKeys(keys=tuple(keys.values()), threshold=threshold)
        same = not options.add and not options.drop and options.threshold is None
        return await installation.ceremonies.root_keys(None if same else wanted)

    return _run(options, out, begin, lambda intent: intent.is_empty or intent.root_keys is not None)


def rotate(options: argparse.Namespace, out: Output) -> int:
    """Announced keys sign from now on."""
    from carnet.server.records import OPERATOR

    roles, dry = _roles(options), options.dry_run
    done = administer(options, out, lambda installation: installation.ceremonies.rotate(roles, OPERATOR, dry=dry))
    document = {"dry_run": dry, **_installed_json(done)}
    out.data(document, "\n".join(_installed_lines(done)))
    if dry:
        out.say("Nothing was changed.")
    else:
        out.say("Every server process follows within 5 seconds; none has to be restarted.")
        out.say("What the former keys signed stays genuine. When all of that is over: carnet key retire KID")
    return exits.OK


def _run(options: argparse.Namespace, out: Output, begin: Begin, wanted: Wanted) -> int:
    """Begin what *begin* plans, or go on with it, as far as the root keys at hand allow."""
    from carnet.server.records import OPERATOR

    signers = root_signers(options)

    async def work(installation: Installation) -> tuple[Ceremony, Installed | None]:
        service = installation.ceremonies
        settled = None if options.dry_run else await service.settle()
        if settled is not None and wanted(settled[0].intent):
            return settled
        ceremony = await begin(installation)
        if options.dry_run:
            return signed_with(ceremony, signers), None
        ceremony = await service.sign(await service.begin(ceremony), signers)
        return ceremony, await service.finish(OPERATOR) if ceremony.needed.is_enough else None

    ceremony, done = administer(options, out, work)
    if options.dry_run:
        out.data({"state": "planned", **draft_json(ceremony.draft)}, draft_text(ceremony.draft))
        enough = "are enough" if ceremony.needed.is_enough else "are not enough"
        out.say(f"Nothing was changed. The root keys that you gave {enough}.")
        return exits.OK
    if done is not None:
        return show_installed(options, ceremony, done, out)
    return show_waiting(ceremony, write_draft_file(options, ceremony), out)


def signed_with(
    ceremony: Ceremony, signers: list[Ed25519Signer], signatures: tuple[EnvelopeSignature, ...] = ()
) -> Ceremony:
    """*ceremony* as it would be with more signatures; nothing is kept."""
    from carnet.core._base import replace
    from carnet.formats.root_draft import sign_draft, with_signatures

    return replace(ceremony, draft=sign_draft(with_signatures(ceremony.draft, signatures), signers))


def write_draft_file(options: argparse.Namespace, ceremony: Ceremony) -> Path:
    """Write what is carried to those who sign; again if it is there."""
    from carnet.formats.root_draft import write_draft
    from carnet.server.files import Files
    from carnet.server.layout import Layout

    folder = Layout(data=settings_of(options).data).ceremony
    path = Path(options.draft) if options.draft else folder / f"root-{ceremony.version}.draft.json"
    Files().write(path, write_draft(ceremony.draft))
    return path


def show_waiting(ceremony: Ceremony, path: Path, out: Output) -> int:
    """Say who has to sign, and what to type then."""
    draft, counted = ceremony.draft, ceremony.needed
    document = {"state": "waiting", **draft_json(draft), "draft": str(path)}
    out.data(document, draft_text(draft))
    lacking = max(counted.before_threshold - counted.before, counted.own_threshold - counted.own)
    out.say("")
    out.say(f"NOTHING IS IN FORCE YET: at least {lacking} more of the people who hold root keys must sign.")
    out.say(f"  Who may still sign: {', '.join(counted.missing)}")
    out.say("")
    out.say("1. Carry this file to each of them; it holds no secret:")
    out.say(f"     {path}")
    out.say("2. Each compares the anchor, reads what changes, and signs, on a machine of their own:")
    out.say(f"     carnet key ceremony sign {path.name} --root-key THEIR-ROOT-KEY.json")
    out.say("3. Bring the signed files back here, all at once or one by one:")
    out.say(f"     carnet key ceremony finish {path.name.replace('.draft', '.signed-…')} …")
    out.say("")
    out.say("Where it stands: carnet key ceremony status    To drop it: carnet key ceremony cancel")
    return exits.OK


def show_installed(options: argparse.Namespace, ceremony: Ceremony, done: Installed, out: Output) -> int:
    """Say what is in force, and what comes next; of a lost key, do it."""
    lost = tuple(key.kid for key in done.keys if key.state == "compromised")
    drilled = drill_after(options, out, lost)
    document: dict[str, Any] = {"state": "installed", **draft_json(ceremony.draft), **_installed_json(done)}
    if drilled:
        document["drill"] = [each.to_json() for each in drilled]
    told = [f"Root version {done.version} is in force.", *_installed_lines(done)]
    out.data(document, "\n".join(told + [f"\n{each.to_text()}" for each in drilled]))
    out.say("Every server process follows within 5 seconds; none has to be restarted. Apps learn it by themselves.")
    files = [key.kid for key in done.keys if key.location.startswith("file:") and key.ended_at is None]
    if files:
        names = " ".join(f"keys/{kid}.json" for kid in files)
        out.say(f"If servers run on other hosts too, copy this to their data directories now: {names}")
    if any(key.state == "announced" for key in done.keys):
        out.say("When it has been announced for long enough: carnet key rotate --all")
    if lost:
        out.say("Devices that come get new artifacts by themselves; what the lost key signed is nothing to them then.")
        out.say("Whoever had that key may have had others: carnet key list shows them, those of other clients too.")
    return exits.OK


def _installed_json(done: Installed) -> dict[str, Any]:
    return {
        "root_version": done.version,
        "keys": [signing_key_json(key) for key in done.keys],
        "replaced": [{"kid": each.kid, "roles": list(each.roles), "by": each.by} for each in done.replaced],
    }


def _installed_lines(done: Installed) -> list[str]:
    told = [f"{key.kid}  {key.state:<11}  {', '.join(key.roles)}" for key in done.keys]
    return told + [f"{each.kid} is replaced by {each.by or 'nothing: it did not sign'}." for each in done.replaced]


def _roles(options: argparse.Namespace) -> tuple[Role, ...] | None:
    roles = tuple(options.roles)
    if bool(roles) == options.all:
        raise UsageError("bad_usage", "Which keys is not clear.", "Name one or more roles, or say --all.")
    return None if options.all else roles


async def waiting_words(service: Ceremonies) -> list[str]:
    """What announced keys wait for."""
    return [
        f"The key {key.kid} ({', '.join(key.roles)}) may sign from"
        f" {when(Instant(key.announced_at + service.announce_seconds))} on."
        for key in await service.keys()
        if key.state == "announced"
    ]
