"""Mistakes that only the open installation shows: keys, root file, clock, tokens, backups."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from carnet.cli.doctor.finding import Finding, ok, problem, warning
from carnet.cli.doctor.keys import look_at_keys
from carnet.cli.output import when
from carnet.core.clock_guard import MAX_BEHIND_SECONDS
from carnet.core.instant import DAY, Instant
from carnet.core.quantities import how_many

if TYPE_CHECKING:
    from carnet.server.installation import Installation

ROOT_WARNING_SECONDS: Final = 90 * DAY
BACKUP_SECONDS: Final = 7 * DAY
_TOKENS: Final = 500
_FIXES: Final = {
    "jobs": "Run carnet serve without CARNET_JOBS=off, or carnet worker; look into its log for `job.failed`.",
    "outbox": "See what waits: carnet events destinations, carnet events deliveries --state waiting",
    "status-lists": "See whether the job publish-status is done, and what it says: carnet status-list list, the log.",
    "proof": "Run carnet audit verify, and look into the log for `job.failed`.",
    "replica": "See that it runs and follows the primary, and that CARNET_DATABASE_REPLICA_URL is right.",
}


async def look_inside(installation: Installation) -> list[Finding]:
    """Everything about an installation that opened."""
    findings = [ok("keys", "the signing keys open and fit the root file")]
    for check in await installation.checks():
        if check.name == "clock":  # `_clock` says more about it
            continue
        if not check.ok:
            fix = _FIXES.get(check.name, "Restart the server when the cause is gone.")
            findings.append(problem(check.name, check.problem, fix))
        elif check.name not in {"jobs", "replica"}:  # of those below there is more to say
            findings.append(ok(check.name, "works"))
        elif check.name == "replica" and installation.settings.replica is not None:
            findings.append(ok(check.name, "validation reads it"))
    now = Instant(int(time.time()))
    findings += [
        _root(installation, now),
        *await look_at_keys(installation, now),
        await _clock(installation, now),
        *await _jobs(installation),
    ]
    findings += [
        *await _idle_token(installation),
        await _tokens(installation, now),
        await _backups(installation, now),
        await _products(installation),
    ]
    return findings


async def _jobs(installation: Installation) -> list[Finding]:
    """Jobs that nobody does yet, and deliveries that were given up; what is late is a part of readiness."""
    kept, state = await installation.store.jobs(), await installation.outbox.state()
    if not kept.held:
        message = "No job was done yet: a server, or a worker where CARNET_JOBS is off, does them."
        yet = ok("jobs", message) if installation.settings.jobs else warning("jobs", message, "Run one: carnet worker")
        return [yet]
    findings = [
        warning("jobs", f"{row.name}: {row.problem}", "Remove the cause; it is tried again by itself.")
        for row in kept.held
        if row.problem is not None
    ]
    for name, count in state.dead.items():
        if count:
            fix = "Look at them: carnet events deliveries; try one again: carnet events retry ID"
            findings.append(warning("outbox", f"{how_many(count, 'event')} could not be delivered to {name}.", fix))
    doing = sum(bool(row.holder) for row in kept.held)
    return findings or [ok("jobs", f"{doing} of {len(kept.held)} have somebody who does them now")]


def _root(installation: Installation, now: Instant) -> Finding:
    from carnet.formats.root import read_root

    root = read_root(installation.roots[-1].encode())
    left = root.expires_at - now
    message = f"root file version {root.version} is valid until {when(root.expires_at)}"
    if left >= ROOT_WARNING_SECONDS:
        return ok("root", message)
    fix = "Make the next one: carnet key ceremony roots. Without one, clients accept no new signing keys after that."
    return problem("root", message, fix) if left <= 0 else warning("root", message, fix)


async def _clock(installation: Installation, now: Instant) -> Finding:
    from carnet.server.domain.audit.commands import AuditFilter

    doubt = installation.clock.guard.doubt()
    if doubt is not None:
        found = doubt.error()
        return problem("clock", f"{found.message} Nothing is signed.", found.fix)
    page = await installation.audit.list(AuditFilter(), limit=1)
    latest = max((entry.at for entry in page.items), default=installation.created_at)
    if now < latest - MAX_BEHIND_SECONDS:  # nothing was signed then, but something was changed
        return problem("clock", f"It says {when(now)}, which is already past.", "Set this computer's clock; use NTP.")
    return ok("clock", when(now))


async def _tokens(installation: Installation, now: Instant) -> Finding:
    page = await installation.apikeys.list(limit=_TOKENS)
    usable = [key for key in page.items if key.revoked_at is None and (key.expires_at is None or now < key.expires_at)]
    if not usable:
        fix = "Make one: carnet apikey create --name dashboard"
        return warning("admin tokens", "No admin token works any more, so nobody can use the admin API.", fix)
    soon = [key for key in usable if key.expires_at is not None and key.expires_at - now < 7 * DAY]
    if soon:
        fix = "Make a new one, change to it, then revoke the old one: carnet apikey create, carnet apikey revoke"
        return warning("admin tokens", f"{soon[0].name!r} works only until {when(soon[0].expires_at)}.", fix)
    return ok("admin tokens", f"{len(usable)} {'works' if len(usable) == 1 else 'work'}")


async def _idle_token(installation: Installation) -> list[Finding]:
    token = installation.settings.admin_token
    if token is None or await installation.apikeys.working(token) is not None:
        return []
    fix = "Unset it; carnet apikey create makes another."
    message = "CARNET_ADMIN_TOKEN counts at carnet init only, and is no token that works here."
    return [warning("admin tokens", message, fix)]


async def _backups(installation: Installation, now: Instant) -> Finding:
    from carnet.server.domain.audit.commands import AuditFilter

    page = await installation.audit.list(AuditFilter(action="backup.created"), limit=1)
    fix = "Run it every day: carnet backup create --output /where/backups/are; keep keys/ and secrets/ safe elsewhere."
    if not page.items:
        if now - installation.created_at < DAY:
            return ok("backups", "none yet; the installation is new")
        return warning("backups", "No backup was ever made.", fix)
    latest = page.items[0].at
    if now - latest > BACKUP_SECONDS:
        return warning("backups", f"The newest backup is of {when(latest)}.", fix)
    return ok("backups", f"the newest is of {when(latest)}")


async def _products(installation: Installation) -> Finding:
    if (await installation.products.list(limit=1)).items:
        return ok("products", "there is something to sell")
    return warning("products", "There is no product yet, so no license can be made.", "Make one: carnet product create")
