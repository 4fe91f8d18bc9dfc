"""Ceremonies by the `carnet` command: three people in three places, guided by what is printed (R-18)."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from carnet.cli import exits
from carnet.formats.root import anchor, read_root
from support.cli_runs import Run, carnet, environment
from support.databases import empty_database, on

PEOPLE = ("ana", "ben", "cleo")
Words: TypeAlias = list[str | Path]


class Board:
    """A server, and three people who hold a root key each, in folders that share nothing but what is carried."""

    def __init__(self, folder: Path, *, threshold: int = 2, passphrase: str | None = None) -> None:
        self.folder = folder
        self.data = folder / "server"
        self.env = {"CARNET_DATA": str(self.data)}
        address = empty_database()
        if address is not None:
            self.env["CARNET_DATABASE_URL"] = address.url
        words: Words = ["init", "--root-keys", folder / "made", "--root-count", "3"]
        if passphrase is not None:
            (folder / "words").write_text(passphrase)
            words += ["--root-passphrase-file", folder / "words"]
        self.made = self.json(*words, "--root-threshold", str(threshold))
        for name, path in zip(PEOPLE, self.made["root_key_paths"], strict=True):
            (folder / name).mkdir()
            shutil.move(path, folder / name / "key.json")

    def run(self, *words: str | Path, **env: str) -> Run:
        return carnet(*words, env={**self.env, **env})

    def json(self, *words: str | Path, **env: str) -> dict[str, Any]:
        run = self.run(*words, "--json", **env)
        assert run.code == 0, run.err
        return run.json

    def key(self, name: str) -> Path:
        return self.folder / name / "key.json"

    def signed_by(self, name: str, draft: str | Path, *words: str | Path) -> Path:
        """The draft goes to *name*, who signs it where no server is, and comes back."""
        place = self.folder / name
        carried = place / Path(draft).name
        shutil.copy(draft, carried)
        asked: Words = [
            "key",
            "ceremony",
            "sign",
            carried,
            "--root-key",
            self.key(name),
            "--anchor",
            self.made["anchor"],
        ]
        run = carnet(*asked, "--yes", "--json", *words)
        assert run.code == 0, run.err
        return Path(run.json["file"])

    def signing(self, role: str) -> dict[str, str]:
        """By state, the key of *role*."""
        keys = self.json("key", "list")["signing_keys"]
        return {key["state"]: key["kid"] for key in keys if role in key["roles"]}


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


def test_sec_20_two_of_three_people_sign_in_their_own_places_and_one_is_not_enough(board: Board) -> None:
    before = board.signing("token")
    started = board.run("key", "announce", "token")
    assert started.code == exits.OK
    assert "New signing key" in started.out
    assert "NOTHING IS IN FORCE YET: at least 2 more" in started.err
    draft = board.data / "ceremony" / "root-2.draft.json"
    assert str(draft) in started.err
    assert board.signing("token") == before

    ana = board.signed_by("ana", draft)
    alone = board.run("key", "ceremony", "finish", ana, "--json")
    assert alone.code == exits.FAILED
    assert alone.problem["code"] == "below_threshold"
    assert board.json("key", "ceremony", "status")["signatures"]["before"] == 1
    twice = board.signed_by("ana", draft, "--output", board.folder / "again.json")
    assert board.run("key", "ceremony", "finish", twice).code == exits.FAILED  # the same key twice is one
    assert board.signing("token") == before

    cleo = board.signed_by("cleo", draft)
    done = board.run("key", "ceremony", "finish", cleo)
    assert done.code == exits.OK
    assert "Root version 2 is in force." in done.out
    assert board.signing("token").keys() == {"active", "announced"}
    assert board.signing("token")["active"] == before["active"]
    assert board.run("key", "ceremony", "finish").code == exits.USAGE
    assert board.json("key", "ceremony", "status")["state"] == "none"


def test_a_key_that_was_just_announced_does_not_sign_and_the_refusal_says_from_when_on(board: Board) -> None:
    keys: Words = ["--root-key", board.key("ana"), "--root-key", board.key("ben")]
    assert board.json("key", "announce", "token", *keys)["state"] == "installed"
    refused = board.run("key", "rotate", "token", "--json")
    assert refused.problem["code"] == "key_not_announced_long_enough"
    waiting = board.run("key", "ceremony", "status")
    assert "may sign from" in waiting.err
    dry = board.json("key", "rotate", "token", "--dry-run", CARNET_KEY_ANNOUNCE_SECONDS="0")
    assert dry["dry_run"]
    assert board.signing("token").keys() == {"active", "announced"}
    board.json("key", "rotate", "token", CARNET_KEY_ANNOUNCE_SECONDS="0")
    assert board.signing("token").keys() == {"verify-only", "active"}


def test_a_dry_run_changes_no_file_and_no_row(board: Board) -> None:
    keys: Words = ["--root-key", board.key("ana"), "--root-key", board.key("ben")]
    active = board.signing("answer")["active"]

    def everything() -> dict[str, bytes]:
        stays = ("-wal", "-shm", ".lock", "clock.json", "high-water.json")
        found = (path for path in board.folder.rglob("*") if path.is_file() and not path.name.endswith(stays))
        return {str(path): path.read_bytes() for path in found if path.name != "carnet.db"}

    none: Words = []
    files, rows = everything(), board.json("key", "list")
    for words in (
        ["announce", "--all"],
        ["compromise", f"--kid={active}"],
        ["ceremony", "roots", "--threshold", "3"],
    ):
        for given in (none, keys):
            run = board.run("key", *words, *given, "--dry-run")
            assert run.code == exits.OK
            assert "What changes:" in run.out
            assert "Nothing was changed." in run.err
    assert everything() == files
    assert board.json("key", "list") == rows
    assert not (board.data / "ceremony").exists()


def test_sec_24_a_lost_key_is_replaced_in_one_command_where_enough_people_are_there(board: Board) -> None:
    lost = board.signing("machine-file")["active"]
    keys: Words = ["--root-key", board.key("ana"), "--root-key", board.key("cleo")]
    done = board.json("key", "compromise", f"--kid={lost}", *keys)
    assert done["state"] == "installed"
    ((replaced),) = done["replaced"]
    now = board.signing("machine-file")
    assert now == {"compromised": lost, "active": replaced["by"]}
    both = [board.signing(role)["active"] for role in ("token", "answer")]
    done = board.json("key", "compromise", f"--kid={both[0]}", f"--also={both[1]}", *keys)
    assert {each["kid"] for each in done["replaced"]} == set(both)
    assert done["root_version"] == 3
    again = board.run("key", "compromise", f"--kid={lost}", *keys, "--json")
    assert (again.code, again.problem["code"]) == (exits.CONFLICT, "conflict")


def test_sec_21_a_fourth_person_comes_one_goes_and_three_must_sign_from_then_on(board: Board) -> None:
    root = board.data / "root.json"
    (board.folder / "dora").mkdir()
    (board.folder / "dora" / "words").write_text("dora's own words\n")
    secret: Words = ["--root-passphrase-file", board.folder / "dora" / "words"]
    made = carnet("key", "ceremony", "root-key", "--root", root, "--output", board.key("dora"), *secret, "--json")
    assert made.code == exits.OK
    assert made.json["anchor"] == board.made["anchor"] == anchor(root.read_bytes())
    assert "seed" not in json.loads(board.key("dora").read_text())
    again = carnet("key", "ceremony", "root-key", "--root", root, "--output", board.key("dora"), "--json")
    assert again.problem["code"] == "file_exists"

    ana = json.loads(board.key("ana").read_text())["kid"]
    change: Words = ["--add", board.folder / "dora" / "key.json.pub", f"--drop={ana}", "--threshold", "3"]
    begun = board.json("key", "ceremony", "roots", *change)
    assert begun["state"] == "waiting"
    assert any("NEW ROOT KEY" in sentence for sentence in begun["changes"])
    assert any(f"The root key {ana} is dropped" in sentence for sentence in begun["changes"])
    signed = [board.signed_by(name, begun["draft"]) for name in ("ben", "cleo")]
    half = board.run("key", "ceremony", "finish", *signed)
    assert half.code == exits.FAILED  # two of the former root, and only two of the three of the next
    assert made.json["kid"] in half.err
    signed.append(board.signed_by("dora", begun["draft"], *secret))
    assert board.json("key", "ceremony", "finish", *signed)["state"] == "installed"
    assert board.json("key", "list")["root"]["threshold"] == 3

    begun = board.json("key", "announce", "token")
    carried = board.folder / "ana" / "next.json"
    shutil.copy(begun["draft"], carried)
    agreed: Words = ["--yes", "--anchor", board.made["anchor"], "--json"]
    stranger = carnet("key", "ceremony", "sign", carried, "--root-key", board.key("ana"), *agreed)
    assert stranger.problem["code"] == "not_a_root_key"


def test_whoever_signs_is_asked_and_told_what_they_sign_and_sees_another_installation(
    board: Board, tmp_path: Path
) -> None:
    draft = board.json("key", "announce", "token")["draft"]
    asked: Words = ["key", "ceremony", "sign", draft, "--root-key", board.key("ana")]
    nobody = carnet(*asked, "--json")
    assert (nobody.code, nobody.problem["code"]) == (exits.USAGE, "confirmation_needed")
    blind = carnet(*asked, "--yes", "--json")
    assert (blind.code, blind.problem["code"]) == (exits.USAGE, "confirmation_needed")
    other = carnet(*asked, "--yes", "--anchor", "0" * 64, "--json")
    assert other.problem["code"] == "wrong_anchor"
    read = carnet(*asked, "--dry-run")
    assert board.made["anchor"] in read.out
    assert "version 1 becomes version 2" in read.out
    assert not list(Path(draft).parent.glob("*.signed-*"))
    # What was changed on the way is found, whatever it is.
    content = json.loads(Path(draft).read_text())
    bent = tmp_path / "bent.json"
    agreed: Words = ["--yes", "--anchor", board.made["anchor"], "--json"]
    for member, value in (("format", "x"), ("roots", []), ("payload", "e30="), ("signatures", [1]), ("roots", ["{}"])):
        bent.write_text(json.dumps({**content, member: value}))
        run = carnet("key", "ceremony", "sign", bent, "--root-key", board.key("ana"), *agreed)
        assert run.code == exits.FAILED
        assert run.problem["code"]


def test_a_ceremony_that_was_dropped_leaves_the_way_free_and_a_key_that_is_needed_stays(board: Board) -> None:
    keys: Words = ["--root-key", board.key("ana"), "--root-key", board.key("ben")]
    board.json("key", "announce", "token")
    other = board.run("key", "announce", "answer", "--json")
    assert (other.code, other.problem["code"]) == (exits.CONFLICT, "ceremony_pending")
    assert board.json("key", "ceremony", "cancel", "--dry-run")["state"] == "planned"
    assert board.json("key", "ceremony", "cancel")["state"] == "cancelled"
    nothing = board.run("key", "ceremony", "cancel", "--json")
    assert nothing.problem["code"] == "no_ceremony"
    active = board.signing("token")["active"]
    still = board.run("key", "retire", f"--kid={active}", *keys, "--json")
    assert still.problem["code"] == "conflict"
    assert board.run("key", "announce", "--json").problem["code"] == "bad_usage"
    assert board.run("key", "announce", "root", "--json").problem["code"] == "bad_usage"
    elsewhere = board.run("key", "announce", "token", "--location", "ftp://key", "--json")
    assert elsewhere.problem["code"] == "bad_key_location"
    two = board.run("key", "announce", "--all", "--location", "file:x.json", "--json")
    assert two.problem["code"] == "bad_usage"


def test_sealed_root_keys_open_with_the_passphrase_that_is_given_for_any_of_them(tmp_path: Path) -> None:
    board = Board(tmp_path, passphrase="three people, one sentence")
    keys: Words = ["--root-key", board.key("ana"), "--root-key", board.key("ben")]
    locked = board.run("key", "announce", "token", *keys, "--json")
    assert (locked.code, locked.problem["code"]) == (exits.AUTH, "passphrase_needed")
    (tmp_path / "wrong").write_text("another sentence")
    wrong = board.run("key", "announce", "token", *keys, "--root-passphrase-file", tmp_path / "wrong", "--json")
    assert (wrong.code, wrong.problem["code"]) == (exits.AUTH, "wrong_passphrase")
    given: Words = ["--root-passphrase-file", tmp_path / "wrong", "--root-passphrase-file", tmp_path / "words"]
    assert board.json("key", "announce", "token", *keys, *given)["state"] == "installed"


def test_the_same_ceremony_on_postgresql(tmp_path: Path) -> None:
    with on("postgres"):
        board = Board(tmp_path)
        begun = board.json("key", "announce", "--all")
        signed = [board.signed_by(name, begun["draft"]) for name in ("ben", "cleo")]
        assert board.json("key", "ceremony", "finish", *signed)["state"] == "installed"
        board.json("key", "rotate", "--all", CARNET_KEY_ANNOUNCE_SECONDS="0")
        assert board.signing("checkpoint").keys() == {"active", "verify-only"}
        assert read_root((board.data / "root.json").read_bytes()).version == 1


def typed(words: Words, answer: str) -> tuple[int, str]:
    """A real `carnet` in a terminal of its own, in which *answer* is typed; its exit code and what the person saw."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "carnet.cli", *(str(word) for word in words)]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=environment({})) as process:
        os.close(theirs)
        os.write(ours, answer.encode() + b"\n")
        process.communicate(timeout=120)
    seen = b""
    with suppress(OSError):  # the terminal is gone when everything was read
        while more := os.read(ours, 4096):
            seen += more
    os.close(ours)
    return process.returncode, seen.decode()


def test_whoever_signs_types_the_new_version_and_anything_else_signs_nothing(board: Board) -> None:
    draft = board.json("key", "announce", "token")["draft"]
    asked: Words = ["key", "ceremony", "sign", draft, "--root-key", board.key("ana")]
    code, seen = typed(asked, "yes")
    assert code == exits.USAGE
    assert "Is the anchor the one that you wrote down" in seen
    assert "Nothing was signed." in seen
    assert not list(Path(draft).parent.glob("*.signed-*"))
    code, seen = typed(asked, "2")
    assert code == exits.OK
    assert len(list(Path(draft).parent.glob("*.signed-*"))) == 1
