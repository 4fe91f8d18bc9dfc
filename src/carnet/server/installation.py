"""
An installation of Carnet on this machine: made once by `create_installation`, opened by every process that serves or
administers it. The composition root of keys, storage and services: the only place that wires them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from carnet.core.errors import CarnetError
from carnet.server.backup.high_water import check_life, read_mark, write_mark
from carnet.server.backup.service import BackupService
from carnet.server.ceremony import InitOptions, InitReport, create_installation
from carnet.server.checkpoint_folder import CheckpointFolder
from carnet.server.domain.activations.issuing import Issuing
from carnet.server.domain.activations.service import ActivationService
from carnet.server.domain.answers import Prover
from carnet.server.domain.apikeys.reach import ReachService
from carnet.server.domain.apikeys.service import ApiKeyService
from carnet.server.domain.artifacts.manifests import ManifestService
from carnet.server.domain.artifacts.service import ArtifactService
from carnet.server.domain.artifacts.signed_keys import SignedKeys
from carnet.server.domain.audit.service import AuditService
from carnet.server.domain.bulk.importing import ImportService
from carnet.server.domain.bulk.service import BulkService
from carnet.server.domain.clock.guard import ClockGuard, ClockSeen, GuardedKeys, Running
from carnet.server.domain.clock.service import ClockService
from carnet.server.domain.customers.service import CustomerService
from carnet.server.domain.enrolment.service import EnrolmentService
from carnet.server.domain.idempotency.repeating import Repeats
from carnet.server.domain.idempotency.service import IdempotencyService
from carnet.server.domain.ids import Ids
from carnet.server.domain.keys.service import KeyService
from carnet.server.domain.leases.issuing import LeaseIssuing
from carnet.server.domain.leases.service import LeaseService
from carnet.server.domain.licenses.changing import LicenseChanging
from carnet.server.domain.licenses.service import LicenseService
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.domain.limits.service import RateLimiter
from carnet.server.domain.metering.service import MeteringService
from carnet.server.domain.outbox.sending import Sender
from carnet.server.domain.outbox.service import Outbox
from carnet.server.domain.policies.service import PolicyService
from carnet.server.domain.products.service import ProductService
from carnet.server.domain.proof.checkpoints import Checkpoints
from carnet.server.domain.proof.growing import Log
from carnet.server.domain.proof.sealing import AuditSealer
from carnet.server.domain.reissue.checking import ArtifactChecking
from carnet.server.domain.reissue.listing import NeverIssued
from carnet.server.domain.reissue.seen import SeenArtifacts
from carnet.server.domain.reissue.service import ReissueService
from carnet.server.domain.reissue.signing import BundleMaker
from carnet.server.domain.statistics.flushing import Flusher
from carnet.server.domain.statistics.service import Statistics
from carnet.server.domain.status.allocation import StatusAllocator
from carnet.server.domain.status.lists import StatusLists
from carnet.server.domain.status.publishing import StatusPublisher
from carnet.server.domain.trust.ceremonies import Ceremonies
from carnet.server.domain.trust.live import POLL_SECONDS, LiveTrust
from carnet.server.domain.trust.service import TrustService
from carnet.server.domain.upkeep import Upkeep
from carnet.server.domain.watching.pools import PoolWatch
from carnet.server.domain.watching.terms import TermWatch
from carnet.server.jobs.health import background_checks
from carnet.server.layout import Layout
from carnet.server.machine_clock import SystemClock, SystemRunning, read_seen, write_seen
from carnet.server.opening import OpenedFiles, open_database, open_files, open_storage, open_trust
from carnet.server.ports import Clock, Random, Storage, StorageStats
from carnet.server.readiness import Check, check_parts
from carnet.server.settings import Settings
from carnet.server.signing.ceremony_files import CeremonyFiles
from carnet.server.signing.compatibility import CompatibilityKeyFiles
from carnet.server.signing.opening import KeyPlaces
from carnet.server.signing.sealing import SealingBox
from carnet.server.storage.tables import REVISION

__all__ = [
    "Check",
    "InitOptions",
    "InitReport",
    "Installation",
    "SystemClock",
    "create_installation",
    "open_installation",
]


class Installation:
    """
    An open installation. `open_installation` makes one.

    Attributes:
        settings: As opened.
        issuer: This installation's id, as artifacts carry it.
        created_at: When `carnet init` made it.
        ring: Public keys by role, always of the newest root: for checking own output.
        store: The storage, for the runner of jobs.
        time: What time it is.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        opened: OpenedFiles,
        storage: Storage,
        trust: LiveTrust,
        status: StatusAllocator,
        clock: Clock,
        guard: ClockGuard,
        random: Random,
    ) -> None:
        ids = Ids(random)
        keys, issuer = GuardedKeys(trust, guard), opened.record.issuer
        ring = trust.ring
        vault = KeyVault(opened.pepper, SealingBox(opened.seal, random))
        self.lists = StatusLists(storage, status, ring)
        issuing = Issuing(keys=keys, ring=ring, issuer=issuer, status=self.lists, ids=ids, random=random)
        self.settings = settings
        self.issuer = issuer
        self.created_at = opened.record.created_at
        self.ring = ring
        self._keys = trust
        self._storage = storage
        self._clock_kept: ClockSeen | None = None
        self.clock = ClockService(storage, clock, guard, issuer)
        self.statistics = Statistics(storage, ids)
        self.limiter = RateLimiter(settings.rate_limits, secret=opened.pepper, store=storage)
        self.idempotency = IdempotencyService(storage, clock, opened.pepper)
        self.seen = SeenArtifacts(storage, ids, lambda kid: any(key.kid == kid for key in trust.state.keys))
        self.following = Flusher(self.follow, self.lists.keep_up, seconds=POLL_SECONDS)
        self.flusher = Flusher(
            self.following.start,
            self.limiter.flush,
            self.statistics.flush,
            self.seen.flush,
            self.keep_mark,
            self.keep_clock,
            seconds=settings.flush_seconds,
        )
        self.products = ProductService(storage, clock, ids)
        self.policies = PolicyService(storage, clock, ids)
        self.customers = CustomerService(storage, clock, ids)
        signed_keys = SignedKeys(keys, ring, status)
        self.licenses = LicenseService(
            storage=storage, clock=clock, ids=ids, vault=vault, random=random, signed_keys=signed_keys
        )
        prover = Prover(keys, issuer, ids)
        self.activations = ActivationService(
            storage=storage,
            clock=clock,
            ids=ids,
            vault=vault,
            issuing=issuing,
            prover=prover,
            issuer=issuer,
            newer_roots=trust.newer_roots,
            statistics=self.statistics,
            seen=self.seen,
            lists=self.lists,
        )
        self.changes = LicenseChanging(storage, clock, ids)
        self.enrolments = EnrolmentService(storage, clock, ids, vault, random)
        self.metering = MeteringService(
            storage=storage, clock=clock, ids=ids, vault=vault, issuer=issuer, prover=prover
        )
        self.leases = LeaseService(
            storage=storage,
            clock=clock,
            ids=ids,
            vault=vault,
            issuing=LeaseIssuing(keys, ring, issuer),
            ring=ring,
            prover=prover,
            issuer=issuer,
            statistics=self.statistics,
        )
        self.repeats = Repeats(
            storage=storage,
            clock=clock,
            vault=vault,
            issuing=issuing,
            prover=prover,
            newer_roots=trust.newer_roots,
            lists=self.lists,
        )
        self.audit = AuditService(storage)
        self.apikeys = ApiKeyService(storage, clock, ids, vault, random, statistics=self.statistics)
        self.reach = ReachService(storage)
        self.bulk = BulkService(storage, clock, ids, vault, signed_keys=signed_keys)
        self.imports = ImportService(storage, clock, ids, vault, signed_keys=signed_keys)
        private = CompatibilityKeyFiles(Layout(data=settings.data).keys, opened.keys.kek, random)
        self.keys = KeyService(storage, clock, ids, private, ring, check_clock=guard.check)
        self.artifacts = ArtifactService(
            storage=storage,
            clock=clock,
            ids=ids,
            vault=vault,
            keys=keys,
            ring=ring,
            issuing=issuing,
            signed_keys=signed_keys,
            compatibility=self.keys,
        )
        self.manifests = ManifestService(storage, clock, keys, ring, issuer)
        self.backups = BackupService(
            storage=storage,
            clock=clock,
            random=random,
            layout=Layout(data=settings.data),
            record=opened.record,
            schema=REVISION,
            secret=opened.seal,
        )
        pause = asyncio.sleep if isinstance(clock, SystemClock) else None
        self.publisher = StatusPublisher(
            storage, clock, keys, ring, issuer, places=status, lists=self.lists, pause=pause
        )
        self.sealer, self.log = AuditSealer(storage, issuer), Log(storage)
        self.checkpoints = Checkpoints(
            storage=storage,
            log=self.log,
            place=CheckpointFolder(settings.checkpoint_folder),
            keys=keys,
            issuer=issuer,
            clock=clock,
        )
        self.store, self.time = storage, clock
        self.outbox = Outbox(storage, clock)
        self.sender = Sender(storage, clock, ids, random)
        self.upkeep = Upkeep(storage, clock, keep_events_days=settings.keep_events_days)
        self.terms, self.pools = TermWatch(storage, clock, ids), PoolWatch(storage, clock, ids)
        self.checking = ArtifactChecking(storage=storage, clock=clock, vault=vault, seen=self.seen)
        self.never_issued = NeverIssued(storage)
        self.reissue = ReissueService(
            storage=storage,
            clock=clock,
            ids=ids,
            bundles=BundleMaker(keys=keys, ring=ring, vault=vault, random=random, lists=self.lists),
            roots=lambda: trust.state.roots,
        )
        self.ceremonies = Ceremonies(
            storage=storage,
            clock=clock,
            live=trust,
            desk=CeremonyFiles(
                Layout(data=settings.data).ceremony,
                KeyPlaces(folder=opened.keys.folder, kek=opened.keys.kek),
                lambda: trust.state.roots,
                random,
            ),
            announce_seconds=settings.key_announce_seconds,
        )
        self.trust = TrustService(
            live=trust,
            keys=keys,
            issuer=issuer,
            clock=clock,
            ids=ids,
            compatibility=self.keys,
        )

    @property
    def roots(self) -> tuple[str, ...]:
        """Every root file, version 1 first, as text."""
        return self._keys.state.roots

    async def checks(self) -> tuple[Check, ...]:
        """Whether each part works now, as `readiness.check_parts` and `jobs.health.background_checks` tell."""
        parts = await check_parts(self._storage, self._keys, self.keys, self.clock.guard)
        late = self.lists.problem(self.time.now())
        published = Check(name="status-lists", ok=not late, problem=late, vital=False)
        return (*parts, *await background_checks(self._storage), published)

    async def follow(self) -> None:
        """
        Trust and sign with what another process made of the keys and the root meanwhile.

        Raises:
            StateError: ``storage_unavailable``, ``storage_busy``, ``root_chain_broken``.
        """
        await self._keys.keep_up()

    async def keep_mark(self) -> None:
        """
        Note beside the database how far it has got, so that an older state of it is noticed at the next start (REL-11).

        Raises:
            StateError: ``data_not_writable``, ``storage_unavailable``.
        """
        path = Layout(data=self.settings.data).high_water
        life = await self._storage.life()
        known = await asyncio.to_thread(read_mark, path)
        if known is None or (known.epoch, known.audit) != (life.epoch, life.audit):
            await asyncio.to_thread(write_mark, path, life)

    async def keep_clock(self) -> None:
        """
        Keep up with the signatures and confirmations of other processes; note what the clock shows, for the next start.

        Raises:
            StateError: ``data_not_writable``, ``storage_unavailable``, ``storage_busy``.
        """
        await self.clock.keep_up()
        seen, kept = self.clock.guard.seen(), self._clock_kept
        if seen is None or (kept is not None and 0 <= seen.at - kept.at < _KEEP_CLOCK_SECONDS):
            return
        await asyncio.to_thread(write_seen, Layout(data=self.settings.data).clock, seen)
        self._clock_kept = seen

    def storage_stats(self) -> StorageStats:
        """The writer's counters, for metrics."""
        return self._storage.stats()


_KEEP_CLOCK_SECONDS = 60
"""How much of the clock a crash may forget; the register of what was signed forgets nothing."""


@asynccontextmanager
async def open_installation(
    settings: Settings,
    *,
    say: Callable[[str], None] | None = None,
    clock: Clock | None = None,
    random: Random = os.urandom,
    running: Callable[[], float] | None = None,
    passing: Running | None = None,
) -> AsyncIterator[Installation]:
    """
    Open an installation and close it at the end; what was accepted by then is committed first.

    Every signing key signs, and the root verifies it, before anything is served (SEC-25). The database is brought to
    this version's schema.

    Args:
        settings: Where it is, and the passphrase if its keys need one.
        say: Told a sentence before anything slow or lasting happens (a database upgrade).
        clock: What time it is; None is this machine's clock.
        random: The randomness.
        running: Seconds by which leases run out; None is the machine's running clock on SQLite and the database's time
            on PostgreSQL.
        passing: By what the clock's guard tells how much time passes; None is this machine with its own clock, and
            nothing with a given *clock*, which may go ahead as it likes.

    Raises:
        StateError: ``not_initialised``, ``half_initialised``, ``missing_file``, ``bad_installation_file``,
            ``root_changed``, ``bad_secret``, ``wrong_passphrase``, ``passphrase_needed``, ``wrong_key_file``,
            ``keys_do_not_match_root``, ``root_chain_broken``, ``database_too_new``, ``database_of_another``,
            ``database_not_found``, ``database_not_durable``, ``restored``, ``database_went_back``,
            ``storage_unavailable``, ``storage_busy``, ``data_not_writable``, ``data_not_readable``.
        MalformedError: ``bad_key_file``.
    """
    layout = Layout(data=settings.data)
    opened = await asyncio.to_thread(open_files, settings, layout)
    await asyncio.to_thread(open_database, settings.database, opened.record, say)
    status = StatusAllocator(opened.status, settings.base_url)
    storage = await open_storage(settings, status.place, running)
    try:
        check_life(await storage.life(), await asyncio.to_thread(read_mark, layout.high_water))
        guard = ClockGuard(
            clock or SystemClock(),
            SystemRunning() if clock is None and passing is None else passing,
            signed_at=opened.record.created_at,
        )
        guard.recall(await asyncio.to_thread(read_seen, layout.clock))
        storage.count_only_while(lambda: guard.doubt() is None)
        trust = await open_trust(storage, opened)
        installation = Installation(
            settings=settings,
            opened=opened,
            storage=storage,
            trust=trust,
            status=status,
            clock=clock or SystemClock(),
            guard=guard,
            random=random,
        )
        await installation.keep_mark()
        await installation.clock.keep_up()
        await installation.lists.keep_up()
        with suppress(CarnetError):  # the database is what has to be known; the file is a help
            await installation.keep_clock()
        try:
            yield installation
        finally:
            await installation.following.stop()
            await installation.flusher.stop()
            with suppress(CarnetError):  # the next opening, or the server's next minute, writes it
                await installation.keep_mark()
            with suppress(CarnetError):
                await installation.keep_clock()
    finally:
        await storage.close()
