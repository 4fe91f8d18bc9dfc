"""SEC-46: what somebody does to the database behind the server's back is found, and the first bad row is named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from carnet.core._base import replace
from carnet.server.domain.proof.findings import Finding
from carnet.server.installation import Installation, open_installation
from carnet.server.settings import Settings
from support.databases import Kind, cluster, name_of
from support.installations import Device, execute, licensed, opened
from support.proofs import chain_anew, check, history, in_a_loop, log_anew, settle, started

COLUMNS = "at, actor_kind, actor_id, action, object_kind, object_id, details"


def last(settings: Settings) -> int:
    return int(execute(settings, "SELECT max(seq) FROM audit")[0][0])


def renumber(settings: Settings, first: int, by: int) -> None:
    """Give the rows from *first* on other numbers, one after the other."""
    numbers = range(first, last(settings) + 1)
    for seq in reversed(numbers) if by > 0 else numbers:
        execute(settings, f"UPDATE audit SET seq = {seq + by} WHERE seq = {seq}")  # noqa: S608 - our own numbers


def edit(settings: Settings) -> None:
    execute(settings, "UPDATE audit SET details = '{\"number\":99}' WHERE seq = 9")


def edit_time(settings: Settings) -> None:
    execute(settings, "UPDATE audit SET at = at + 1 WHERE seq = 9")


def delete(settings: Settings) -> None:
    execute(settings, "DELETE FROM audit WHERE seq = 9")


def delete_and_renumber(settings: Settings) -> None:
    execute(settings, "DELETE FROM audit WHERE seq = 9")
    renumber(settings, 10, -1)


def swap(settings: Settings) -> None:
    for one, two in ((9, -1), (14, 9), (-1, 14)):
        execute(settings, f"UPDATE audit SET seq = {two} WHERE seq = {one}")  # noqa: S608 - our own numbers


def insert_with_an_old_number(settings: Settings) -> None:
    execute(settings, f"INSERT INTO audit (seq, {COLUMNS}) SELECT 0, {COLUMNS} FROM audit WHERE seq = 9")  # noqa: S608


def insert_and_renumber(settings: Settings) -> None:
    renumber(settings, 9, 1)
    execute(
        settings,
        f"INSERT INTO audit (seq, {COLUMNS}) VALUES (9, 1790000100, 'operator', NULL, 'license.noted', 'license', 'x',"  # noqa: S608
        " '{}')",
    )


def truncate(settings: Settings) -> None:
    execute(settings, f"DELETE FROM audit WHERE seq > {last(settings) - 3}")  # noqa: S608 - our own number


def truncate_with_the_chain(settings: Settings) -> None:
    gone = last(settings) - 3
    execute(settings, f"DELETE FROM audit WHERE seq > {gone}", f"DELETE FROM audit_chain WHERE seq > {gone}")  # noqa: S608


def change_a_seal(settings: Settings) -> None:
    execute(
        settings,
        "UPDATE audit_chain SET hash = (SELECT hash FROM audit_chain WHERE position = 3) WHERE position = 9",
    )


def remove_seals(settings: Settings) -> None:
    execute(settings, "DELETE FROM audit_chain WHERE position IN (9, 10)")


def edit_what_was_issued(settings: Settings) -> None:
    execute(
        settings,
        "UPDATE issuances SET expires_at = expires_at + 86400"
        " WHERE jti = (SELECT jti FROM log_leaves WHERE number = 2)",
    )


def delete_what_was_issued(settings: Settings) -> None:
    execute(settings, "DELETE FROM issuances WHERE jti = (SELECT jti FROM log_leaves WHERE number = 2)")


def insert_what_was_not_issued(settings: Settings) -> None:
    execute(
        settings,
        "INSERT INTO issuances (jti, kind, kid, license_id, activation_id, issued_at, expires_at, claims)"
        " SELECT '00000000-0000-7000-8000-000000000000', kind, kid, license_id, activation_id, issued_at - 600,"
        " expires_at, claims FROM issuances WHERE jti = (SELECT jti FROM log_leaves WHERE number = 2)",
    )


def edit_a_leaf(settings: Settings) -> None:
    execute(
        settings,
        "UPDATE log_leaves SET hash = (SELECT hash FROM log_leaves WHERE number = 1) WHERE number = 2",
    )


def remove_the_last_leaves(settings: Settings) -> None:
    execute(settings, "DELETE FROM log_leaves WHERE number >= (SELECT max(number) FROM log_leaves)")


def unname_what_was_issued(settings: Settings) -> None:
    """Delete what was issued, and make its entry one about no row of the audit, its hash as it was."""
    jti = execute(settings, "SELECT jti FROM log_leaves WHERE number = 2")[0][0]
    execute(
        settings,
        "UPDATE log_leaves SET kind = 'key-event', jti = NULL WHERE number = 2",
        f"DELETE FROM issuances WHERE jti = '{jti}'",  # noqa: S608 - our own id
    )


def unname_far_away(settings: Settings) -> None:
    unname_what_was_issued(settings)
    execute(settings, "UPDATE log_leaves SET position = 999999 WHERE number = 2")


SIMPLE: list[tuple[Callable[[Settings], None], str, str, str]] = [
    (edit, "audit", "edited", "9"),
    (edit_time, "audit", "edited", "9"),
    (delete, "audit", "deleted", "9"),
    (delete_and_renumber, "audit", "deleted", "9"),
    (swap, "audit", "swapped", "9"),
    (insert_with_an_old_number, "audit", "inserted", "0"),
    (insert_and_renumber, "audit", "inserted", "9"),
    (truncate, "audit", "truncated", "LAST-2"),
    (truncate_with_the_chain, "audit", "truncated", "position LAST-2"),
    (change_a_seal, "audit", "seal_changed", "9"),
    (remove_seals, "audit", "seal_changed", "position 9"),
    (edit_what_was_issued, "register", "edited", "JTI"),
    (delete_what_was_issued, "register", "deleted", "JTI"),
    (insert_what_was_not_issued, "register", "inserted", "00000000-0000-7000-8000-000000000000"),
    (edit_a_leaf, "register", "edited", "JTI"),
    (remove_the_last_leaves, "log", "rolled_back", "SIZE-1"),
    (unname_what_was_issued, "log", "edited", "2"),
    (unname_far_away, "audit", "truncated", "position LAST+1"),
]


async def first_finding(installation: Installation, hand: Callable[[Settings], None]) -> Finding:
    assert (await check(installation)).is_sound
    hand(installation.settings)
    verdict = await check(installation)
    assert not verdict.is_sound
    return verdict.findings[0]


@pytest.mark.parametrize(("hand", "part", "kind", "row"), SIMPLE, ids=[each[0].__name__ for each in SIMPLE])
@in_a_loop
async def test_sec_46_every_way_to_change_history_is_found_by_its_first_row(
    tmp_path: Path, hand: Callable[[Settings], None], part: str, kind: str, row: str
) -> None:
    clock = started()
    async with opened(tmp_path, clock) as installation:
        await history(installation, clock)
        settings = installation.settings
        jti = str(execute(settings, "SELECT jti FROM log_leaves WHERE number = 2")[0][0])
        size = int(execute(settings, "SELECT max(number) FROM log_leaves")[0][0]) + 1
        row = (
            row.replace("LAST+1", str(last(settings) + 1))
            .replace("LAST-2", str(last(settings) - 2))
            .replace("JTI", jti)
            .replace("SIZE-1", str(size - 1))
        )
        found = await first_finding(installation, hand)
        assert (found.part, found.kind, found.row) == (part, kind, row)


@pytest.mark.parametrize("hand", [edit, swap, delete], ids=lambda each: each.__name__)
@in_a_loop
async def test_sec_46_a_chain_that_was_computed_anew_is_found_through_the_log(
    tmp_path: Path, hand: Callable[[Settings], None]
) -> None:
    clock = started()
    async with opened(tmp_path, clock) as installation:
        await history(installation, clock)

        def careful(settings: Settings) -> None:
            hand(settings)
            if hand is delete:
                execute(settings, "DELETE FROM audit_chain WHERE seq = 9")
                execute(settings, "UPDATE audit_chain SET position = -position WHERE position > 9")
                execute(settings, "UPDATE audit_chain SET position = -position - 1 WHERE position < 0")
            chain_anew(settings, installation.issuer)

        found = await first_finding(installation, careful)
        assert (found.part, found.kind) == ("audit", "rewritten")
        assert found.row == "position 1"  # of the rows up to the first of three checkpoints


@in_a_loop
async def test_sec_46_a_chain_that_was_computed_anew_is_found_though_the_entries_that_tell_were_unnamed(
    tmp_path: Path,
) -> None:
    clock = started()
    async with opened(tmp_path, clock) as installation:
        await history(installation, clock)

        def sly(settings: Settings) -> None:
            edit(settings)
            chain_anew(settings, installation.issuer)
            execute(settings, "UPDATE log_leaves SET position = NULL WHERE kind = 'audit-head'")

        found = await first_finding(installation, sly)
        assert (found.part, found.kind) == ("log", "edited")


@in_a_loop
async def test_sec_46_a_chain_and_a_log_that_were_computed_anew_are_found_through_the_checkpoints(
    tmp_path: Path,
) -> None:
    clock = started()
    async with opened(tmp_path, clock) as installation:
        await history(installation, clock)

        def most_careful(settings: Settings) -> None:
            edit(settings)
            edit_what_was_issued(settings)
            chain_anew(settings, installation.issuer)
            log_anew(settings)

        found = await first_finding(installation, most_careful)
        assert (found.part, found.kind, found.row) == ("log", "rewritten", "0")
        shutil.rmtree(installation.settings.checkpoint_folder)  # with nothing outside, nothing is left to find
        verdict = await check(installation)
        assert verdict.is_sound
        assert verdict.checkpoints == 0


@in_a_loop
async def test_sec_46_a_database_that_was_put_back_to_an_older_state_is_found(tmp_path: Path, database: Kind) -> None:
    clock = started()
    async with opened(tmp_path, clock) as installation:
        await history(installation, clock)
        settings = installation.settings
    older = tmp_path / "older"
    if database == "sqlite":
        shutil.copy(settings.database_path, older)
    else:
        assert settings.postgres is not None
        kept = cluster().fresh(name_of(settings.postgres))
    async with opened(tmp_path, clock) as installation:
        await history_goes_on(installation)
    mark = settings.data / "high-water.json"
    mark.unlink()  # the one who puts it back takes away what this machine remembers, too
    if database == "sqlite":
        shutil.copy(older, settings.database_path)
    else:
        settings = replace(settings, postgres=kept)
    async with open_installation(settings, clock=clock) as installation:
        verdict = await check(installation)
        assert [(each.part, each.kind) for each in verdict.findings] == [("log", "rolled_back")]
        with pytest.raises(Exception, match="does not continue") as refused:
            await installation.checkpoints.sign()
        assert getattr(refused.value, "code", None) == "log_went_back"


async def history_goes_on(installation: Installation) -> None:
    made = await licensed(installation)
    await installation.activations.activate(Device("later", seed=9).activate(made.key))
    await settle(installation)
    assert await installation.checkpoints.sign() is not None
