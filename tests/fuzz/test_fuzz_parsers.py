"""SEC-11: every parser of outside bytes, attacked by a campaign in its own process; docs/security/attacks.md."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from carnet.core._base import replace
from carnet.core.errors import MalformedError
from support.attack_judging import ACCEPTED, UndocumentedError, documented_codes, outcome_of
from support.attack_mutators import Mutator
from support.attack_parsers import PARSERS
from support.campaigns import LONG

CAMPAIGN = Path(__file__).with_name("campaign.py")
GUIDED = importlib.util.find_spec("atheris") is not None
RUNS = 10_000_000 if LONG else 200_000


@pytest.mark.timeout(0 if LONG else 1200)
@pytest.mark.parametrize("name", PARSERS)
def test_sec_11_no_input_makes_a_parser_do_anything_undocumented(name: str) -> None:
    engine = "atheris" if GUIDED else "random"
    arguments = [sys.executable, str(CAMPAIGN), name, "--runs", str(RUNS), "--engine", engine]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    report = json.loads(done.stdout.splitlines()[-1])
    sys.stdout.write(f"{name}: {done.stdout}")
    assert report["runs"] == RUNS
    assert report["peak_mib"] < 256
    assert report["outcomes"][ACCEPTED] > 0  # the campaign also reached what comes after every check
    if PARSERS[name].opinion is not None:
        assert report["compared"] > report["runs"] // 10


@pytest.mark.skipif(not GUIDED, reason="atheris is not installed here: the campaigns run without coverage as a guide")
def test_the_campaigns_are_guided_by_coverage() -> None:
    done = subprocess.run(
        [sys.executable, str(CAMPAIGN), "strict JSON", "--runs", "2000"], capture_output=True, text=True, check=True
    )
    assert "Instrumenting carnet.formats.strict_json" in done.stderr + done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["engine"] == "atheris"


def test_every_parser_takes_its_genuine_inputs() -> None:
    assert len(PARSERS) >= 8
    for name, parser in PARSERS.items():
        assert outcome_of(parser, parser.seeds[0]) == ACCEPTED, name


def test_every_refusal_of_a_campaign_is_a_code_of_the_page() -> None:
    assert len(documented_codes()) > 100

    def refuses(code: str, sentence: str = "x") -> None:
        raise MalformedError(code, sentence, "y")

    parser = PARSERS["answer"]
    assert outcome_of(replace(parser, read=lambda _: refuses("bad_json")), b"") == "bad_json"
    for planted in (lambda _: refuses("never_documented"), lambda _: refuses("bad_json", "")):
        with pytest.raises(UndocumentedError):
            outcome_of(replace(parser, read=planted), b"")
    with pytest.raises(KeyError):
        outcome_of(replace(parser, read=lambda _: PARSERS["planted"]), b"")


@pytest.mark.parametrize("name", [name for name, parser in PARSERS.items() if parser.opinion is not None])
def test_the_second_reader_takes_and_refuses_what_the_first_does(name: str) -> None:
    parser, mutator = PARSERS[name], Mutator(Random(7))  # noqa: S311 - the same inputs in every run
    assert parser.opinion is not None
    outcomes = []
    for _ in range(300):
        data = parser.craft(mutator)
        outcomes.append(outcome_of(parser, data) == ACCEPTED)
        assert parser.opinion(data) == outcomes[-1], data
    assert not all(outcomes)
