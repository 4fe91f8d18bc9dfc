"""The sealer and the log: nothing is passed by, whatever commits late; what was there before is taken in."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carnet.core._base import replace
from carnet.core.errors import StateError
from carnet.core.instant import DAY, Instant
from carnet.formats.checkpoint import read_checkpoint, verify_checkpoint
from carnet.formats.log_leaves import chain_link, chain_start
from carnet.server.backup.restoring import restore_backup, start_epoch
from carnet.server.domain.artifacts.commands import IssuedArtifact, IssueSignedKey
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.proof.growing import Log
from carnet.server.domain.proof.sealing import AuditSealer
from carnet.server.installation import Installation, open_installation
from carnet.server.jobs.catalog import jobs_of
from carnet.server.layout import Layout
from carnet.server.records import OPERATOR
from carnet.server.storage.rows.proof import audit_row
from support.campaigns import LONG
from support.databases import Kind, empty_database
from support.installations import Device, execute, licensed, opened
from support.proofs import check, history, in_a_loop, settle, started

INSERT = (
    "INSERT INTO audit (at, actor_kind, actor_id, action, object_kind, object_id, details)"
    " VALUES (1790000100, 'operator', NULL, 'license.noted', 'license', '{}', '{{}}')"
)


def chained(installation: Installation) -> list[int]:
    return [row[0] for row in execute(installation.settings, "SELECT seq FROM audit_chain ORDER BY position")]


async def writer(installation: Installation) -> Any:
    """Somebody else's connection to the same PostgreSQL database."""
    address = installation.settings.postgres
    assert address is not None
    return await asyncpg.connect(address.url, timeout=120)


@in_a_loop
async def test_the_chain_is_the_one_that_the_specification_defines(tmp_path: Path) -> None:
    clock = started()
    async with opened(tmp_path, clock) as installation:
        await history(installation, clock)
        rows = execute(
            installation.settings,
            "SELECT a.*, c.hash, c.position FROM audit_chain c JOIN audit a ON a.seq = c.seq ORDER BY c.position",
        )
        hash_ = chain_start(installation.issuer)
        for number, row in enumerate(rows, 1):
            hash_ = chain_link(hash_, audit_row(row[:8]).digest())
            assert (bytes(row[8]), row[9]) == (hash_, number)
        assert len(rows) == execute(installation.settings, "SELECT count(*) FROM audit")[0][0]


@in_a_loop
async def test_a_transaction_that_commits_long_after_later_ones_is_sealed_then_and_holds_nobody_up(
    tmp_path: Path, database: Kind
) -> None:
    if database == "sqlite":  # there is one writer: numbers are given in the order of commits
        return
    async with opened(tmp_path, started()) as installation:
        await settle(installation)
        first = chained(installation)[-1]
        slow, quick = await writer(installation), await writer(installation)
        try:
            open_transaction = slow.transaction()
            await open_transaction.start()
            await slow.execute(INSERT.format("slow"))
            for number in range(5):
                await quick.execute(INSERT.format(f"quick-{number}"))
                await settle(installation)
            # Everything that is visible is sealed; the one number that is not, nobody believes lost.
            assert chained(installation)[-5:] == [first + 2, first + 3, first + 4, first + 5, first + 6]
            assert (await installation.store.proof_state()).sealed_to == first
            await open_transaction.commit()
            for _ in range(4):
                await settle(installation)
            assert chained(installation)[-1] == first + 1
            assert (await installation.store.proof_state()).sealed_to == first + 6
        finally:
            await slow.close()
            await quick.close()
        verdict = await check(installation)
        assert (verdict.is_sound, verdict.unsealed) == (True, 0)


@in_a_loop
async def test_what_was_issued_in_a_transaction_that_commits_late_is_logged_then(
    tmp_path: Path, database: Kind
) -> None:
    if database == "sqlite":
        return
    clock = started()
    async with opened(tmp_path, clock) as installation:
        made = await licensed(installation)
        await installation.activations.activate(Device("one", seed=1).activate(made.key))
        await settle(installation)
        connection = await writer(installation)
        try:
            slow = connection.transaction()
            await slow.start()
            (old,) = await connection.fetchrow("SELECT max(jti) FROM issuances")
            late = f"{old[:-4]}0000"  # made in the second of what is logged already
            await connection.execute(INSERT.replace("1790000100", str(int(clock.now()))).format("late"))
            await connection.execute(
                "INSERT INTO issuances SELECT $1, kind, kid, license_id, activation_id, issued_at, expires_at, claims"
                " FROM issuances WHERE jti = $2",
                late,
                old,
            )
            clock.advance(600)
            await installation.activations.activate(Device("two", seed=2).activate(made.key))
            await settle(installation)
            await slow.commit()
        finally:
            await connection.close()
        await settle(installation)
        logged = execute(installation.settings, "SELECT jti FROM log_leaves WHERE jti IS NOT NULL ORDER BY number")
        assert logged[-1] == (late,)
        assert (await check(installation)).unlogged == 0


@in_a_loop
async def test_a_number_that_was_taken_and_rolled_back_is_not_waited_for(tmp_path: Path, database: Kind) -> None:
    if database == "sqlite":
        return
    async with opened(tmp_path, started()) as installation:
        connection = await writer(installation)
        try:
            failed = connection.transaction()
            await failed.start()
            await connection.execute(INSERT.format("failed"))
            await failed.rollback()
            await connection.execute(INSERT.format("after"))
        finally:
            await connection.close()
        for _ in range(4):
            await settle(installation)
        highest = execute(installation.settings, "SELECT max(seq) FROM audit")[0][0]
        assert (await installation.store.proof_state()).sealed_to == highest
        assert (await check(installation)).is_sound


@settings(max_examples=60 if LONG else 6, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["insert", "commit", "roll back", "seal"])), max_size=30
    )
)
def test_whatever_order_transactions_end_in_every_row_that_was_committed_is_sealed_once(
    database: Kind, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str]]
) -> None:
    if database == "sqlite":
        return
    asyncio.run(interleaved(tmp_path_factory.mktemp("interleaved"), steps))


async def interleaved(folder: Path, steps: list[tuple[int, str]]) -> None:
    async with opened(folder, started()) as installation:
        await settle(installation)
        before = len(chained(installation))
        connections = [await writer(installation) for _ in range(4)]
        transactions: list[Any] = [None] * 4
        written, committed = [0] * 4, 0
        try:
            for who, step in [*steps, *((who, "commit") for who in range(4)), (0, "seal")]:
                if step == "insert":
                    if transactions[who] is None:
                        transactions[who] = connections[who].transaction()
                        await transactions[who].start()
                    await connections[who].execute(INSERT.format(who))
                    written[who] += 1
                elif step == "seal":
                    await settle(installation)
                elif transactions[who] is not None:
                    if step == "commit":
                        await transactions[who].commit()
                        committed += written[who]
                    else:
                        await transactions[who].rollback()
                    transactions[who], written[who] = None, 0
        finally:
            for connection in connections:
                await connection.close()
        sealed = chained(installation)
        assert len(sealed) == len(set(sealed)) == before + committed
        for _ in range(3):
            await settle(installation)
        assert (await check(installation)).is_sound
        everything = execute(installation.settings, "SELECT max(seq) FROM audit")[0][0]
        assert (await installation.store.proof_state()).sealed_to == everything


@in_a_loop
async def test_of_sealers_that_work_at_once_each_row_is_sealed_by_one(tmp_path: Path) -> None:
    async with opened(tmp_path, started()) as installation:
        for number in range(60):
            noted = entry(Instant(1_790_000_100), OPERATOR, "license.noted", f"lic-{number}")
            await installation.store.add_audit(noted)
        made = await licensed(installation)
        await installation.activations.activate(Device().activate(made.key))
        sealers = [AuditSealer(installation.store, installation.issuer, lot=7) for _ in range(4)]
        logs = [Log(installation.store, lot=2) for _ in range(4)]
        for _ in range(40):
            await asyncio.gather(*(sealer.seal() for sealer in sealers), *(log.grow() for log in logs))
        sealed = chained(installation)
        assert sealed == sorted(set(sealed))
        verdict = await check(installation)
        assert (verdict.is_sound, verdict.unsealed, verdict.unlogged) == (True, 0, 0)


@in_a_loop
async def test_what_was_there_before_the_chain_is_sealed_in_lots_and_the_tail_is_told(tmp_path: Path) -> None:
    clock = started()
    async with opened(tmp_path, clock) as installation:
        await history(installation, clock, rows=30)
        tables = ("audit_chain", "log_leaves", "log_tiles", "log_state")
        execute(installation.settings, *(f"DELETE FROM {table}" for table in tables))  # noqa: S608 - our own names
        for path in installation.settings.checkpoint_folder.iterdir():
            path.unlink()
        count = execute(installation.settings, "SELECT count(*) FROM audit")[0][0]
        verdict = await check(installation)
        assert (verdict.rows, verdict.unsealed, verdict.leaves) == (0, count, 0)
        sealer = AuditSealer(installation.store, installation.issuer, lot=10)
        assert await sealer.seal()  # there is more
        verdict = await check(installation)
        assert (verdict.is_sound, verdict.rows, verdict.unsealed) == (True, 10, count - 10)
        while await sealer.seal():
            pass
        log = Log(installation.store, lot=1)
        while await log.grow():
            pass
        verdict = await check(installation)
        assert (verdict.is_sound, verdict.unsealed, verdict.unlogged) == (True, 0, 0)
        assert verdict.leaves == 1 + execute(installation.settings, "SELECT count(*) FROM issuances")[0][0]


@in_a_loop
async def test_a_checkpoint_is_signed_only_when_the_log_has_grown_and_verifies_under_the_root(tmp_path: Path) -> None:
    clock = started()
    async with opened(tmp_path, clock) as installation:
        await history(installation, clock)
        assert await installation.checkpoints.sign() is None
        noted = entry(clock.now(), OPERATOR, "license.noted", "lic")
        await installation.store.add_audit(noted)
        assert await installation.checkpoints.sign() is None  # not sealed yet: nothing is known of it
        await settle(installation)
        note = await installation.checkpoints.sign()
        assert note is not None
        checkpoint = verify_checkpoint(read_checkpoint(note), installation.ring.usable("checkpoint"))
        assert checkpoint.origin == f"carnet/{installation.issuer}/0"
        assert await installation.checkpoints.newest() == note
        assert (await check(installation)).covered == checkpoint.size


@in_a_loop
async def test_no_checkpoint_is_signed_over_a_log_that_was_changed(tmp_path: Path) -> None:
    clock = started()
    async with opened(tmp_path, clock) as installation:
        await history(installation, clock)
        swap = "UPDATE log_leaves SET hash = (SELECT hash FROM log_leaves WHERE number = 0) WHERE number = 1"
        execute(installation.settings, swap)
    async with opened(tmp_path, clock) as installation:
        with pytest.raises(StateError) as refused:
            await installation.checkpoints.sign()
        assert refused.value.code == "log_went_back"
        assert "entries are not those that were signed" in refused.value.message
        execute(installation.settings, "DELETE FROM log_leaves WHERE number = 1")
    async with opened(tmp_path, clock) as installation:
        with pytest.raises(StateError) as refused:
            await installation.checkpoints.sign()
        assert refused.value.code == "log_damaged"


@in_a_loop
async def test_rel_11_a_restore_shows_in_the_checkpoints_as_a_new_life_and_a_check_explains_it(tmp_path: Path) -> None:
    clock = started()
    backup = tmp_path / "carnet.backup"
    async with opened(tmp_path, clock) as installation:
        await history(installation, clock)
        await installation.backups.create(backup, OPERATOR)
        kept = (await installation.store.proof_state()).leaves
        made = await licensed(installation)
        await installation.activations.activate(Device("lost", seed=5).activate(made.key))
        await settle(installation)
        lost = read_checkpoint(await installation.checkpoints.sign() or "").unverified
        opened_with = installation.settings
    restored = replace(opened_with, postgres=empty_database())
    restore_backup(restored, backup, replace=True, now=clock.now())
    clock.advance(60)
    epoch = start_epoch(restored, now=clock.now())
    async with open_installation(restored, clock=clock) as installation:
        await settle(installation)
        note = read_checkpoint(await installation.checkpoints.sign() or "").unverified
        assert note.origin == f"carnet/{installation.issuer}/{epoch}"
        verdict = await check(installation)
        assert verdict.findings == ()
        (told,) = verdict.restores
        assert told == (
            f"Checkpoints of the first life cover {lost.size} entries, of which a restore kept the first {kept}:"
            " the rest was taken back when a backup was restored."
        )
        # A checkpoint of the new life tells on a database that was put back to the life before.
        execute(installation.settings, "UPDATE installation SET epoch = 0")
        Layout(data=installation.settings.data).high_water.unlink()
        (found,) = (await check(installation)).findings
        assert found.kind == "rolled_back"
        assert str(epoch) in found.message
        execute(installation.settings, f"UPDATE installation SET epoch = {epoch}")  # noqa: S608 - our own number
        # A change to what was logged in the life before is found through that life's checkpoints.
        execute(
            installation.settings,
            "UPDATE log_leaves SET hash = (SELECT hash FROM log_leaves WHERE number = 0) WHERE number = 1",
        )
        assert not (await check(installation)).is_sound


@in_a_loop
async def test_the_jobs_of_every_process_seal_and_checkpoint(tmp_path: Path) -> None:
    clock = started()
    async with opened(tmp_path, clock) as installation:
        made = await licensed(installation)
        await installation.activations.activate(Device().activate(made.key))
        jobs = {job.name: job for job in jobs_of(installation, (), lambda *_: None)}
        assert (jobs["seal"].every_seconds, jobs["checkpoint"].every_seconds) == (1, 60)
        while await jobs["seal"].run():
            pass
        assert await jobs["checkpoint"].run() is False
        verdict = await check(installation)
        assert (verdict.is_sound, verdict.unsealed, verdict.checkpoints) == (True, 0, 1)


@in_a_loop
async def test_a_log_that_is_damaged_keeps_nothing_from_being_sealed(tmp_path: Path) -> None:
    clock = started()
    async with opened(tmp_path, clock) as installation:
        await history(installation, clock)
        execute(installation.settings, "DELETE FROM log_leaves WHERE number = 1")
    async with opened(tmp_path, clock) as installation:
        job = {job.name: job for job in jobs_of(installation, (), lambda *_: None)}["seal"]
        for number in range(3):
            noted = entry(clock.now(), OPERATOR, "key.noted", f"kid-{number}")
            await installation.store.add_audit(noted)
            for _ in range(3):
                with suppress(StateError):
                    await job.run()
            unsealed = (await installation.store.unsealed(limit=10)).rows
            assert unsealed == ()
        with pytest.raises(StateError) as refused:
            await job.run()
        assert refused.value.code == "log_damaged"


@in_a_loop
async def test_what_was_issued_in_the_second_of_the_last_look_is_no_alarm(tmp_path: Path) -> None:
    clock = started()
    async with opened(tmp_path, clock) as installation:
        await history(installation, clock)
        made = await licensed(installation)
        await settle(installation)
        await installation.activations.activate(Device("at once", seed=7).activate(made.key))
        verdict = await check(installation)
        assert (verdict.findings, verdict.unlogged) == ((), 2)
        await settle(installation)
        assert (await check(installation)).unlogged == 0


@in_a_loop
async def test_a_signed_key_of_an_old_license_is_logged_though_its_id_is_as_old(tmp_path: Path) -> None:
    clock = started()
    async with opened(tmp_path, clock) as installation:
        made = await licensed(installation)
        await settle(installation)
        clock.advance(DAY)
        await history(installation, clock)
        assert isinstance(
            await installation.artifacts.signed_key(IssueSignedKey(license_id=made.license.id), OPERATOR),
            IssuedArtifact,
        )
        verdict = await check(installation)
        assert (verdict.findings, verdict.unlogged) == ((), 1)
        await settle(installation)
        clock.advance(DAY)
        await history(installation, clock)
        verdict = await check(installation)
        assert (verdict.findings, verdict.unlogged) == ((), 0)
