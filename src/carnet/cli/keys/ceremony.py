"""
`carnet key ceremony status|sign|finish|cancel`: a ceremony that goes on, on the server and at the people who sign.

`sign` needs no server, no database and no network: it runs on the machine where a root key is kept.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carnet.cli import exits
from carnet.cli.keys.changes import show_installed, show_waiting, signed_with, waiting_words, write_draft_file
from carnet.cli.keys.root_keys import root_signers
from carnet.cli.keys.words import draft_json, draft_text
from carnet.cli.output import Output, facts, when
from carnet.cli.secrets import ask, interactive
from carnet.cli.vendor import administer
from carnet.core.errors import NotGenuineError, UsageError

if TYPE_CHECKING:
    from carnet.formats.root_draft import RootDraft
    from carnet.server.domain.trust.desk import Ceremony, Installed
    from carnet.server.installation import Installation


def status(options: argparse.Namespace, out: Output) -> int:
    """Where the ceremony stands, and what to do next."""

    async def look(installation: Installation) -> tuple[Ceremony | None, list[str], list[tuple[str, object]]]:
        from carnet.formats.root import read_root

        root = read_root(installation.roots[-1])
        rows: list[tuple[str, object]] = [("Root", f"version {root.version}, until {when(root.expires_at)}")]
        pending = await installation.ceremonies.pending()
        return pending, await waiting_words(installation.ceremonies), rows

    ceremony, waiting, rows = administer(options, out, look)
    if ceremony is None:
        out.data({"state": "none", "waiting": waiting}, facts([*rows, ("Ceremony", "none goes on")]))
        for sentence in waiting:
            out.say(f"{sentence} Then: carnet key rotate --all")
        return exits.OK
    if ceremony.was_in_force:
        out.data({"state": "lost", **draft_json(ceremony.draft)}, draft_text(ceremony.draft))
        out.say("This root was in force here, and the database that was put back does not know it; clients do.")
        out.say("Put it in force again before anything else: carnet key ceremony finish")
        return exits.OK
    if ceremony.needed.is_enough:
        out.data({"state": "signed", **draft_json(ceremony.draft)}, draft_text(ceremony.draft))
        out.say("Enough people signed. Put it in force: carnet key ceremony finish")
        return exits.OK
    return show_waiting(ceremony, write_draft_file(options, ceremony), out)


def sign(options: argparse.Namespace, out: Output) -> int:
    """Check a draft, and sign it with a root key."""
    from carnet.formats.root_draft import MAX_DRAFT, read_draft, sign_draft, write_draft

    path = Path(options.draft_file)
    with path.open("rb") as file:
        draft = read_draft(file.read(MAX_DRAFT + 1))
    if options.anchor is not None and options.anchor.strip().lower() != draft.anchor:
        raise NotGenuineError(
            "wrong_anchor",
            "The draft is not of the installation whose anchor you gave.",
            "Do not sign it. Ask whoever gave it to you where it comes from.",
        )
    if not out.json:
        out.data({}, draft_text(draft))
    if options.dry_run:
        if out.json:
            out.data({"state": "read", **draft_json(draft)})
        out.say("Nothing was signed.")
        return exits.OK
    _agree(options, draft, out)
    signers = root_signers(options)
    signed = sign_draft(draft, signers)
    target = Path(options.output) if options.output else _signed_path(path, signers[0].kid)
    target.write_bytes(write_draft(signed))
    if out.json:
        out.data({"state": "signed", **draft_json(signed), "file": str(target)})
    out.say("")
    out.say(f"Signed by {', '.join(signer.kid for signer in signers)}: {target}")
    out.say("Bring that file back to the server: carnet key ceremony finish FILE")
    return exits.OK


def _agree(options: argparse.Namespace, draft: RootDraft, out: Output) -> None:
    """Ask whoever signs, unless they said so beforehand."""
    if options.yes and options.anchor is None:
        raise UsageError(
            "confirmation_needed",
            "Nothing here says whose draft this should be, and nobody is asked.",
            "Add --anchor with the anchor that you wrote down when the installation was made.",
        )
    if options.yes:
        return
    if not interactive() or out.json:
        raise UsageError(
            "confirmation_needed",
            "Nobody is there who can be asked whether this is to be signed.",
            "Read it with --dry-run, then say --yes and --anchor.",
        )
    out.say("")
    out.say("Is the anchor the one that you wrote down when the installation was made, and is this what was agreed on?")
    if ask(f"Type the new version's number ({draft.root.version}) to sign: ").strip() != str(draft.root.version):
        raise UsageError("not_agreed", "Nothing was signed.", "Ask whoever gave you the draft.")


def _signed_path(path: Path, kid: str) -> Path:
    stem = path.name.removesuffix(".json").removesuffix(".draft")
    return path.with_name(f"{stem}.signed-{kid[:8]}.json")


def finish(options: argparse.Namespace, out: Output) -> int:
    """Take the signatures that came back; where they are enough, the root is in force."""
    from carnet.formats.root_draft import MAX_DRAFT, read_draft
    from carnet.server.domain.trust.ceremonies import no_ceremony
    from carnet.server.domain.trust.desk import merged
    from carnet.server.records import OPERATOR

    drafts = []
    for path in options.files:
        with Path(path).open("rb") as file:
            drafts.append(read_draft(file.read(MAX_DRAFT + 1)))
    signers = root_signers(options)

    async def work(installation: Installation) -> tuple[Ceremony, Installed | None]:
        service = installation.ceremonies
        ceremony = await service.pending()
        if ceremony is None:
            raise no_ceremony()
        if options.dry_run:
            return signed_with(ceremony, signers, merged(ceremony, drafts)), None
        ceremony = await service.sign(ceremony, signers, merged(ceremony, drafts))
        return ceremony, await service.finish(OPERATOR) if ceremony.needed.is_enough else None

    ceremony, done = administer(options, out, work)
    if options.dry_run:
        out.data({"state": "planned", **draft_json(ceremony.draft)}, draft_text(ceremony.draft))
        out.say("Nothing was changed." + (" It can be finished." if ceremony.needed.is_enough else ""))
        return exits.OK
    if done is not None:
        return show_installed(options, ceremony, done, out)
    show_waiting(ceremony, write_draft_file(options, ceremony), out)
    out.problem("below_threshold", "Not enough people signed yet.", "The signatures that you brought are kept.")
    return exits.FAILED


def cancel(options: argparse.Namespace, out: Output) -> int:
    """Drop the ceremony that goes on."""

    async def work(installation: Installation) -> Ceremony:
        if options.dry_run:
            from carnet.server.domain.trust.ceremonies import no_ceremony

            pending = await installation.ceremonies.pending()
            if pending is None:
                raise no_ceremony()
            return pending
        return await installation.ceremonies.cancel()

    ceremony = administer(options, out, work)
    document: dict[str, Any] = {"state": "planned" if options.dry_run else "cancelled", **draft_json(ceremony.draft)}
    out.data(document, facts([("Dropped", f"the ceremony for root version {ceremony.version}")]))
    if options.dry_run:
        out.say("Nothing was changed.")
    else:
        out.say("Nothing of it was ever in force. Drafts that people still have are worthless; ask for them back.")
    return exits.OK
