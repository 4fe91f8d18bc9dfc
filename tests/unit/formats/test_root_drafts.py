"""Drafts of a next root: what is carried to those who sign, and what a reader believes of it (nothing)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.errors import CarnetError, NotGenuineError, UsageError
from carnet.core.instant import DAY, Instant
from carnet.formats.dsse import EnvelopeSignature
from carnet.formats.encoding import b64_decode, b64_encode
from carnet.formats.keys import Ed25519Signer
from carnet.formats.root import anchor, next_root, read_root, sign_root
from carnet.formats.root_draft import (
    RootDraft,
    draft_of,
    needed,
    read_draft,
    root_file_of,
    sign_draft,
    with_signatures,
    write_draft,
)
from carnet.formats.strict_json import dump_json
from support.roots import EXPIRES_AT, ISSUED_AT, KEYS, ROOT_SIGNERS, root_of

STRANGER = Ed25519Signer(b"s" * 32)
THREE = tuple(signer.public_key for signer in ROOT_SIGNERS)


def two_of_three(version: int = 1, **change: Any) -> Any:
    return root_of(version=version, keys={**KEYS, "root": THREE}, root_threshold=2, **change)


FIRST = sign_root(two_of_three(), ROOT_SIGNERS[:2]).decode()
SECOND = two_of_three(2, expires_at=Instant(EXPIRES_AT + DAY), issued_at=Instant(ISSUED_AT + DAY))


def draft(*signers: Ed25519Signer) -> RootDraft:
    return sign_draft(draft_of((FIRST,), SECOND), signers)


def changed(**members: Any) -> bytes:
    content = json.loads(write_draft(draft(ROOT_SIGNERS[0])))
    return dump_json({**content, **members})


def test_a_draft_is_read_as_it_was_written_and_shows_the_anchor() -> None:
    for signers in ((), ROOT_SIGNERS[:1], ROOT_SIGNERS):
        made = draft(*signers)
        assert read_draft(write_draft(made)) == made
        assert made.anchor == anchor(FIRST)


@pytest.mark.parametrize(("count", "enough"), [(0, False), (1, False), (2, True), (3, True)])
def test_sec_21_enough_people_of_both_roots_make_the_next_one(count: int, enough: bool) -> None:  # noqa: FBT001
    made = draft(*ROOT_SIGNERS[:count])
    counted = needed(made)
    assert (counted.before, counted.own, counted.is_enough) == (count, count, enough)
    if enough:
        assert counted.missing == ()
        assert next_root(read_root(FIRST), root_file_of(made)) == SECOND
        return
    assert set(counted.missing) == {key.kid for key in THREE} - {each.kid for each in made.signatures}
    with pytest.raises(NotGenuineError) as caught:
        root_file_of(made)
    assert caught.value.code == "below_threshold"


def test_sec_21_new_root_keys_are_not_enough_alone_and_the_former_are_neither() -> None:
    others = [Ed25519Signer(bytes([number]) * 32) for number in (71, 72)]
    after = root_of(version=2, keys={**KEYS, "root": [signer.public_key for signer in others]}, root_threshold=2)
    made = draft_of((FIRST,), after)
    for signers in (others, ROOT_SIGNERS, [*ROOT_SIGNERS[:1], *others], [*ROOT_SIGNERS, others[0]]):
        assert not needed(sign_draft(made, signers)).is_enough
    assert needed(sign_draft(made, [*ROOT_SIGNERS[:2], *others])).is_enough
    missing = needed(sign_draft(made, ROOT_SIGNERS[:2])).missing
    assert set(missing) == {signer.kid for signer in others}


def test_signatures_come_together_in_any_order_and_twice_is_once() -> None:
    one, two = draft(ROOT_SIGNERS[0]), draft(ROOT_SIGNERS[1])
    both = with_signatures(one, two.signatures)
    assert both == with_signatures(two, one.signatures) == draft(*ROOT_SIGNERS[:2])
    assert with_signatures(both, one.signatures) == both
    assert sign_draft(one, ROOT_SIGNERS[:1]) == one


def test_nobody_but_a_root_key_signs() -> None:
    with pytest.raises(UsageError) as caught:
        draft(STRANGER)
    assert caught.value.code == "not_a_root_key"
    signature = draft(ROOT_SIGNERS[0]).signatures[0]
    for bad in (
        EnvelopeSignature(kid=STRANGER.kid, signature=signature.signature),
        EnvelopeSignature(kid=ROOT_SIGNERS[1].kid, signature=signature.signature),
        EnvelopeSignature(kid=signature.kid, signature=bytes(64)),
    ):
        with pytest.raises(NotGenuineError) as refused:
            with_signatures(draft(), [bad])
        assert refused.value.code == "bad_signature"


@pytest.mark.parametrize(
    "members",
    [
        {"format": "carnet-root-draft/2"},
        {"roots": []},
        {"roots": "x"},
        {"roots": [FIRST, FIRST]},
        {"roots": ["{}"]},
        {"payload": "e30="},
        {"payload": 5},
        {"signatures": {}},
        {"signatures": [{"keyid": "x"}]},
        {"signatures": [{"keyid": "x", "sig": "AAAA"}]},
    ],
)
def test_what_was_changed_on_the_way_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(CarnetError) as caught:
        read_draft(changed(**members))
    assert caught.value.fix


def test_a_payload_of_another_step_or_with_words_unknown_here_is_not_shown_for_signing() -> None:
    content = json.loads(write_draft(draft()))
    members = json.loads(b64_decode(content["payload"], "x"))
    for change in ({"version": 3}, {"version": 1}, {"iss": "installation-2"}, {"later": 1}):
        payload = b64_encode(dump_json({**members, **change}))
        with pytest.raises(CarnetError) as caught:
            read_draft(changed(payload=payload, signatures=[]))
        assert caught.value.code == "bad_draft"


def test_a_draft_goes_on_from_the_newest_of_its_roots() -> None:
    second = root_file_of(draft(*ROOT_SIGNERS[:2]))
    third = draft_of((FIRST, second), replace(SECOND, version=3))
    assert read_draft(write_draft(third)).before == SECOND
    with pytest.raises(CarnetError):
        draft_of((second,), replace(SECOND, version=3))
