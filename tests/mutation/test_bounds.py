"""
Every bound is exact: the largest value is accepted and one more is not, the smallest is accepted and one less is not.

The numbers stand here as the pages of `specs/` have them, not as the code names them: a bound that moved fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.domains import canonical_domain
from carnet.core.errors import CarnetError, UsageError
from carnet.core.model import Refusal
from carnet.formats.answer import TYP as ANSWER_TYP
from carnet.formats.answer import issue_answer, verify_answer
from carnet.formats.bundle import Bundle, read_bundle, write_bundle
from carnet.formats.dsse import read_envelope, sign_envelope
from carnet.formats.encoding import armor, b64url_encode, dearmor
from carnet.formats.jose_keys import public_key_from_pem, public_pem
from carnet.formats.jws import open_jws
from carnet.formats.keys import Ed25519Signer
from carnet.formats.license_key import canonical_license_key, heal_license_key
from carnet.formats.profiles.keyforge import issue_keyforge_token, keyforge_claims, keyforge_facts
from carnet.formats.profiles.traffic_orchestrator import issue_traffic_orchestrator_token
from carnet.formats.root import anchor, build_root, read_root, sign_root
from carnet.formats.strict_json import dump_json, parse_json
from support import machine_files, profile_tokens, roots, tokens
from support.decisions import at, evidence, grant
from support.format_scenarios import ANSWER, ANSWER_SIGNER, TOKEN_KEYS, forged
from support.jose_scenarios import ES256, RS256
from support.vector_keys import record, ring_of

ANSWER_RING = ring_of({"keys": {role: [record(key) for key in keys] for role, keys in TOKEN_KEYS.items()}})
ANSWER_HEADER = {"alg": "EdDSA", "kid": ANSWER_SIGNER.kid, "typ": ANSWER_TYP}


def code_of(function: Callable[..., Any], *arguments: Any, **options: Any) -> str | None:
    """The code that the call is refused with; None when it is not."""
    try:
        function(*arguments, **options)
    except CarnetError as refused:
        return refused.code
    return None


# ── answers, answer.md §2 ────────────────────────────────────────────────────────────────────────────────────────────


def answered(**changes: Any) -> str | None:
    claims = {**answer_claims(), **changes}
    return code_of(verify_answer, forged(ANSWER_HEADER, claims, ANSWER_SIGNER), ANSWER_RING)


def answer_claims() -> dict[str, Any]:
    from carnet.formats.jws import unverified_jws

    return unverified_jws(issue_answer(ANSWER, ANSWER_SIGNER), max_bytes=8192, what="It")[1]


def refused_with(codes: list[str]) -> dict[str, Any]:
    return {"outcome": "refused", "code": codes[0], "reasons": codes, "artifacts": {}}


def test_an_answers_nonce_has_1_to_128_characters() -> None:
    assert [answered(nonce="x" * size) for size in (0, 1, 128, 129)] == ["bad_claim", None, None, "bad_claim"]


def test_an_answers_codes_have_1_to_255_characters_and_are_up_to_32() -> None:
    assert [answered(**refused_with(["x" * size])) for size in (0, 1, 255, 256)] == [
        *("bad_claim", None),
        *(None, "bad_claim"),
    ]
    listed = [f"code_{number}" for number in range(33)]
    assert answered(**refused_with(listed[:32])) is None
    assert answered(**refused_with(listed)) == "bad_claim"


def test_an_answer_names_up_to_16_artifacts_by_digests_of_32_bytes() -> None:
    digests = {f"a{number}": b64url_encode(bytes(32)) for number in range(17)}
    assert answered(artifacts=digests) == "bad_claim"
    digests.pop("a0")
    assert answered(artifacts=digests) is None
    assert [answered(artifacts={"a": b64url_encode(bytes(size))}) for size in (31, 32, 33)] == [
        *("bad_claim", None),
        "bad_claim",
    ]


@pytest.mark.parametrize(("name", "first"), [("nbf", 0), ("exp", 1)])
def test_an_answers_times_are_in_order(name: str, first: int) -> None:
    start = answer_claims()["iat"]
    others = {"nbf": start, "exp": start + 1}
    assert answered(**{**others, "exp": start + 2, name: start + first}) is None
    assert answered(**{**others, "exp": start + 2, name: start + first - 1}) == "bad_times"


def test_an_answer_lives_up_to_ten_years() -> None:
    start = answer_claims()["iat"]
    lives = [315_359_999, 315_360_000, 315_360_001]
    assert [answered(exp=start + seconds) for seconds in lives] == [None, None, "bad_times"]


# ── sizes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_token_may_be_as_large_as_its_reader_says() -> None:
    for size, code in ((len(tokens.TOKEN), None), (len(tokens.TOKEN) - 1, "too_large")):
        options: dict[str, Any] = {"typ": "carnet-license+jwt", "role": "token", "ring": tokens.RING, "what": "It"}
        assert code_of(open_jws, tokens.TOKEN, max_bytes=size, **options) == code


def test_armour_may_be_as_large_as_its_reader_says_and_lines_have_1_to_64_characters() -> None:
    text = armor("MACHINE FILE", b"x" * 48).encode().strip()
    assert len(text.split(b"\n")[1]) == 64
    assert code_of(dearmor, "MACHINE FILE", text, max_bytes=len(text)) is None
    assert code_of(dearmor, "MACHINE FILE", text, max_bytes=len(text) - 1) == "too_large"
    begin, line, end = text.split(b"\n")
    for lines, code in (
        ((line[:4], line[4:]), None),
        ((line + line[:4],), "bad_armor"),
        ((line, b""), "bad_armor"),
        ((b"", line), "bad_armor"),
        ((b"",), "bad_armor"),
        ((line[:4], b"", line[:4]), "bad_armor"),  # short enough that no break is expected
        ((line[:4], line[:4]), None),
    ):
        assert code_of(dearmor, "MACHINE FILE", b"\n".join((begin, *lines, end)), max_bytes=9999) == code
    assert code_of(dearmor, "MACHINE FILE", begin + b"\n" + end, max_bytes=9999) == "bad_armor"


def test_a_bundle_of_8_mib_is_read_with_what_is_forgiven_around_it() -> None:
    text = write_bundle(Bundle(token="a.b.c")).encode()
    largest = text + b"\n" * (8 * 1024 * 1024 - len(text))
    assert read_bundle(largest).token == "a.b.c"
    assert code_of(read_bundle, largest + b"\n") == "too_large"


@pytest.mark.parametrize(("name", "most"), [("roots", 256), ("status_lists", 256)])
def test_a_bundle_holds_so_many_texts_and_no_more(name: str, most: int) -> None:
    def holding(count: int) -> Bundle:
        texts: dict[str, Any] = {name: ("x",) * count}
        return Bundle(**texts)

    assert read_bundle(write_bundle(holding(most)).encode()) == holding(most)
    with pytest.raises(UsageError, match="bundle"):
        write_bundle(holding(most + 1))


def test_an_envelope_has_up_to_32_signatures() -> None:
    signers = [Ed25519Signer(bytes([number]) * 32) for number in range(1, 34)]
    for count, code in ((1, None), (32, None), (33, "bad_envelope")):
        data = sign_envelope("t", b"{}", signers[:count])
        assert code_of(read_envelope, data, payload_type="t", max_bytes=512_000, what="It") == code


def test_a_root_file_has_up_to_512_000_bytes() -> None:
    largest = roots.ROOT_FILE + b"\n" * (512_000 - len(roots.ROOT_FILE))
    for read in (read_root, anchor):
        assert code_of(read, largest) is None
        assert code_of(read, largest + b"\n") == "too_large"


def test_a_root_has_up_to_64_keys_and_up_to_32_oldest_formats() -> None:
    signers = [Ed25519Signer(bytes([number]) * 32) for number in range(1, 66)]
    told: dict[str, Any] = {
        "version": 1,
        "issuer": "i",
        "issued_at": roots.ISSUED_AT,
        "expires_at": roots.EXPIRES_AT,
    }

    def made(keys: int, **more: Any) -> bytes:
        listed = tuple(signer.public_key for signer in signers[1:keys])
        return sign_root(
            build_root(**told, keys={"root": (signers[0].public_key,), "token": listed}, **more), signers[:1]
        )

    assert len(read_root(made(64)).keys) == 64
    assert code_of(made, 65) is not None
    payload = {**roots_payload(), "formats": {f"f{number}": 1 for number in range(33)}}
    assert code_of(read_root, roots.signed_root(payload)) == "bad_root"
    payload["formats"].pop("f0")
    assert code_of(read_root, roots.signed_root(payload)) is None


def roots_payload() -> dict[str, Any]:
    from carnet.formats.root import _members_of

    return _members_of(roots.ROOT)


@pytest.mark.parametrize("name", ["version", "threshold"])
def test_a_roots_counts_are_from_1_to_2_53_minus_1(name: str) -> None:
    def read(value: int) -> str | None:
        text = dump_json({**roots_payload(), name: 4711}).replace(b"4711", b"%d" % value)
        return code_of(read_root, roots.signed_root(text))

    assert (read(0), read(1)) == ("bad_root", None)
    if name == "version":
        assert (read(2**53 - 1), read(2**53)) == (None, "bad_number")


def test_a_root_begins_before_it_ends_and_lives_up_to_ten_years() -> None:
    start = int(roots.ISSUED_AT)
    lives = (0, 1, 315_360_000, 315_360_001)
    files = [roots.signed_root({**roots_payload(), "exp": start + seconds}) for seconds in lives]
    assert [code_of(read_root, file) for file in files] == ["bad_root", None, None, "bad_root"]


def test_a_key_in_pem_has_up_to_16_kib() -> None:
    pem = public_pem(ES256.public_key)
    largest = pem + "\n" * (16 * 1024 - len(pem))
    assert public_key_from_pem(largest) == ES256.public_key
    assert code_of(public_key_from_pem, largest + "\n") == "too_large"
    assert len(RS256.public_key.raw) > 256


@pytest.mark.parametrize("read", [canonical_license_key, heal_license_key])
def test_a_typed_license_key_has_up_to_512_characters(read: Callable[[str], Any]) -> None:
    key = machine_files.LICENSE_KEY
    assert read(key + " " * (512 - len(key))) is not None
    assert read(key + " " * (513 - len(key))) is None


def test_json_of_so_many_values_digits_and_depths_is_read_and_no_more() -> None:
    def read(text: str, **options: Any) -> str | None:
        return code_of(parse_json, text.encode(), max_bytes=1 << 20, what="It", **options)

    assert (read("[" + "1," * 4094 + "1]"), read("[" + "1," * 4095 + "1]")) == (None, "too_many_values")
    assert (read("[" * 20 + "]" * 20), read("[" * 21 + "]" * 21)) == (None, "too_deep")
    names = "{" + ",".join(f'"{number}":1' for number in range(4095)) + "}"
    assert (read(names), read(names[:-1] + ',"x":1}')) == (None, "too_many_values")
    for sign in ("", "-"):
        assert (read(f"{sign}9007199254740991"), read(f"{sign}9007199254740992")) == (None, "bad_number")
    for size, code in ((16384, None), (16385, "string_too_long")):
        for letter in ("a", "\u00e9"):  # bytes count, not characters
            text = letter * (size // len(letter.encode())) + "b" * (size % len(letter.encode()))
            assert (read(f'"{text}"'), read(f'{{"{text}":1}}')) == (code, code)
            assert read(f'["{text}",[[1]]]') == code
    assert read('"abcd"', max_string=4) is None
    assert read('"abcde"', max_string=4) == "string_too_long"
    assert code_of(parse_json, b"[1]", max_bytes=3, what="It") is None
    assert code_of(parse_json, b"[1]", max_bytes=2, what="It") == "too_large"


@pytest.mark.parametrize("number", [2**53 - 1, 1 - 2**53])
def test_only_numbers_that_every_reader_keeps_are_written(number: int) -> None:
    assert dump_json([number]) == b"[%d]" % number
    with pytest.raises(UsageError):
        dump_json([number + (1 if number > 0 else -1)])


# ── token profiles, token-profiles.md §4 to §7 ───────────────────────────────────────────────────────────────────────


def longest_issued(issue: Callable[[int], str], sizes: range) -> int:
    """The length of the longest token that *issue* makes of *sizes*; the larger ones are refused."""
    lengths = []
    for size in sizes:
        try:
            lengths.append(len(issue(size)))
        except UsageError as refused:
            assert refused.code == "bad_grant"  # noqa: PT017 - one of two good ends
    assert len(lengths) < len(sizes)
    return max(lengths)


def test_a_keyforge_token_of_8_kib_is_issued_and_no_larger_one() -> None:
    wide = "\U0001f680"
    license_ = replace(profile_tokens.KEYFORGE_LICENSE, key=wide * 500, product_id=wide * 250, email=wide * 255)

    def issue(size: int) -> str:
        facts = replace(profile_tokens.KEYFORGE_FACTS, license=license_, id=wide * (size // 4) + "x" * (size % 4))
        return issue_keyforge_token(facts, profile_tokens.KEYFORGE_SIGNER)

    assert longest_issued(issue, range(600, 1000)) in {8191, 8192}


def test_an_orchestrator_token_of_8_kib_is_issued_and_no_larger_one() -> None:
    hosts = tuple(f"{'x' * 50}{number:03}.test" for number in range(95))

    def issue(size: int) -> str:
        facts = replace(profile_tokens.ORCHESTRATOR_FACTS, domains=(*hosts, "y.test"), id="x" * size)
        return issue_traffic_orchestrator_token(facts, profile_tokens.ORCHESTRATOR_SIGNER)

    assert longest_issued(issue, range(1, 256)) in {8191, 8192}


def test_the_longest_life_of_a_profiles_token_is_36600_days() -> None:
    claims = keyforge_claims(profile_tokens.KEYFORGE_FACTS)
    for days, seconds, code in ((36_600, 0, None), (36_600, 1, "bad_times")):
        changed = {**claims, "exp": claims["iat"] + days * 86_400 + seconds}
        assert code_of(keyforge_facts, changed) == code


# ── core ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("seconds", "state"), [(59, "active"), (60, "suspended"), (61, "suspended")])
def test_a_refusal_counts_from_the_second_in_which_the_grant_was_signed(seconds: int, state: str) -> None:
    """A grant is signed 60 seconds after its `issued_at`; an older refusal is over, one of that second is not."""
    from carnet.core.rules import decide
    from support.decisions import HOST

    refusal = Refusal(
        id="r",
        code="license_suspended",
        at=at(seconds),
        product="hustl",
        license_id="license-1",
        activation_id="activation-1",
    )
    assert decide(evidence(grant(), refusals=(refusal,)), at(3600), HOST).state == state


def test_a_host_name_has_1_to_253_characters_in_labels_of_1_to_63() -> None:
    longest = ".".join(["a" * 63] * 3 + ["b" * 61])
    assert len(longest) == 253
    assert canonical_domain(longest) == longest
    assert canonical_domain(longest + "b") is None
    assert (canonical_domain("a"), canonical_domain(""), canonical_domain(".")) == ("a", None, None)
    assert (canonical_domain("a:12345"), canonical_domain("a:123456")) == ("a", None)
