"""No text is missing in any language, placeholders match, plurals are right, and English is the core's own."""

from __future__ import annotations

import string
from typing import get_args

import pytest

from carnet.core._base import replace
from carnet.core.decision import Decision, Notice
from carnet.core.instant import DAY
from carnet.core.notices import LIMITED_MODE, NOTICES, notice_for
from carnet.core.reasons import REASONS, reason
from carnet.core.rules import decide
from carnet.ui.texts import LANGUAGES, Catalog, catalog_for, language_of
from carnet.ui.texts.catalog import Button, Phrase, Text
from support.decisions import HOST, at, evidence, grant, refusal

CATALOGS = [catalog_for(language) for language in LANGUAGES]
ENGLISH = catalog_for("en")
OTHERS = [catalog for catalog in CATALOGS if catalog is not ENGLISH]
FULL = decide(evidence(grant()), at(0), HOST)


def forms(text: Text) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def buttons_of(kind: object) -> set[str]:
    return {name for each in get_args(kind) for name in (buttons_of(each) if not isinstance(each, str) else {each})}


def check_same_placeholders(text: Text, english: Text) -> None:
    expected = {"starts" if name == "message" else name for name in names(forms(english)[-1])}
    for form in forms(text):
        assert {"starts" if name == "message" else name for name in names(form)} == expected, text
    assert isinstance(text, str) == isinstance(english, str), text


@pytest.mark.parametrize("catalog", CATALOGS, ids=LANGUAGES)
def test_no_text_is_missing_and_none_is_too_much(catalog: Catalog) -> None:
    assert set(catalog.notices) == set(NOTICES)
    assert set(catalog.buttons) == buttons_of(Button)
    assert set(catalog.phrases) == set(get_args(Phrase))
    assert len({catalog.date(2026, month, 1) for month in range(1, 13)}) == 12


@pytest.mark.parametrize("catalog", CATALOGS, ids=LANGUAGES)
def test_every_text_has_the_placeholders_and_plural_forms_of_the_english_one(catalog: Catalog) -> None:
    for code, (title, text) in catalog.notices.items():
        check_same_placeholders(title, ENGLISH.notices[code][0])
        check_same_placeholders(text, ENGLISH.notices[code][1])
    for phrase, words in catalog.phrases.items():
        check_same_placeholders(words, ENGLISH.phrases[phrase])
    texts = [*catalog.phrases.values(), *(each for pair in catalog.notices.values() for each in pair)]
    for text in texts:
        if not isinstance(text, str):
            assert len(text) == catalog.forms
            assert len(set(text)) == catalog.forms
        for form in forms(text):
            assert form.strip() == form
            assert "  " not in form


@pytest.mark.parametrize("catalog", OTHERS, ids=LANGUAGES[1:])
def test_nothing_was_left_in_english(catalog: Catalog) -> None:
    same = {
        *(code for code, texts in catalog.notices.items() if set(texts) & set(ENGLISH.notices[code])),
        *(button for button, text in catalog.buttons.items() if text == ENGLISH.buttons[button]),
        *(phrase for phrase, text in catalog.phrases.items() if text == ENGLISH.phrases[phrase]),
    }
    assert same <= {"icon_info"}  # Information


def test_the_check_for_placeholders_has_teeth() -> None:
    for text in ("In {days}", ("{n} Tag", "Tage"), "{n} Tage"):
        with pytest.raises(AssertionError):
            check_same_placeholders(text, ("{n} day", "{n} days"))


@pytest.mark.parametrize("access", ["full", "limited", "none"])
@pytest.mark.parametrize("state", ["grace", "expiring", "expired", "not_started"])
@pytest.mark.parametrize("code", sorted({*REASONS, "does_not_open"}))
def test_english_says_exactly_what_the_core_says(code: str, state: str, access: str) -> None:
    main = reason(code, start=at(5), days=3)
    for days in (0, 1, 2, 11):
        notice = notice_for(state, access, main, days_left=days)  # type: ignore[arg-type]
        decision = replace(
            FULL,
            state=state,
            access=access,
            reasons=(main,),
            notice=notice,
            days_left=days,
            license_expires_at=at(days * DAY),
        )
        assert ENGLISH.notice(decision) == notice


def spoken(decision: Decision, language: str) -> Notice:
    notice = catalog_for(language).notice(decision)
    assert notice is not None
    return notice


@pytest.mark.parametrize(
    ("language", "days", "title"),
    [
        ("de", 1, "Offline-Lizenz läuft in 1 Tag ab"),
        ("de", 3, "Offline-Lizenz läuft in 3 Tagen ab"),
        ("fr", 1, "La licence hors ligne expire dans 1 jour"),
        ("fr", 2, "La licence hors ligne expire dans 2 jours"),
        ("en", 1, "Offline license expires in 1 day"),
        ("en", 10, "Offline license expires in 10 days"),
    ],
)
def test_plural_forms_are_right(language: str, days: int, title: str) -> None:
    assert spoken(decide(evidence(grant()), at((30 - days) * DAY), HOST), language).title == title


def test_zero_is_singular_in_french_and_plural_elsewhere() -> None:
    assert catalog_for("fr").say("badge_ending_days", n=0) == "Expire dans 0 jour"
    assert catalog_for("de").say("badge_ending_days", n=0) == "Läuft in 0 Tagen ab"
    assert catalog_for("en").say("badge_ending_days", n=0) == "Expires in 0 days"


def test_a_notice_in_another_language_keeps_code_severity_and_actions() -> None:
    decision = decide(evidence(grant()), at(33 * DAY), HOST)
    german, own = spoken(decision, "de"), decision.notice
    assert own is not None
    assert (german.code, german.severity, german.actions) == (own.code, own.severity, own.actions)
    assert german.text.split("\n\n")[1:] == [
        "Eingeschränkter Modus: Vorhandene Projekte lassen sich weiterhin öffnen.",
        "Sie haben noch 4 Tage Zeit, sich zu verbinden.",
    ]
    assert LIMITED_MODE in own.text
    assert catalog_for("de").notice(FULL) is None


def test_when_a_license_starts_is_told_in_every_language() -> None:
    early = decide(evidence(grant(license_starts_at=at(40 * DAY))), at(DAY), HOST)
    assert spoken(early, "de").text == "Diese Lizenz ist noch nicht gültig. Sie beginnt am 11. Juli 2026."
    assert spoken(early, "fr").text == "Cette licence n\u2019est pas encore valable. Elle commence le 11 juillet 2026."
    refused = decide(evidence(refusals=(refusal("license_not_started", 5),)), at(DAY), HOST)
    assert spoken(refused, "de").text == "Diese Lizenz ist noch nicht gültig."


def test_a_notice_of_a_newer_core_is_told_by_its_state_or_in_its_own_words() -> None:
    notice = Notice(code="from_the_future", severity="error", title="?", text="?")
    revoked = replace(FULL, state="revoked", access="none", notice=notice, reasons=())
    assert spoken(revoked, "de") == notice
    suspect = replace(FULL, state="clock_suspect", access="limited", notice=notice, reasons=())
    assert spoken(suspect, "de").title == "Bitte die Uhr prüfen"


@pytest.mark.parametrize(
    ("seconds", "english", "german", "french"),
    [
        (0, "Licensed · 30 days offline", "Lizenziert · 30 Tage offline", "Sous licence · 30 jours hors ligne"),
        (27 * DAY, "Expires in 3 days", "Läuft in 3 Tagen ab", "Expire dans 3 jours"),
        (
            36 * DAY,
            "Expired · 1 day of grace left",
            "Abgelaufen · noch 1 Tag Frist",
            "Expirée · encore 1 jour de grâce",
        ),
        (37 * DAY, "License required", "Lizenz erforderlich", "Licence requise"),
    ],
)
def test_the_badge_has_words_in_every_language(seconds: int, english: str, german: str, french: str) -> None:
    decision = decide(evidence(grant()), at(seconds), HOST)
    assert [catalog.badge(decision) for catalog in CATALOGS] == [english, german, french]


def test_the_other_badges_have_words_too() -> None:
    without_end = decide(evidence(grant(offline_until=None)), at(0), HOST)
    limited = decide(evidence(grant(max_revocation_age_seconds=DAY)), at(9 * DAY), HOST)
    endless = decide(evidence(grant(max_revocation_age_seconds=DAY, offline_until=None)), at(9 * DAY), HOST)
    term = decide(evidence(grant(license_expires_at=at(20 * DAY))), at(0), HOST)
    shown = [ENGLISH.badge(each) for each in (without_end, limited, endless, term, decide(evidence(), at(0), HOST))]
    assert shown == [
        "Licensed",
        "Limited mode · 21 days left",
        "Limited mode",
        "Licensed · 20 days left",
        "Not activated",
    ]


@pytest.mark.parametrize(
    ("language", "expected"),
    [(None, "en"), ("", "en"), ("de", "de"), ("de-AT", "de"), ("fr_CA.UTF-8", "fr"), ("DE.utf8", "de"), ("nl", "en")],
)
def test_the_nearest_catalogue_is_found(language: str | None, expected: str) -> None:
    assert catalog_for(language).language == expected


@pytest.mark.parametrize(
    ("environ", "system", "expected"),
    [
        ({}, None, "en"),
        ({}, "de_DE", "de"),
        ({"LANG": "fr_FR.UTF-8"}, "de_DE", "fr"),
        ({"LANG": "fr_FR.UTF-8", "LC_MESSAGES": "de_DE"}, None, "de"),
        ({"LC_ALL": "C", "LANG": "de_DE"}, "de_DE", "en"),
        ({"LC_ALL": "C.UTF-8"}, "de_DE", "en"),
        ({"LANGUAGE": "fr:de", "LC_ALL": "de_DE"}, None, "fr"),
        ({"LANGUAGE": "", "LANG": "de_DE"}, None, "de"),
    ],
)
def test_the_language_of_a_process_is_found_as_gettext_does(
    environ: dict[str, str], system: str | None, expected: str
) -> None:
    assert language_of(environ, system) == expected


def test_dates_are_written_as_people_do() -> None:
    assert [catalog.day(at(0)) for catalog in CATALOGS] == ["1 June 2026", "1. Juni 2026", "1er juin 2026"]
    assert ENGLISH.day(at(0), -1) == "31 May 2026"
