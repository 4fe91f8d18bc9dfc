"""Tests for faults that tools/mutants.py planted and the other tests did not notice at first."""

from __future__ import annotations

import pytest

from carnet.core.decision import Evidence, Host
from carnet.core.errors import MalformedError
from carnet.core.instant import Instant
from carnet.core.model import Refusal
from carnet.core.reasons import LICENSE_REFUSALS
from carnet.core.rules import decide
from carnet.formats.base32_groups import are_groups, locate_typing_errors, read_groups
from carnet.formats.compact import remembered_text, write_text
from carnet.formats.encoding import read_kindly
from carnet.formats.key_strength import _alphabet
from carnet.formats.license_key import heal_license_key
from carnet.formats.machine_included import MODES, included_license
from carnet.formats.signed_key import issue_signed_key
from support import machine_files, signed_keys, tokens

KEY = machine_files.LICENSE_KEY.replace("-", "")


@pytest.mark.parametrize("place", [7, 11, 15, 19])
def test_a_symbol_that_was_left_out_is_shown_at_its_place_counted_from_1(place: int) -> None:
    healed = heal_license_key(KEY[:place] + KEY[place + 1 :])
    assert healed is not None
    assert healed.key == machine_files.LICENSE_KEY
    assert [(change.position, change.typed, change.corrected) for change in healed.changes] == [
        (place + 1, "", KEY[place])
    ]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_up_to_three_groups_too_many_or_too_few_are_located(count: int) -> None:
    groups = issue_signed_key(signed_keys.key_grant(), signed_keys.SIGNER).split("-")
    longer = locate_typing_errors("-".join([*groups[5 : 5 + count], *groups]))
    assert [(error.group, error.problem) for error in longer] == [(1, "group_extra")] * count
    shorter = locate_typing_errors("-".join([*groups[:5], *groups[5 + count :]]))
    assert [(error.group, error.problem) for error in shorter] == [(6 + n, "group_missing") for n in range(count)]


@pytest.mark.parametrize(("license_id", "activation_id"), [("license-1", None), (None, "activation-1")])
def test_a_refusal_names_the_license_or_the_activation(license_id: str | None, activation_id: str | None) -> None:
    refusal = Refusal(
        id="r",
        code="license_revoked",
        at=Instant(tokens.ISSUED_AT + 60),
        product="hustl",
        license_id=license_id,
        activation_id=activation_id,
        device=None,
    )
    assert "license_revoked" in LICENSE_REFUSALS
    evidence = Evidence(grants=(tokens.GRANT,), refusals=(refusal,), device=tokens.DEVICE)
    host = Host(product="hustl", edition="studio", app_version="1.0", domain="example.com")
    assert decide(evidence, Instant(tokens.ISSUED_AT + 120), host).state == "revoked"


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_of_an_included_license_is_read(mode: str) -> None:
    included = machine_files.contract_claims(included=True)["included"]
    included[0]["attributes"]["mode"] = mode
    read = included_license(included, machine_files.LICENSE_KEY, "hustl", machine_files.GRANT.license_expires_at)
    assert read is not None
    assert read["plan_key"] == "studio"


def test_a_remembered_text_is_written_as_any_other() -> None:
    assert remembered_text("studio") == remembered_text("studio") == write_text("studio") != b""


def test_letters_of_both_cases_are_estimated_lower_than_with_digits() -> None:
    """As in specs/machine-file.md §4.2: 52 letters, 62 with digits."""
    assert _alphabet("aBcD") == 52
    assert _alphabet("aBc4") == 62
    assert (_alphabet("abcz"), _alphabet("abz4"), _alphabet("0aF".lower()), _alphabet("0123")) == (26, 32, 16, 10)


def groups_of(count: int, right: int) -> str:
    """Groups that are far from their places, but for the first *right*: none of the others fits there."""
    groups = issue_signed_key(signed_keys.key_grant(**signed_keys.FACTS), signed_keys.SIGNER).split("-")[:count]
    return "".join((*groups[:right], *("U" * 8 for _ in groups[right:])))


def test_half_of_the_groups_at_their_place_are_groups_and_fewer_are_none() -> None:
    assert [are_groups(groups_of(8, right)) for right in (3, 4, 8)] == [False, True, True]
    assert [are_groups(groups_of(1, right)) for right in (0, 1)] == [False, True]
    assert not are_groups("")
    # A group too few in front: the first of what is left stands one place early, the last one at the very end.
    key = groups_of(4, 4)
    assert are_groups(key[8:24])


def test_a_refusal_names_eight_groups_and_says_that_there_are_more() -> None:
    groups = issue_signed_key(signed_keys.key_grant(**signed_keys.FACTS), signed_keys.SIGNER).split("-")
    for wrong, more in ((8, False), (9, True)):
        changed = [group[:-1] + "U" if place < wrong else group for place, group in enumerate(groups)]
        with pytest.raises(MalformedError, match="look at group 1, 2, 3, 4, 5, 6, 7, 8") as refused:
            read_groups("-".join(changed))
        assert ("and more" in str(refused.value)) is more


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (b"a\n", b"a"),
        (b"a \nb", b"a\nb"),
        (b"a\n b", b"a\nb"),
        (b"a\nb \nc", b"a\nb\nc"),
        (b"\na b\n", b"a b"),
        (b"a b", b"a b"),
        (b"a\nb\n ", b"a\nb"),
        (b" \na", b"a"),
        (b"\na\n b", b"a\nb"),
        (b"a\n\tb\nc", b"a\nb\nc"),
        (b"a\nb\n c", b"a\nb\nc"),
    ],
)
def test_blanks_at_the_edges_of_every_line_go_and_no_others(typed: bytes, read: bytes) -> None:
    assert read_kindly(typed) == read
