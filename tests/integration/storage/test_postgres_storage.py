"""What only PostgreSQL's storage has to get right: decisions that others overtake, connections that break, numbers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from carnet.core._base import replace
from carnet.core.decision import Refused
from carnet.core.errors import CarnetError, UsageError
from carnet.server.database import PostgresAddress
from carnet.server.domain.activations.commands import ActivationResult, RefreshCommand
from carnet.server.domain.activations.deciding import Decided
from carnet.server.domain.customers.commands import CreateCustomer
from carnet.server.domain.licenses.commands import CreatedLicense
from carnet.server.installation import Installation
from carnet.server.ports import NextIndex, SeatChanges, SeatFacts, SeatQuery
from carnet.server.records import OPERATOR
from carnet.server.settings import Settings
from carnet.server.storage.errors import StorageError
from carnet.server.storage.postgres import seats
from carnet.server.storage.postgres.store import PostgresStorage
from support.databases import ask, cluster, name_of, on
from support.installations import PRODUCT, Device, execute, give_back, licensed, opened, query, settings_in
from support.stories import granted


@pytest.fixture(autouse=True)
def _postgres() -> Iterator[None]:
    with on("postgres"):
        yield
    give_back()


def address_of(settings: Settings) -> PostgresAddress:
    assert settings.postgres is not None
    return settings.postgres


def cut(settings: Settings) -> None:
    """End every connection of ours, as a restart of the server does."""
    ask(
        address_of(settings),
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'carnet'",
    )


class Interrupted:
    """Lets something happen between the read and the write of a decision, as often as told."""

    def __init__(self, installation: Installation, happening: Callable[[], object], times: int = 1) -> None:
        self.facts: list[SeatFacts] = []
        self._storage = installation._storage
        self._change = self._storage.change_seat
        self._happening = happening
        self._times = times

    async def __call__(
        self, query: SeatQuery, decide: Callable[[SeatFacts, NextIndex], SeatChanges[Decided]]
    ) -> Decided:
        def overtaken(facts: SeatFacts, next_index: NextIndex) -> SeatChanges[Decided]:
            changes = decide(facts, next_index)
            self.facts.append(facts)
            if len(self.facts) <= self._times:
                self._happening()
            return changes

        return await self._change(query, overtaken)


async def activate(
    installation: Installation, created: CreatedLicense, interrupted: Interrupted, device: Device | None = None
) -> ActivationResult | Refused:
    """An activation that is *interrupted*."""
    patched = pytest.MonkeyPatch()
    with patched.context() as patch:
        patch.setattr(installation._storage, "change_seat", interrupted)
        return (await installation.activations.activate((device or Device()).activate(created.key))).result


@asynccontextmanager
async def sold(folder: Path, **changes: object) -> AsyncIterator[tuple[Installation, CreatedLicense]]:
    """An open installation and a license of it."""
    async with opened(folder) as installation:
        yield installation, await licensed(installation, **changes)


def written(folder: Path) -> list[tuple[object, ...]]:
    """How many rows of each kind an activation writes there are."""
    return query(
        folder,
        "SELECT (SELECT count(*) FROM activations), (SELECT sum(seats_used) FROM licenses),"
        " (SELECT count(*) FROM issuances WHERE activation_id IS NOT NULL),"
        " (SELECT count(*) FROM audit WHERE action LIKE 'activation.%'),"
        " (SELECT count(*) FROM status_indices WHERE subject = 'activation')",
    )


NOTHING = [(0, 0, 0, 0, 0)]


# ── decisions that are overtaken ─────────────────────────────────────────────────────────────────────────────────────


def test_rel_01_a_license_that_is_suspended_between_read_and_write_is_decided_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with sold(tmp_path) as (installation, created):
            suspend = "UPDATE licenses SET status = 'suspended', revision = revision + 1"
            interrupted = Interrupted(installation, lambda: execute(installation.settings, suspend))
            result = await activate(installation, created, interrupted)
            assert isinstance(result, Refused)
            assert result.code == "license_suspended"
            assert [each.license.status for each in interrupted.facts if each.license] == ["active", "suspended"]

    asyncio.run(story())
    assert written(tmp_path) == NOTHING


def test_rel_01_a_policy_that_changes_between_read_and_write_is_read_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with sold(tmp_path) as (installation, created):
            change = "UPDATE policies SET revision = revision + 1"
            interrupted = Interrupted(installation, lambda: execute(installation.settings, change))
            assert isinstance(await activate(installation, created, interrupted), ActivationResult)
            assert [each.license.policy_revision for each in interrupted.facts if each.license] == [1, 2]

    asyncio.run(story())
    assert written(tmp_path) == [(1, 1, 2, 1, 1)]


def test_rel_01_a_limit_that_is_lowered_past_the_revision_still_holds(tmp_path: Path) -> None:
    """A program of an older version does not raise the revision; the counter's guard does not need it (REL-12)."""

    async def story() -> None:
        async with sold(tmp_path) as (installation, created):
            granted(await installation.activations.activate(Device("one").activate(created.key)))
            lower = (
                """UPDATE policies SET body = replace(body, '"seat_limit":2', '"seat_limit":1')""",
                "UPDATE licenses SET seat_limit = 1",
            )
            interrupted = Interrupted(installation, lambda: execute(installation.settings, *lower))
            result = await activate(installation, created, interrupted, Device("two"))
            assert isinstance(result, Refused)
            assert result.code == "seat_limit_reached"

    asyncio.run(story())
    assert query(tmp_path, "SELECT seats_used FROM licenses") == [(1,)]


def test_rel_01_whoever_is_overtaken_again_and_again_decides_under_the_lock_and_ends(tmp_path: Path) -> None:
    async def story() -> None:
        async with sold(tmp_path) as (installation, created):
            change = "UPDATE licenses SET revision = revision + 1"
            interrupted = Interrupted(installation, lambda: execute(installation.settings, change), times=seats._TRIES)
            assert isinstance(await activate(installation, created, interrupted), ActivationResult)
            assert len(interrupted.facts) == seats._TRIES + 1

    asyncio.run(story())
    assert written(tmp_path) == [(1, 1, 2, 1, 1)]


def test_rel_01_a_seat_freed_twice_at_once_is_counted_down_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with sold(tmp_path) as (installation, created):
            seat = granted(await installation.activations.activate(Device().activate(created.key))).activation
            await asyncio.gather(*(installation.activations.deactivate_by_vendor(seat.id, OPERATOR) for _ in range(16)))

    asyncio.run(story())
    assert query(tmp_path, "SELECT seats_used, seats_over FROM licenses") == [(0, 0)]
    assert query(tmp_path, "SELECT count(*) FROM audit WHERE action = 'activation.deactivated'") == [(1,)]


def test_rel_01_a_seat_that_is_freed_between_read_and_write_is_not_counted_down_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with sold(tmp_path) as (installation, created):
            for name in ("one", "two"):
                seat = granted(await installation.activations.activate(Device(name).activate(created.key))).activation
            free = (
                f"UPDATE activations SET deactivated_at = 1 WHERE id = '{seat.id}'",  # noqa: S608 - our own id
                "UPDATE licenses SET seats_used = seats_used - 1",
            )
            interrupted = Interrupted(installation, lambda: execute(installation.settings, *free))
            with pytest.MonkeyPatch().context() as patch:
                patch.setattr(installation._storage, "change_seat", interrupted)
                await installation.activations.deactivate_by_vendor(seat.id, OPERATOR)

    asyncio.run(story())
    assert query(tmp_path, "SELECT seats_used FROM licenses") == [(1,)]


def test_sec_45_a_device_key_that_is_replaced_between_read_and_write_is_no_longer_spoken_for(tmp_path: Path) -> None:
    async def story() -> None:
        async with sold(tmp_path) as (installation, created):
            device = Device()
            seat = granted(await installation.activations.activate(device.activate(created.key))).activation
            command = RefreshCommand(
                product=PRODUCT,
                device=device.claim(),
                activation_id=seat.id,
                device_proof=device.proof(at=seat.created_at),
            )
            replaced = "UPDATE activations SET public_key = decode(repeat('ab', 32), 'hex')"
            interrupted = Interrupted(installation, lambda: execute(installation.settings, replaced))
            with pytest.MonkeyPatch().context() as patch:
                patch.setattr(installation._storage, "change_seat", interrupted)
                result = (await installation.activations.refresh(command)).result
            assert isinstance(result, Refused)
            assert result.code == "device_proof_invalid"

    asyncio.run(story())
    assert query(tmp_path, "SELECT count(*) FROM audit WHERE action = 'activation.refreshed'") == [(0,)]
    assert query(tmp_path, "SELECT encode(public_key, 'hex') FROM activations") == [("ab" * 32,)]


def test_sec_45_a_proof_that_is_used_many_times_at_once_works_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with sold(tmp_path) as (installation, created):
            device = Device()
            seat = granted(await installation.activations.activate(device.activate(created.key))).activation
            command = RefreshCommand(
                product=PRODUCT,
                device=device.claim(),
                activation_id=seat.id,
                device_proof=device.proof(at=seat.created_at),
            )
            answers = await asyncio.gather(*(installation.activations.refresh(command) for _ in range(16)))
            codes = [each.result.code for each in answers if isinstance(each.result, Refused)]
            assert codes == ["device_proof_invalid"] * 15

    asyncio.run(story())
    assert query(tmp_path, "SELECT count(*) FROM audit WHERE action = 'activation.refreshed'") == [(1,)]


def test_every_change_that_a_decision_can_ask_for_is_written() -> None:
    assert {"care", *seats.WRITTEN} == set(SeatChanges.__fields__)


# ── connections that break ───────────────────────────────────────────────────────────────────────────────────────────


def test_rel_05_after_all_connections_were_cut_the_next_calls_work(tmp_path: Path) -> None:
    async def story() -> None:
        async with sold(tmp_path) as (installation, created):
            for _ in range(3):
                granted(await installation.activations.activate(Device().activate(created.key)))
                cut(installation.settings)
                assert (await installation.licenses.get(created.license.id)).seats.used == 1
                cut(installation.settings)
                assert all(check.ok for check in await installation.checks())

    asyncio.run(story())


def test_rel_03_a_connection_that_breaks_at_the_write_is_an_outage_and_the_retry_works(tmp_path: Path) -> None:
    async def story() -> None:
        async with sold(tmp_path) as (installation, created):
            interrupted = Interrupted(installation, lambda: cut(installation.settings))
            with pytest.raises(StorageError) as caught:
                await activate(installation, created, interrupted)
            assert (caught.value.code, caught.value.retryable) == ("storage_unavailable", True)
            assert "not known whether" in caught.value.message
            granted(await installation.activations.activate(Device().activate(created.key)))

    asyncio.run(story())
    assert written(tmp_path) == [(1, 1, 2, 1, 1)]


class Proxy:
    """Stands between the storage and the server; when told, it loses the server's next answer to a write."""

    def __init__(self, folder: Path, target: Path) -> None:
        self.losing = False
        self._path = folder / ".s.PGSQL.5432"
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        server = await asyncio.start_unix_server(self._connected, self._path)
        try:
            yield
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_unix_connection(self._target)
        state = {"statement": b"", "sent": b""}

        async def up() -> None:
            while chunk := await client.read(65536):
                if b"UPDATE licenses" in chunk:  # it is prepared first, under a name
                    state["statement"] = chunk[5 : chunk.index(b"\0", 5)]
                elif state["statement"] and state["statement"] in chunk:
                    state["sent"] = state["statement"]
                to_server.write(chunk)
            to_server.close()

        async def down() -> None:
            while chunk := await server.read(65536):
                if self.losing and state["sent"] and b"SELECT 1\0Z" in chunk:  # it is committed
                    break
                to_client.write(chunk)
            to_client.close()
            to_server.close()

        for work in (up(), down()):
            task = asyncio.create_task(work)
            self._tasks.add(task)


def test_rel_03_a_commit_whose_answer_is_lost_is_not_told_as_done_and_the_retry_gives_the_same_seat(
    tmp_path: Path,
) -> None:
    settings = settings_in(tmp_path)
    target = Path(address_of(settings).url.partition("host=")[2]) / ".s.PGSQL.5432"
    proxy = Proxy(tmp_path, target)

    async def story() -> None:
        from carnet.server.installation import open_installation

        through = replace(
            settings,
            postgres=PostgresAddress(url=f"postgresql://postgres@/{name_of(address_of(settings))}?host={tmp_path}"),
        )
        async with proxy.running(), open_installation(through) as installation:
            created = await licensed(installation)
            proxy.losing = True
            with pytest.raises(StorageError, match="not known whether") as caught:
                await installation.activations.activate(Device().activate(created.key))
            assert caught.value.retryable
            proxy.losing = False
            assert written(tmp_path) == [(1, 1, 2, 1, 1)]  # it had been committed
            again = granted(await installation.activations.activate(Device().activate(created.key)))
            assert not again.created
            assert [(again.activation.id,)] == query(tmp_path, "SELECT id FROM activations")

    asyncio.run(story())
    assert query(tmp_path, "SELECT seats_used FROM licenses") == [(1,)]


# ── what cannot be opened ────────────────────────────────────────────────────────────────────────────────────────────


def opening_fails(address: PostgresAddress) -> CarnetError:
    with pytest.raises(CarnetError) as caught:
        asyncio.run(PostgresStorage.open(address, lambda number: number))
    assert caught.value.message.endswith(".")
    assert caught.value.fix
    assert "canary" not in f"{caught.value} {caught.value.fix}"
    return caught.value


def test_a_server_that_is_not_there_is_said_without_its_password(tmp_path: Path) -> None:
    error = opening_fails(PostgresAddress(url=f"postgresql://me:canary@/carnet?host={tmp_path}"))
    assert (error.code, error.retryable) == ("storage_unavailable", True)
    error = opening_fails(PostgresAddress(url="postgresql://me:canary@127.0.0.1:1/carnet"))
    assert error.code == "storage_unavailable"


def test_a_database_that_is_not_there_is_said_with_what_to_check() -> None:
    error = opening_fails(cluster().address("nowhere"))
    assert error.code == "storage_unavailable"
    assert "CARNET_DATABASE_URL" in error.fix


def test_a_server_that_takes_no_more_connections_is_busy(tmp_path: Path) -> None:
    address = address_of(settings_in(tmp_path))
    role = name_of(address)
    ask(address, f'CREATE ROLE "{role}" LOGIN CONNECTION LIMIT 0')
    try:
        error = opening_fails(PostgresAddress(url=address.url.replace("//postgres:", f"//{role}:")))
        assert (error.code, error.retryable) == ("storage_busy", True)
    finally:
        ask(address, f'DROP ROLE "{role}"')


def test_rel_03_a_weaker_default_of_the_database_is_raised_on_every_connection(tmp_path: Path) -> None:
    address = address_of(settings_in(tmp_path))
    name = name_of(address)

    async def story() -> None:
        async with opened(tmp_path) as installation:
            storage = installation._storage
            assert isinstance(storage, PostgresStorage)
            hot = await storage._pool.read("SHOW synchronous_commit")
            assert [row[0] for row in hot] == ["on"]
            shown = await storage._read(
                lambda connection: connection.exec_driver_sql("SHOW synchronous_commit").scalar()
            )
            assert shown == "on"
            isolation = await storage._pool.read("SHOW transaction_isolation")
            assert [row[0] for row in isolation] == ["read committed"]

    ask(
        address,
        f'ALTER DATABASE "{name}" SET synchronous_commit = off',
        f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'serializable'",
    )
    try:
        asyncio.run(story())
    finally:
        ask(address, f'ALTER DATABASE "{name}" RESET ALL')


def test_rel_14_a_database_that_takes_no_writes_is_not_ready(tmp_path: Path) -> None:
    address = address_of(settings_in(tmp_path))
    name = name_of(address)

    async def story() -> None:
        async with opened(tmp_path) as installation:
            ask(address, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
            cut(installation.settings)
            checks = {check.name: check for check in await installation.checks()}
            assert not checks["database"].ok
            assert "no writes" in checks["database"].problem
            cluster().run(f'ALTER DATABASE "{name}" RESET ALL')
            cut(installation.settings)
            assert (await installation.checks())[0].ok

    try:
        asyncio.run(story())
    finally:
        cluster().run(f'ALTER DATABASE "{name}" RESET ALL')


# ── values and numbers ───────────────────────────────────────────────────────────────────────────────────────────────


def test_text_that_no_row_can_hold_is_a_usage_error(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as installation:
            for call in (installation.activations.get("a\0b"), installation.licenses.get("\ud800")):
                with pytest.raises(UsageError) as caught:
                    await call
                assert caught.value.code == "invalid_argument"

    asyncio.run(story())


def test_sec_26_processes_never_give_the_same_number_and_a_restart_goes_on_behind_them(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as one, opened(tmp_path) as other:
            created = await licensed(one, overrides={"seat_limit": None})
            await asyncio.gather(
                *(
                    (one, other)[number % 2].activations.activate(Device(number).activate(created.key))
                    for number in range(150)
                )
            )
        async with opened(tmp_path) as again:
            await again.activations.activate(Device("later").activate(created.key))

    asyncio.run(story())
    numbers = query(tmp_path, "SELECT sequence, position FROM status_indices ORDER BY sequence")
    assert len({number for number, _ in numbers}) == len({position for _, position in numbers}) == len(numbers) == 152
    last = query(
        tmp_path,
        "SELECT s.sequence FROM status_indices s JOIN activations a ON a.status_index = s.position"
        " WHERE a.device_name = 'later'",
    )
    assert last == [numbers[-1][:1]]


def test_a_change_is_counted_as_done_or_failed(tmp_path: Path) -> None:
    async def story() -> None:
        async with sold(tmp_path) as (installation, created):
            before = installation.storage_stats()
            granted(await installation.activations.activate(Device().activate(created.key)))
            await installation.customers.create(CreateCustomer(name="Ada"), OPERATOR)
            with pytest.raises(StorageError):
                await activate(installation, created, Interrupted(installation, lambda: cut(installation.settings)))
            after = installation.storage_stats()
            assert (after.commits - before.commits, after.failed_jobs - before.failed_jobs) == (2, 1)
            assert after.waiting == 0

    asyncio.run(story())
