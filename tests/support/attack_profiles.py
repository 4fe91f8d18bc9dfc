"""Tokens of the two profiles, and root files, under attack: what `tools/independent_*.py` read, they judge here."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from tools.independent_profiles import ISSUER, check_keyforge, check_orchestrator, open_profile
from tools.independent_reading import Bad, base64url, check, json_object
from tools.independent_root import self_signed

from carnet.core.errors import NotGenuineError
from carnet.formats.encoding import b64url_encode
from carnet.formats.jws import unverified_jws
from carnet.formats.keys import Signer
from carnet.formats.profiles.keyforge import verify_keyforge_token
from carnet.formats.profiles.traffic_orchestrator import verify_traffic_orchestrator_token
from carnet.formats.root import next_root, read_root
from carnet.formats.strict_json import dump_json
from support import profile_tokens as tokens
from support import roots
from support.attack_judging import Parser
from support.attack_mutators import Mutator

_ORCHESTRATOR: Final = {"token": [tokens.ORCHESTRATOR_SIGNER.public_key.to_jwk()]}
_BESIDE: Final = {"product": {"id": "p_9f3k2a"}, "sub": "s", "jti": "j", "nbf": 1768003140}


def opinion(read: Callable[[bytes], object]) -> Callable[[bytes], bool]:
    """Whether an independent reader takes it."""

    def accepts(data: bytes) -> bool:
        try:
            read(data)
        except Bad:
            return False
        return True

    return accepts


def _kinds_of(claims: dict[str, Any]) -> tuple[bytes, ...]:
    """*claims*, and where they are Keyforge's also with every state and type of a license."""
    if "license" not in claims:
        return (dump_json(claims),)
    return tuple(
        dump_json({**claims, "status": status, "license": {**claims["license"], "type": kind, "expiresAt": end}})
        for status in ("active", "fallbacked")
        for kind in ("perpetual", "timed")
        for end in (None, 4102444800)
    )


def _signed_again(token: str, signer: Signer, beside: dict[str, Any]) -> Callable[[Mutator], bytes]:
    header, claims = unverified_jws(token, max_bytes=8192, what="It")
    head, kinds = dump_json(header), (*_kinds_of({**claims, **beside}), dump_json({**claims, **beside}))

    def craft(mutator: Mutator) -> bytes:
        payload = mutator.text_of(mutator.of_json(json.loads(mutator.random.choice(kinds))))
        signed = f"{b64url_encode(head)}.{b64url_encode(payload)}"
        return f"{signed}.{b64url_encode(signer.sign(signed.encode()))}".encode()

    return craft


def _keyforge(data: bytes) -> None:
    # Whoever crafts signs: the independent ES256 takes ten milliseconds, and has vectors of its own.
    check(len(data) <= 8192, "too_large")
    check_keyforge(json_object(base64url(data.decode().split(".")[1])))


def _orchestrator(data: bytes) -> None:
    claims, _, alg = open_profile({"keys": _ORCHESTRATOR, "input": {"token": data.decode()}}, ["Ed25519"])
    check(alg == "EdDSA", "wrong_algorithm")
    check_orchestrator(claims, ISSUER)


def _resigned_root(mutator: Mutator) -> bytes:
    members = mutator.of_json(json.loads(dump_json(roots.MEMBERS)))
    text = mutator.text_of(members) if mutator.random.random() < 0.3 else _canonical(members)
    return roots.signed_root(text)


def _canonical(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def _read_root(data: bytes) -> object:
    found = read_root(data)
    try:
        next_root(roots.ROOT, data)
    except NotGenuineError as refused:
        if refused.code not in {"root_not_next", "wrong_issuer"}:
            raise
    return found


PARSERS: Final = {
    "root": Parser(
        seeds=(roots.signed_root({**roots.MEMBERS, "version": 2}), roots.ROOT_FILE),
        read=_read_root,
        craft=_resigned_root,
        opinion=opinion(self_signed),
    ),
    "Keyforge token": Parser(
        seeds=(tokens.KEYFORGE_TOKEN.encode(),),
        read=lambda data: verify_keyforge_token(data, tokens.KEYFORGE_RING),
        craft=_signed_again(tokens.KEYFORGE_TOKEN, tokens.KEYFORGE_SIGNER, _BESIDE),
        opinion=opinion(_keyforge),
    ),
    "Traffic Orchestrator token": Parser(
        seeds=(tokens.ORCHESTRATOR_TOKEN.encode(),),
        read=lambda data: verify_traffic_orchestrator_token(data, tokens.ORCHESTRATOR_RING),
        craft=_signed_again(tokens.ORCHESTRATOR_TOKEN, tokens.ORCHESTRATOR_SIGNER, {"jti": "j", "nbf": 1768003140}),
        opinion=opinion(_orchestrator),
    ),
}
