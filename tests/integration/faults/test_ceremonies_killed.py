"""`carnet key …` killed by SIGKILL at each of its steps, and run again: never half switched, and it goes on (R-18)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from carnet.formats.root import next_root, read_root
from carnet.server.installation import Installation
from carnet.server.records import SigningKey
from support.campaigns import LONG
from support.ceremonies import key_of, root_key_file
from support.ceremony_killing import KILLED, Killer
from support.databases import kind
from support.installations import environment_of, opened, settings_in

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    killer = Killer()
    yield killer
    killer.close()


class Seen:
    """What an installation is, found by opening it: that it opens at all says that each active key signs."""

    def __init__(self, installation: Installation, keys: tuple[SigningKey, ...], pending: Any) -> None:
        self.roots = installation.roots
        self.keys = keys
        self.pending = pending
        self.active = {role: key_of(installation, role).kid for role in ("token", "answer", "license-key")}

    def states(self, role: str) -> list[str]:
        return sorted(key.state for key in self.keys if role in key.roles)


def look(folder: Path) -> Seen:
    async def run() -> Seen:
        async with opened(folder) as installation:
            pending = await installation.ceremonies.pending()
            return Seen(installation, await installation.ceremonies.keys(), pending)

    return asyncio.run(run())


def check_chain(seen: Seen) -> None:
    root = read_root(seen.roots[0])
    for file in seen.roots[1:]:
        root = next_root(root, file)
    named = {key.kid for key in root.keys} - {key.kid for key in root.role_keys("root")}
    assert named == {key.kid for key in seen.keys if key.state in {"announced", "active", "verify-only"}}


def campaign(
    folder: Path,
    killer: Killer,
    words: Callable[[Seen], list[str | Path]],
    done: Callable[[Seen, Seen], bool],
    record: Callable[[str, object], None],
    *,
    prepare: Callable[[], None] = lambda: None,
) -> None:
    """Kill the command at step after step, run it again each time, until it ends before it is killed."""
    environment = {**environment_of(settings_in(folder)), "CARNET_KEY_ANNOUNCE_SECONDS": "0"}
    at, killed = 1, 0
    every = 1 if LONG else {"sqlite": 5, "postgres": 31}[kind()]
    while True:
        prepare()
        before = look(folder)
        asked = words(before)
        code, _ = killer.run(asked, environment, at)
        after = look(folder)
        check_chain(after)
        assert done(before, after) or (after.roots, after.active, after.keys) == (
            before.roots,
            before.active,
            before.keys,
        ), f"half switched by a kill at step {at}"
        if code != KILLED:
            assert code == 0
            assert done(before, after)
            break
        killed += 1
        if not done(before, after):
            again, _ = killer.run(asked, environment)
            assert again == 0, f"not resumed after a kill at step {at}"
        after = look(folder)
        check_chain(after)
        assert done(before, after)
        assert after.pending is None
        at += every
    record("commands killed and resumed", killed)
    assert killed > (20 if LONG else 3)


def test_r_18_a_lost_key_is_replaced_although_the_command_is_killed_at_any_step(
    tmp_path: Path, killer: Killer, record_property: Callable[[str, object], None]
) -> None:
    campaign(
        tmp_path,
        killer,
        lambda seen: ["key", "compromise", f"--kid={seen.active['token']}", "--root-key", root_key_file()],
        lambda before, after: (
            len(after.roots) == len(before.roots) + 1
            and after.active["token"] != before.active["token"]
            and after.active["answer"] == before.active["answer"]
        ),
        record_property,
    )


def test_r_18_a_key_is_announced_although_the_command_is_killed_at_any_step(
    tmp_path: Path, killer: Killer, record_property: Callable[[str, object], None]
) -> None:
    environment = {**environment_of(settings_in(tmp_path)), "CARNET_KEY_ANNOUNCE_SECONDS": "0"}

    def make_room() -> None:
        if "announced" in look(tmp_path).states("answer"):
            assert killer.run(["key", "rotate", "answer"], environment)[0] == 0

    def words(seen: Seen) -> list[str | Path]:
        waiting = [f"--retire={key.kid}" for key in seen.keys if key.state == "verify-only"]
        return ["key", "announce", "answer", *waiting, "--root-key", root_key_file()]

    campaign(
        tmp_path,
        killer,
        words,
        lambda before, after: (
            len(after.roots) == len(before.roots) + 1
            and "announced" in after.states("answer")
            and "verify-only" not in after.states("answer")
            and after.active == before.active
        ),
        record_property,
        prepare=make_room,
    )


def test_r_18_announced_keys_sign_although_the_command_is_killed_at_any_step(
    tmp_path: Path, killer: Killer, record_property: Callable[[str, object], None]
) -> None:
    environment = environment_of(settings_in(tmp_path))

    def announce() -> None:
        if "announced" not in look(tmp_path).states("answer"):
            words: list[str | Path] = ["key", "announce", "answer", "--root-key", root_key_file()]
            assert killer.run(words, environment)[0] == 0

    campaign(
        tmp_path,
        killer,
        lambda _: ["key", "rotate", "answer"],
        lambda before, after: (
            after.active["answer"] != before.active["answer"] and "announced" not in after.states("answer")
        ),
        record_property,
        prepare=announce,
    )
