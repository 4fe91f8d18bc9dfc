"""The corpus of attack tokens: every one is refused, with the code that its rule says (docs/security/attacks.md)."""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from carnet.core.errors import CarnetError, MalformedError, NotGenuineError
from carnet.formats.encoding import b64url_decode, b64url_encode
from carnet.formats.license_token import verify_license_token
from support.attack_corpus import P256_ORDER, attacks, genuine, ring, signers
from support.attack_judging import documented_codes


def test_sec_01_to_13_every_attack_token_is_refused_with_its_documented_code() -> None:
    made = attacks()
    documented = documented_codes()
    wrong = []
    for attack in made:
        try:
            outcome = f"accepted {verify_license_token(attack.token, attack.ring).id}"
        except (MalformedError, NotGenuineError) as refused:
            outcome = refused.code if refused.message and refused.fix else "no sentence"
        if outcome != attack.code or outcome not in documented:
            wrong.append((attack.rule, attack.name, attack.code, outcome))
    assert wrong == [], wrong
    counts = Counter(attack.rule for attack in made)
    sys.stdout.write(f"{len(made)} attack tokens refused: {dict(counts)}\n")
    distinct = {attack.token if isinstance(attack.token, bytes) else attack.token.encode() for attack in made}
    assert len(distinct) >= 300
    assert all(counts[rule] >= 10 for rule in ("SEC-01", "SEC-02", "SEC-03", "SEC-04", "SEC-08", "SEC-09", "SEC-13"))


def test_the_tokens_that_the_attacks_are_made_from_are_accepted() -> None:
    for alg in signers():
        assert verify_license_token(genuine(alg), ring()).kid == signers()[alg].kid


def test_no_attack_shows_a_secret_or_a_traceback_in_its_sentence() -> None:
    sentences = []
    for attack in attacks():
        with pytest.raises(CarnetError) as refused:
            verify_license_token(attack.token, attack.ring)
        sentences.append(str(refused.value))
    assert [text for text in sentences if "Traceback" in text or len(text) >= 400 or not text.isprintable()] == []


def test_sec_13_a_negated_s_is_the_one_other_es256_signature_and_says_the_same() -> None:
    """
    (r, n - s) fits wherever (r, s) does: RFC 7518 asks for no choice between them, and half of what others sign has the
    one, half the other (Wycheproof lists both as valid). Nothing in Carnet takes a signature for an identity (SEC-08).
    """
    token = genuine("ES256")
    signed, _, signature = token.rpartition(".")
    raw = b64url_decode(signature, "It")
    negated = raw[:32] + (P256_ORDER - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    other = f"{signed}.{b64url_encode(negated)}"
    assert other != token
    assert verify_license_token(other, ring()) == verify_license_token(token, ring())
