"""A number before its unit: singular for one, plural for everything else."""

from __future__ import annotations

import json

import pytest

from carnet.cli.commands.policy import span
from carnet.core.quantities import how_many
from carnet.server.api.problems import RateLimitedError, rate_limited
from carnet.server.domain.limits.rules import Limit


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 seconds"), (1, "1 second"), (2, "2 seconds"), (1000, "1,000 seconds")],
)
def test_one_is_one_second_and_nothing_else_is(count: int, text: str) -> None:
    assert how_many(count, "second") == text


def test_a_plural_of_its_own_is_taken() -> None:
    assert [how_many(count, "entry", "entries") for count in (0, 1, 2)] == ["0 entries", "1 entry", "2 entries"]


@pytest.mark.parametrize(("seconds", "text"), [(1, "Wait 1 second"), (2, "Wait 2 seconds")])
def test_who_has_to_wait_one_second_is_told_so(seconds: int, text: str) -> None:
    limit = Limit(name="calls", count=1, seconds=1)
    assert text in json.loads(bytes(rate_limited(limit, seconds).content))["detail"]
    assert text in RateLimitedError(limit, seconds).fix


def test_a_rule_of_one_second_is_shown_so() -> None:
    assert [span(1), span(90), span(60), span(86400)] == ["1 second", "90 seconds", "1 minute", "1 day"]
