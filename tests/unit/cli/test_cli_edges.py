"""Odd input, odd streams, odd machines: always a sentence and an exit code, never a traceback."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carnet.cli import exits
from carnet.cli.commands.policy import span
from carnet.cli.inspection.readers import READERS
from carnet.cli.parser import build_parser
from carnet.cli.words import duration, end_of, instant, members, whole
from carnet.core.errors import UsageError
from carnet.core.instant import DAY, MAX_INSTANT
from carnet.formats.bundle import Bundle, write_bundle
from carnet.formats.detect import Kind
from carnet.formats.license_key import ALPHABET
from carnet.formats.root import anchor
from support.cli_runs import carnet, environment
from support.cli_vendor import LICENSE_KEY, machine_file, root_file, token, write
from support.decisions import grant


def process(command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A shell line in which `carnet` is our command."""
    script = f'carnet() {{ "{sys.executable}" -m carnet.cli "$@"; }}\n{command}'
    return subprocess.run(
        ["bash", "-c", script], env=environment(env), capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("carnet key heal --license-key-stdin <&-", exits.USAGE),
        ("carnet key heal <&-", exits.USAGE),
        ("printf '\\xff\\xfe\\x00' | carnet key heal --license-key-stdin", exits.FAILED),
        ("head -c 100000 /dev/zero | carnet key heal --license-key-stdin", exits.USAGE),
        ("carnet key heal --license-key-file /dev/zero", exits.USAGE),
        ("carnet key heal --license-key-file /", exits.FAILED),
        ("carnet inspect /", exits.FAILED),
        ("carnet inspect /dev/zero", exits.FAILED),
        ("carnet inspect $'\\xff\\xfe'", exits.NOT_FOUND),
        ("carnet --help > /dev/full", exits.FAILED),
        ("carnet policy presets --json >&-", exits.OK),
    ],
)
def test_odd_streams_and_files_end_in_a_sentence(command: str, code: int) -> None:
    done = process(command)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "internal_error" not in done.stderr
    assert "defect" not in done.stderr


def test_a_terminal_without_unicode_gets_ascii(tmp_path: Path) -> None:
    file = write(tmp_path, "token", token(grant()))
    root = write(tmp_path, "root.json", root_file())
    words = f"verify {file} --root {root} --product hustl --fingerprint x --at 2027-01-01T00:00:00Z"
    done = process(f"carnet {words}", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.returncode == exits.DENIED
    assert "+-----" in done.stdout
    assert done.stdout.isascii()


def test_a_defect_is_one_sentence_unless_somebody_debugs(monkeypatch: pytest.MonkeyPatch) -> None:
    from carnet.cli.commands import key

    def broken(*_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(key, "_heal", broken)
    run = carnet("key", "heal", "--json")
    assert (run.code, run.out, run.problem["code"]) == (exits.FAILED, "", "internal_error")
    with pytest.raises(ZeroDivisionError):
        carnet("key", "heal", env={"CARNET_DEBUG": "1"})


def test_r_80_key_heal_shows_what_was_meant() -> None:
    exact = carnet("key", "heal", "--license-key-stdin", "--json", stdin=f"{LICENSE_KEY.lower()}\n")
    assert exact.json == {"exact": True, "key": LICENSE_KEY, "changes": []}
    position = 0
    typed = ALPHABET[(ALPHABET.index(LICENSE_KEY[position]) + 1) % 32] + LICENSE_KEY[1:]
    healed = carnet("key", "heal", "--license-key-stdin", "--json", stdin=typed)
    assert (healed.code, healed.json["exact"], healed.json["key"]) == (exits.OK, False, LICENSE_KEY)
    assert healed.json["changes"] == [{"position": 1, "typed": typed[0], "corrected": LICENSE_KEY[0]}]
    text = carnet("key", "heal", "--license-key-stdin", stdin=typed)
    assert text.out == f"{LICENSE_KEY}\n"
    assert f"symbol 1: {LICENSE_KEY[0]} instead of {typed[0]}" in text.err
    assert f"[{LICENSE_KEY[0]}]{LICENSE_KEY[1:]}" in text.err
    left_out = carnet("key", "heal", "--license-key-stdin", stdin=LICENSE_KEY[1:])
    assert "was left out" in left_out.err
    foreign = carnet("key", "heal", "--license-key-stdin", stdin="FOREIGN-KEY-1")
    assert (foreign.code, foreign.out) == (exits.FAILED, "")


def test_inspect_shows_what_a_file_says_and_no_more(tmp_path: Path) -> None:
    def about(content: str) -> dict[str, object]:
        return carnet("inspect", write(tmp_path, "file", content), "--json").json

    seen = about(token(grant()))
    assert (seen["kind"], seen["bytes"]) == ("token", len(token(grant())))
    claims = seen["claims"]
    assert isinstance(claims, dict)
    assert claims["exp"] == str(grant().offline_until)
    assert about(machine_file(grant()))["contents"] == "encrypted for one device and one license key"
    assert about(root_file())["anchor"] == anchor(root_file())
    bundled = about(write_bundle(Bundle(roots=(root_file(),), token=token(grant()))))
    assert isinstance(bundled["token"], dict)
    assert bundled["token"]["kind"] == "token"
    assert about(LICENSE_KEY)["ends_with"] == LICENSE_KEY[-4:]
    text = carnet("inspect", write(tmp_path, "file", LICENSE_KEY))
    assert LICENSE_KEY not in text.out + text.err
    assert carnet("inspect", write(tmp_path, "file", "nothing")).code == exits.FAILED


def test_inspect_knows_every_kind_that_can_be_told() -> None:
    assert set(READERS) == set(get_args(Kind))


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("12h", 43200), ("4w", 28 * DAY)])
def test_durations_are_read(text: str, seconds: int) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0d", "-1d", "1.5h", "1y", "d", "1 d", "٣d", "1" * 13])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        duration(text)


@pytest.mark.parametrize(
    ("day", "end"),
    [
        ("2028-02-29", "2028-03-01T12:00:00Z"),
        ("2026-12-31", "2027-01-01T12:00:00Z"),
        ("2038-01-19", "2038-01-20T12:00:00Z"),
        ("2106-02-07", "2106-02-08T12:00:00Z"),
        ("9999-12-31", "9999-12-31T23:59:59Z"),
    ],
)
def test_rel_15_the_end_of_a_day(day: str, end: str) -> None:
    assert str(end_of(day)) == end
    assert end_of("9999-12-31") == MAX_INSTANT
    assert str(end_of(end)) == end


def test_numbers_and_times_have_bounds() -> None:
    assert whole(1, 5)("5") == 5
    for text in ("0", "6", "", "x", "-1", "1e3", "٣"):
        with pytest.raises(argparse.ArgumentTypeError):
            whole(1, 5)(text)
    with pytest.raises(argparse.ArgumentTypeError):
        instant("2026-11-22")


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T09:30:00Z",
        "2026-11-22T09:30:00+00:00",
        "2026-11-22T09:30:00-00:00",
        "2026-11-22t09:30:00z",
        "2026-11-22T09:30:00.999999Z",
        "2026-11-22T11:00:00+01:30",
        "2026-11-21T23:30:00-10:00",
        "2026-11-23T09:29:00+23:59",
    ],
)
def test_times_are_read_in_every_spelling_of_rfc_3339(text: str) -> None:
    assert str(instant(text)) == "2026-11-22T09:30:00Z"
    assert end_of(text) == instant(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T09:30:00",
        "2026-11-22T09:30:00+0100",
        "2026-11-22T09:30:00+24:00",
        "2026-11-22T09:30:00+01:60",
        "2026-11-22T09:30:60Z",
        "2026-02-30T09:30:00+01:00",
        "2026-11-22T09:30:00.Z",
        "2026-11-22T09:30:00Z\n",
        "1970-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "٢026-11-22T09:30:00Z",
    ],
)
def test_what_is_no_time_of_rfc_3339_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        instant(text)
    with pytest.raises(argparse.ArgumentTypeError):
        end_of(text)


def test_members_are_json_or_text() -> None:
    read = members(["seat_limit=5", "edition=pro", 'essential=["a"]', "below_version=null", "name=a=b"])
    assert read == {"seat_limit": 5, "edition": "pro", "essential": ["a"], "below_version": None, "name": "a=b"}
    for bad in (["x"], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(UsageError):
            members(bad)


def test_spans_are_said_as_people_say_them() -> None:
    assert [span(s) for s in (DAY, 7 * DAY, 3600, 90, 60)] == ["1 day", "7 days", "1 hour", "90 seconds", "1 minute"]


HARMLESS = ("key", "verify", "inspect", "status", "fingerprint", "policy", "refresh", "activate", "nonsense")
WORDS = sorted({option for action in build_parser()._actions for option in action.option_strings})
ARGUMENTS = st.lists(
    st.one_of(
        st.sampled_from(
            [*WORDS, "heal", "presets", "--root", "--product", "hustl", "--at", "--timeout", "1", "-", "--", "--json"]
        ),
        st.text(max_size=12),
    ),
    max_size=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(command=st.sampled_from(HARMLESS), words=ARGUMENTS, stdin=st.text(max_size=40))
def test_whatever_is_typed_there_is_an_exit_code_and_no_traceback(
    tmp_path: Path, command: str, words: list[str], stdin: str
) -> None:
    env = {"CARNET_STATE": str(tmp_path), "CARNET_SERVER": "http://127.0.0.1:9", "CARNET_DEVICE_ID": "fuzz-device"}
    run = carnet(command, *words, stdin=stdin.encode("utf-8", "replace").decode(), env=env)
    known = {code for code, _ in exits.MEANINGS}
    assert run.code in known
    assert "Traceback" not in run.err
    assert "defect" not in run.err
