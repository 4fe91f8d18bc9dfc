"""The manners of the command: usage errors, secrets, streams, exit codes."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from carnet.cli import exits
from carnet.cli.output import Output, as_json, facts, plain, table, when
from carnet.cli.parser import build_parser, command_in
from carnet.core.decision import Decision, Reason, Refused
from carnet.core.errors import (
    DoesNotOpenError,
    MalformedError,
    NotGenuineError,
    RefusedError,
    StateError,
    TransportError,
    UsageError,
)
from carnet.core.instant import Instant
from support.cli_runs import carnet, carnet_process, environment

KEY = "AB3DE-FGH12-JKMN3-PQRS4-TVWX5"


def test_no_command_prints_the_overview_and_is_a_usage_error() -> None:
    run = carnet()
    assert run.code == exits.USAGE
    assert "usage: carnet" in run.err
    assert run.out == ""


def test_help_is_data_and_names_every_command() -> None:
    run = carnet("--help")
    assert (run.code, run.err) == (exits.OK, "")
    for name in ("init", "serve", "license", "activate", "status", "verify", "demo", "prepare-offline"):
        assert f"  {name}" in run.out


def test_version_is_one_line() -> None:
    run = carnet("--version")
    assert (run.code, run.out) == (exits.OK, "carnet 0.1.0\n")
    assert carnet("--version", "--json").json == {"version": "0.1.0"}


def test_a_mistyped_command_gets_the_nearest_ones() -> None:
    run = carnet("activat")
    assert run.code == exits.USAGE
    assert "activate" in run.err
    assert "Traceback" not in run.err


@pytest.mark.parametrize("words", [("--nonsense",), ("key", "heal", "--nonsense"), ("key",), ("key", "nonsense")])
def test_a_usage_error_is_two_short_lines_and_exit_2(words: tuple[str, ...]) -> None:
    run = carnet(*words)
    assert run.code == exits.USAGE
    assert run.out == ""
    assert run.err.startswith("carnet: ")
    assert len(run.err.splitlines()) <= 2


def test_a_usage_error_in_json_is_one_problem_object_on_stderr() -> None:
    run = carnet("key", "--json")
    assert run.code == exits.USAGE
    assert run.problem["code"] == "bad_usage"
    assert run.problem["retryable"] is False
    assert {"type", "detail", "fix"} <= set(run.problem)


@pytest.mark.parametrize(
    "words",
    [
        ("key", "heal", KEY),
        ("key", "heal", "--license-key", KEY),
        ("key", "heal", f"--license-key={KEY}"),
        ("key", KEY),
        (KEY,),
        ("key", "heal", f"--{KEY}"),
    ],
)
def test_sec_33_a_key_on_the_command_line_is_refused_and_never_repeated(words: tuple[str, ...]) -> None:
    run = carnet(*words)
    assert run.code == exits.USAGE
    assert "FGH12" not in run.err + run.out


def test_a_key_as_an_argument_is_refused_with_the_reason_and_the_safe_ways() -> None:
    run = carnet("key", "heal", KEY)
    assert "every process" in run.err
    assert "--license-key-stdin" in run.err


def test_json_may_stand_before_the_command() -> None:
    assert carnet("--json", "key").problem["code"] == "bad_usage"


def test_every_command_is_configured_and_takes_json() -> None:
    parser = build_parser()
    assert "--json" in parser.format_help()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("bad_usage", "x"), exits.USAGE),
        (UsageError("already_initialised", "x"), exits.CONFLICT),
        (MalformedError("bad_json", "x"), exits.FAILED),
        (NotGenuineError("bad_signature", "x"), exits.FAILED),
        (DoesNotOpenError("does_not_open", "x"), exits.FAILED),
        (StateError("state_unwritable", "x"), exits.FAILED),
        (StateError("wrong_passphrase", "x"), exits.AUTH),
        (TransportError("unreachable", "x"), exits.OFFLINE),
        (TransportError("license_not_found", "x"), exits.OFFLINE),
        (RefusedError("license_not_found", "x"), exits.NOT_FOUND),
        (RefusedError("license_revoked", "x"), exits.DENIED),
        (RefusedError("seat_limit_reached", "x"), exits.DENIED),
        (RefusedError("edition_mismatch", "x"), exits.DENIED),
        (RefusedError("idempotency_mismatch", "x"), exits.CONFLICT),
    ],
)
def test_each_error_has_its_exit_code(error: Exception, code: int) -> None:
    from carnet.core.errors import CarnetError

    assert isinstance(error, CarnetError)
    assert exits.of_error(error) == code


@pytest.mark.parametrize(
    ("state", "access", "code"),
    [
        ("active", "full", 0),
        ("grace", "limited", 0),
        ("expired", "none", 5),
        ("not_activated", "none", 5),
        ("wrong_device", "none", 5),
        ("not_genuine", "none", 1),
    ],
)
def test_a_decision_is_an_exit_code(state: str, access: str, code: int) -> None:
    decision = Decision(state=state, access=access, reasons=(), product="p", checked_at=Instant(0))  # type: ignore[arg-type]
    assert exits.of_decision(decision) == code


def test_users_ask_65_a_refusal_shows_every_reason_with_its_fix() -> None:
    reasons = (
        Reason(code="license_revoked", message="It was revoked.", fix="Ask."),
        Reason(code="b", message="B.", fix="C."),
    )
    refused = Refused(code="license_revoked", reasons=reasons)
    talk = io.StringIO()
    assert Output(stdout=io.StringIO(), stderr=talk).refused(refused) == exits.DENIED
    text = talk.getvalue()
    assert all(word in text for word in ("It was revoked.", "Ask.", "B.", "C."))
    talk = io.StringIO()
    Output(json=True, stdout=io.StringIO(), stderr=talk).refused(refused)
    assert [r["code"] for r in json.loads(talk.getvalue())["reasons"]] == ["license_revoked", "b"]


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\u202eb", "a\\u202eb"),
        ("a\x9bb", "a\\x9bb"),
        ("a\rb", "a\\rb"),
        ("Zoë 山", "Zoë 山"),
    ],
)
def test_sec_39_text_of_others_cannot_move_the_cursor(hostile: str, shown: str) -> None:
    assert plain(hostile) == shown
    assert facts([("name", hostile)]) == f"name  {shown}"
    assert shown in table(["name"], [[hostile]], "none")
    assert as_json({"name": hostile}).isprintable()


def test_tables_line_up_and_say_when_they_are_empty() -> None:
    assert table(["id", "name"], [["a", "x"], ["bcd", None]], "nothing").splitlines() == [
        "id   name",
        "a    x",
        "bcd  -",
    ]
    assert table(["id"], [], "nothing") == "nothing"
    assert when(None) == "never"
    assert when(Instant(0)) == "1970-01-01 00:00 UTC"


def test_colour_follows_the_stream_and_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert Output(stdout=Terminal()).style("x", "red") == "\x1b[31mx\x1b[0m"
    assert Output(stdout=io.StringIO()).style("x", "red") == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Output(stdout=Terminal()).style("x", "red") == "x"


def test_a_reader_that_leaves_early_causes_no_complaint() -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m carnet.cli --help | true"],
        env=environment({}),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stderr == ""


def test_a_real_process_has_the_same_exit_code() -> None:
    run = carnet_process("nonsense")
    assert run.code == exits.USAGE
    assert "There is no command" in run.err


def test_an_option_before_the_command_does_not_hide_it() -> None:
    assert command_in(["--json", "status"]) == "status"
    assert command_in(["--json"]) is None
