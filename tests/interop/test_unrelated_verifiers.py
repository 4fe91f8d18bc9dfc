"""
Unrelated verifiers and ours agree on license tokens of all three algorithms, and each exception has its reason (R-10).

`STRICTER` lists what another verifier accepts and ours refuses; `NARROWER` what ours accepts and another one refuses.
Both are exact: a case that is not listed must agree, and one that is listed must not.
"""

from __future__ import annotations

import json
import subprocess
import warnings
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, Final

import nacl.exceptions
import nacl.signing
import pytest
from joserfc import jwt as joserfc_jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from carnet.formats.encoding import b64url_decode
from interop.interop_cases import ALGORITHMS, Case, cases
from interop.python import verify_token

Verifier = Callable[[list[Case]], list[str]]


@cache
def table() -> list[Case]:
    return [case for alg in ALGORITHMS for case in cases(alg)]


def judged(case: Case, header: dict[str, Any], claims: dict[str, Any]) -> str:
    """What an app checks after a library has verified the signature alone."""
    assert (header["typ"], header["kid"]) == (verify_token.TYP, case.key.kid)
    assert claims["aud"] == case.product
    assert claims.get("dev", case.device) == case.device
    assert type(claims["nbf"]) is type(claims["exp"]) is int
    return verify_token.state(claims, case.now)


def each(verify: Callable[[Case], str]) -> Verifier:
    """A verifier of one token, asked about many; whatever it raises is a refusal."""

    def ask(questions: list[Case]) -> list[str]:
        return [outcome(case) for case in questions]

    def outcome(case: Case) -> str:
        try:
            return verify(case)
        except Exception:  # noqa: BLE001 - other libraries refuse with whatever they like
            return "refused"

    return ask


def pyjwt(case: Case) -> str:
    claims = verify_token.verify(case.token, case.key.to_jwk(), case.product, case.device)
    return verify_token.state(claims, case.now)


def joserfc(case: Case) -> str:
    jwk = case.key.to_jwk()
    kind: Any = {"OKP": OKPKey, "EC": ECKey, "RSA": RSAKey}[jwk["kty"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # it prefers the newer name Ed25519 over EdDSA (RFC 9864)
        token = joserfc_jwt.decode(case.token, kind.import_key(jwk), algorithms=[jwk["alg"]])
    return judged(case, token.header, token.claims)


def pynacl(case: Case) -> str:
    head, payload, signature = case.token.split(".")
    nacl.signing.VerifyKey(case.key.raw).verify(f"{head}.{payload}".encode(), b64url_decode(signature, "It"))
    header = json.loads(b64url_decode(head, "It"))
    assert header["alg"] == "EdDSA"
    return judged(case, header, json.loads(b64url_decode(payload, "It")))


def program(*command: str | Path, cwd: Path | None = None) -> Verifier:
    """A program that reads a question from each line and prints an outcome for each."""

    def ask(questions: list[Case]) -> list[str]:
        lines = "".join(f"{json.dumps(case.question())}\n" for case in questions)
        done = subprocess.run(command, cwd=cwd, input=lines, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return ask


PYTHON: Final = frozenset(("PyJWT", "joserfc", "PyNaCl"))
"""Locked with the tests: what is listed for them must be so. The others come with a toolchain of any version."""

EVERY: Final = PYTHON | {"npm jose", "Go", "JDK"}


def listed(reason: str, *rows: tuple[Iterable[str], Iterable[str]]) -> dict[str, tuple[frozenset[str], str]]:
    return {name: (frozenset(verifiers), reason) for verifiers, names in rows for name in names}


BLANKS: Final = ("a blank", "a tab")
LINE_ENDS: Final = ("a newline", "a carriage return")

STRICTER: Final[dict[str, tuple[frozenset[str], str]]] = {
    **listed(
        "Their Base64 skips blanks or line ends; a token of ours has one spelling (conventions.md §2).",
        (
            {"npm jose"},
            (f"{what} {where}" for what in BLANKS for where in ("after the token", "in the signature")),
        ),
        (
            {"npm jose", "Go"},
            (f"{what} {where}" for what in LINE_ENDS for where in ("after the token", "in the signature")),
        ),
        ({"npm jose"}, (f"{what} in the payload, signed" for what in BLANKS)),
        ({"npm jose", "Go"}, (f"{what} in the payload, signed" for what in LINE_ENDS)),
    ),
    **listed(
        "Their Base64 takes padding, which a compact token does not have (RFC 7515 §2).",
        (
            {"PyJWT", "npm jose", "JDK"},
            (
                "padding after the signature",
                "padding after a payload of 3n + 1 bytes, signed",
                "padding after a payload of 3n + 2 bytes, signed",
            ),
        ),
    ),
    **listed(
        "Their Base64 ignores the unused bits of the last character (RFC 4648 §3.5 allows to refuse them; we do).",
        (
            {"npm jose", "JDK"},
            (
                "last bits of the signature",
                "last bits of a payload of 3n + 1 bytes, signed",
                "last bits of a payload of 3n + 2 bytes, signed",
            ),
        ),
    ),
    **listed(
        "Their JSON takes the last of two members of one name; two readers may differ (strict-json.md §3.2).",
        (
            EVERY,
            (
                "a claim named twice, signed",
                "exp named twice, signed",
                "header that names a member twice, signed",
            ),
        ),
    ),
    **listed(
        "Their JSON has numbers that other readers round or do not have (strict-json.md §3.3).",
        (EVERY, ("a fraction, signed", "an integer beyond 2^53, signed")),
        ({"npm jose"}, ("exp with a fraction of nothing, signed", "exp with an exponent, signed")),
        (PYTHON, ("NaN, signed",)),
    ),
    **listed(
        "Their JSON takes text that is not clean UTF-8, or skips a byte order mark (strict-json.md §3.1, §3.5).",
        (EVERY, ("half a surrogate pair, signed", "a NUL in a claim, signed")),
        ({"Go", "JDK"}, ("bytes that are not UTF-8, signed",)),
        (PYTHON | {"npm jose"}, ("a byte order mark, signed",)),
    ),
    **listed(
        "They have no limits, or larger ones (strict-json.md §3.4, license-token.md §2).",
        (EVERY, ("21 levels, signed", "more than 8 KiB, signed")),
    ),
    **listed(
        "They ignore header members that they do not use; ours takes alg, kid and typ alone (SEC-02).",
        (EVERY - {"Go", "JDK"}, ("header with a jwk, signed", "header with a jku, signed")),
        ({"PyJWT", "npm jose", "PyNaCl"}, ("header with an unknown member, signed",)),
        ({"PyJWT", "npm jose", "PyNaCl"}, ("header with a member in capitals too, signed",)),
        ({"joserfc", "PyNaCl"}, ("crit that is empty, signed",)),
        ({"PyNaCl"}, ("crit of an unknown member, signed", "payload that is not encoded, signed")),
    ),
    **listed(
        "They know no claims but the registered ones; ours checks each claim of its table (license-token.md §3).",
        (
            EVERY,
            (
                "no iss, signed",
                "no sub, signed",
                "no jti, signed",
                "no iat, signed",
                "no ent, signed",
                "no name of the policy, signed",
                "two entitlements of one key, signed",
                "a status without its list, signed",
            ),
        ),
        (EVERY - {"PyJWT"}, ("sub that is a number, signed",)),
        ({"npm jose", "Go", "JDK"}, ("no lic_exp, signed",)),
        ({"npm jose"}, ("a grace that is text, signed",)),
        ({"Go"}, ("no pol, signed", "dev that is null, signed")),
    ),
    **listed(
        "They compare each time with the clock, but not the times with each other (SEC-04).",
        (EVERY, ("iat after nbf, signed", "nbf after exp, signed", "more than ten years, signed")),
    ),
}

NARROWER: Final = listed(
    "They were told the name EdDSA (RFC 8037); ours knows the newer name of RFC 9864 too, and writes the older one.",
    (EVERY, ("genuine: the newer name of the algorithm",)),
)

DIFFERENT: Final = listed(
    "Its JSON reads member names without regard to case, so that EXP overrides exp; no issuer of ours writes that.",
    ({"Go"}, ("exp in capitals too, signed",)),
)


def compare(name: str, verifier: Verifier) -> None:
    """Every case of the table, in one go: agreement, or the difference that is listed."""
    questions = [case for case in table() if name != "PyNaCl" or case.key.alg == "Ed25519"]
    answers = verifier(questions)
    assert len(answers) == len(questions)
    wrong = []
    for case, theirs in zip(questions, answers, strict=True):
        ours = case.our_outcome()
        found = (
            "same"
            if theirs == ours
            else "stricter"
            if ours == "refused"
            else "narrower"
            if theirs == "refused"
            else "different"
        )
        expected = "same"
        for kind, rows in (("stricter", STRICTER), ("narrower", NARROWER), ("different", DIFFERENT)):
            if name in rows.get(case.name, ((), ""))[0]:
                expected = kind
        if found != expected and (found != "same" or name in PYTHON):
            wrong.append(f"{case.key.alg}: {case.name}: ours {ours}, {name} {theirs}: {found}, listed as {expected}")
    assert not wrong, "\n".join(wrong)


def test_pyjwt_agrees() -> None:
    compare("PyJWT", each(pyjwt))


def test_joserfc_agrees() -> None:
    compare("joserfc", each(joserfc))


def test_pynacl_agrees_on_eddsa() -> None:
    compare("PyNaCl", each(pynacl))


@pytest.mark.node
def test_npm_jose_agrees(node_folder: Path) -> None:
    compare("npm jose", program("node", "main.mjs", cwd=node_folder))


def test_the_standard_library_of_go_agrees(go_program: Path) -> None:
    compare("Go", program(go_program))


def test_the_library_of_the_jdk_agrees(java_classes: Path) -> None:
    compare("JDK", program("java", "-XX:TieredStopAtLevel=1", "-cp", java_classes, "Main"))


def test_the_table_is_large_and_says_both_yes_and_no_for_each_algorithm() -> None:
    for alg in ALGORITHMS:
        outcomes = [case.our_outcome() for case in table() if case.key.alg == alg]
        assert outcomes.count("refused") >= 120
        assert min(outcomes.count(state) for state in ("active", "grace", "expired", "not_started")) >= 2


def test_genuine_tokens_are_active_and_each_listed_case_exists() -> None:
    names = {case.name for case in table()}
    assert names >= STRICTER.keys() | NARROWER.keys() | DIFFERENT.keys()
    assert all(case.our_outcome() == "active" for case in table() if case.name.startswith("genuine"))


def test_nothing_is_listed_that_breaks_a_seal() -> None:
    # What others accept beside ours is another spelling, or what the genuine key signed: never a forgery.
    for name in STRICTER:
        assert name.endswith(", signed") or name.startswith((*BLANKS, *LINE_ENDS, "padding", "last bits")), name


def test_a_verifier_that_accepts_everything_is_noticed() -> None:
    with pytest.raises(AssertionError, match="a changed claim"):
        compare("Go", lambda questions: ["active"] * len(questions))
