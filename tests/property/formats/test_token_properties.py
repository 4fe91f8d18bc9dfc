"""What holds for every license token, answer, root file and bundle, and for every input that is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carnet.core._base import replace
from carnet.core.errors import CarnetError, MalformedError, NotGenuineError
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.core.model import Grant
from carnet.formats.answer import Answer, digest_artifacts, issue_answer, verify_answer
from carnet.formats.bundle import Bundle, read_bundle, write_bundle
from carnet.formats.detect import detect
from carnet.formats.device_proof import verify_device_proof
from carnet.formats.jws import unverified_jws
from carnet.formats.keys import ROLES, PublicKey, Role
from carnet.formats.license_token import issue_license_token, token_policy, verify_license_token
from carnet.formats.root import read_root, sign_root
from support.campaigns import LONG
from support.machine_files import TEXTS, grants
from support.roots import ONLINE_SIGNERS, ROOT_FILE, ROOT_SIGNERS, root_of
from support.token_oracle import Refused
from support.token_oracle import verify as verify_by_the_book
from support.tokens import GRANT, HEADER, RING, SIGNER, TOKEN, forge, ring_of

CLAIMS = unverified_jws(TOKEN, max_bytes=8192, what="It")[1]
KEYS = {SIGNER.kid: SIGNER.public_key.raw}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**53 - 1) | st.text(max_size=5) | st.sampled_from([0, 1, 2**31]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=5000 if LONG else 50)  # the strategy is slow to draw
@given(grants())
def test_what_is_issued_is_what_is_verified(grant: Grant) -> None:
    grant = replace(grant, kind="token", kid=SIGNER.kid)
    token = issue_license_token(grant, SIGNER)
    read = verify_license_token(token, RING)
    assert read == replace(grant, policy=token_policy(grant.policy))
    assert issue_license_token(read, SIGNER) == token
    assert verify_by_the_book(token.encode(), KEYS)["sub"] == grant.license_id


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [prefix] if prefix else []
    if isinstance(value, dict):
        for name in value:
            found += paths(value[name], (*prefix, name))
    if isinstance(value, list):
        for index, each in enumerate(value):
            found += paths(each, (*prefix, index))
    return found


def changed(value: Any, path: tuple[Any, ...], change: Any) -> Any:
    """A copy of *value* with *change* at *path*, or without what is there when *change* is `Ellipsis`."""
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(path) > 1:
        copy[path[0]] = changed(copy[path[0]], path[1:], change)
    elif change is ...:
        del copy[path[0]]
    else:
        copy[path[0]] = change
    return copy


@given(
    st.lists(st.tuples(st.sampled_from(paths(CLAIMS)), st.just(...) | JSON), min_size=1, max_size=2),
    st.sampled_from(sorted(HEADER)) | st.none(),
    JSON,
)
def test_sec_11_resigned_changes_are_judged_as_the_specification_says(
    changes: list[tuple[tuple[Any, ...], Any]], member: str | None, value: Any
) -> None:
    claims: Any = CLAIMS
    for path, change in changes:
        try:
            claims = changed(claims, path, change)
        except (KeyError, IndexError, TypeError, ValueError):
            continue
    header: Any = {**HEADER, member: value} if member else HEADER
    agree(forge(json.dumps(header).encode(), json.dumps(claims).encode()).encode())


@given(st.binary(max_size=40), st.integers(0, len(TOKEN)), st.integers(0, 40))
def test_sec_08_spliced_tokens_are_judged_as_the_specification_says(inserted: bytes, start: int, length: int) -> None:
    data = TOKEN.encode()
    agree(data[:start] + inserted + data[start + length :])


def agree(token: bytes) -> None:
    """Both verifiers take *token* and read the same, or the same layer stops it."""
    expected: object
    outcome: object
    try:
        claims = verify_by_the_book(token, KEYS)
        expected = (claims["jti"], claims["aud"], claims["exp"])
    except Refused as refused:
        expected = str(refused)
    try:
        grant = verify_license_token(token, RING)
        outcome = (grant.id, grant.product, grant.offline_until)
    except MalformedError:
        outcome = "malformed"
    except NotGenuineError:
        outcome = "not_genuine"
    assert outcome == expected, token


@given(
    st.builds(
        Answer,
        id=TEXTS,
        issuer=TEXTS,
        nonce=st.from_regex(r"\A[!-~]{1,128}\Z"),
        action=st.sampled_from(["activate", "refresh", "validate", "deactivate"]),
        outcome=st.just("granted"),
        at=st.integers(1, MAX_INSTANT - 1).map(Instant),
        product=TEXTS,
        device=st.none() | TEXTS,
        license_id=st.none() | TEXTS,
        activation_id=st.none() | TEXTS,
        artifacts=st.dictionaries(st.sampled_from(["token", "machine_file", "a_b"]), TEXTS).map(digest_artifacts),
    ),
    st.none() | st.lists(st.sampled_from(["license_revoked", "license_expired", "x"]), min_size=1, max_size=4),
)
def test_answers_round_trip(answer: Answer, reasons: list[str] | None) -> None:
    if reasons is not None:
        answer = replace(answer, outcome="refused", code=reasons[0], reasons=tuple(reasons))
    assert verify_answer(issue_answer(answer, SIGNER), ring_of("answer")) == answer


@given(st.dictionaries(st.sampled_from(ROLES), st.lists(st.integers(0, 3), min_size=1, unique=True)), st.integers(1, 3))
def test_roots_round_trip(chosen: dict[Role, list[int]], threshold: int) -> None:
    keys: dict[Role, tuple[PublicKey, ...]] = {
        role: tuple(ONLINE_SIGNERS[number].public_key for number in numbers) for role, numbers in chosen.items()
    }
    keys["root"] = tuple(signer.public_key for signer in ROOT_SIGNERS)
    root = root_of(keys=keys, root_threshold=threshold)
    data = sign_root(root, ROOT_SIGNERS)
    assert read_root(data) == root
    assert sign_root(read_root(data), ROOT_SIGNERS) == data
    trusted = {(each.role, each.key) for each in root.ring().keys()}  # noqa: SIM118 - not a dictionary
    assert trusted == {(role, key) for role, keys_of_role in keys.items() for key in keys_of_role}


@given(
    st.builds(
        Bundle,
        roots=st.lists(TEXTS, max_size=3).map(tuple),
        token=st.none() | TEXTS,
        machine_file=st.none() | TEXTS,
        status_lists=st.lists(TEXTS, max_size=3).map(tuple),
        time=st.none() | TEXTS,
        answer=st.none() | TEXTS,
        lease=st.none() | TEXTS,
    )
)
def test_bundles_round_trip(bundle: Bundle) -> None:
    assert read_bundle(write_bundle(bundle).encode()) == bundle


FRAGMENTS = st.sampled_from(
    [TOKEN.encode(), ROOT_FILE, write_bundle(Bundle(token=TOKEN)).encode(), b"-----BEGIN CARNET BUNDLE-----", b".", b""]
)  # fmt: skip


@given(FRAGMENTS, st.binary(max_size=50), FRAGMENTS, st.integers(0, 2000))
def test_sec_11_every_reader_refuses_anything_else_with_a_code(
    before: bytes, middle: bytes, after: bytes, cut: int
) -> None:
    data = (before + middle + after)[: cut or None]
    readers: list[Any] = [
        lambda: verify_license_token(data, RING),
        lambda: verify_answer(data, ring_of("answer")),
        lambda: verify_device_proof(data, SIGNER.public_key, method="GET", path="/", body=b"", now=GRANT.issued_at),
        lambda: read_root(data),
        lambda: read_bundle(data),
        lambda: detect(data),
        lambda: unverified_jws(data, max_bytes=8192, what="It"),
    ]
    refusals: list[CarnetError] = []
    for reader in readers:
        try:
            reader()
        except (MalformedError, NotGenuineError) as refusal:
            refusals.append(refusal)
    assert all(refusal.code.isidentifier() and refusal.message and refusal.fix for refusal in refusals)


def test_the_two_verifiers_agree_on_the_genuine_token() -> None:
    agree(TOKEN.encode())
    agree(forge(HEADER, {**CLAIMS, "exp": CLAIMS["iat"] + 10 * 365 * 86400}).encode())
    with pytest.raises(Refused, match="not_genuine"):
        verify_by_the_book(TOKEN.encode(), {})
