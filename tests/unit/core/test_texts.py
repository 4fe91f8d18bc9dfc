"""Reasons and notices: each has a sentence, a fix and a tone, and tells no more than it was given."""

from __future__ import annotations

import string
from typing import get_args

import pytest

from carnet.core.decision import Action, Reason, Severity
from carnet.core.instant import parse_instant
from carnet.core.notices import NOTICES, notice_for
from carnet.core.reasons import REASONS, REFUSALS, in_days, moment, reason, shown
from carnet.core.rules import PRECEDENCE
from support.decisions import at

SAMPLES = {
    "at": at(5),
    "as_of": at(5),
    "since": at(5),
    "start": at(5),
    "until": at(5),
    "days": 3,
    "grace_days": 2,
    "seats": "2 of 2",
    "product": "hustl",
    "licensed": ("studio", "lite"),
    "domain": "example.com",
    "edition": "lite",
    "version": "3.0",
    "below": "below 3.0",
}


def _names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def _assert_sentence(text: str) -> None:
    assert text[0].isupper()
    assert text.endswith(".")
    for ugly in ("  ", " .", " ,", "{", "}", "()", "None", "..", ",,"):
        assert ugly not in text, text


@pytest.mark.parametrize("code", REASONS)
def test_each_reason_reads_well_with_and_without_its_values(code: str) -> None:
    wanted = _names("".join(REASONS[code]))
    assert wanted <= set(SAMPLES)
    for values in ({}, dict.fromkeys(wanted), {name: SAMPLES[name] for name in wanted}):
        made = reason(code, **values)
        assert made.code == code
        _assert_sentence(made.message)
        _assert_sentence(made.fix)
    told = reason(code, **{name: SAMPLES[name] for name in wanted})
    assert len(told.message + told.fix) > len(reason(code).message + reason(code).fix) or not wanted


def test_a_code_from_a_newer_server_has_a_sentence_too() -> None:
    made = reason("from_the_future")
    assert made == Reason(
        code="from_the_future",
        message="The vendor's server refused this device (from_the_future).",
        fix="Contact the vendor.",
    )
    _assert_sentence(made.message)


def test_sec_39_text_from_outside_cannot_reach_a_terminal_raw() -> None:
    made = reason("wrong_domain", domain="\x1b[2Jevil\n" + "x" * 1000)
    assert made.message.isprintable()
    assert len(made.message) < 200
    assert shown("a" * 100) == "a" * 100
    assert shown("a" * 101) == "a" * 99 + "…"
    assert reason("x\x00\x1b" * 200).message.isprintable()


def test_numbers_and_moments_are_for_people() -> None:
    assert [in_days(days) for days in (0, 1, 2)] == ["0 days", "1 day", "2 days"]
    assert moment(parse_instant("2026-11-22T09:30:59Z")) == "2026-11-22 at 09:30 UTC"
    assert reason("license_expired", grace_days=1).message == "The license expired; 1 day of grace is left."
    assert reason("license_expired", grace_days=3).message == "The license expired; 3 days of grace are left."


def test_each_refusal_that_counts_is_a_reason_and_a_state() -> None:
    assert set(REFUSALS) <= set(REASONS)
    assert set(REFUSALS.values()) <= set(PRECEDENCE)


@pytest.mark.parametrize("code", NOTICES)
def test_each_notice_has_title_text_and_at_least_one_action(code: str) -> None:
    severity, title, text, actions = NOTICES[code]
    assert severity in get_args(Severity)
    assert not title.endswith(".")
    _assert_sentence(text.replace("{message}", "It is so."))
    assert actions
    assert set(actions) <= set(get_args(Action))
    assert len(set(actions)) == len(actions)


def test_each_reason_has_a_notice() -> None:
    assert set(REASONS) <= set(NOTICES)


def test_a_notice_for_a_code_from_elsewhere_is_that_of_its_state() -> None:
    main = Reason(code="bad_signature", message="It was changed.", fix="Copy it again.")
    assert notice_for("not_genuine", "none", main, days_left=None).code == "not_genuine"
    assert notice_for("not_activated", "none", main, days_left=None).code == "not_activated"


def test_a_notice_says_when_the_license_starts() -> None:
    main = reason("license_not_started", start=at(0))
    notice = notice_for("not_started", "none", main, days_left=0)
    assert notice.text == "The license is not valid yet; it starts on 2026-06-01 at 00:00 UTC."
