"""
Tokens for other clients, from drawn facts to text: signed, and checked with the public verifier before they leave
(style.md §2 principle 11). Which facts, and under which key, others decide.
"""

from __future__ import annotations

from carnet.core._base import replace
from carnet.formats.keys import KeyRing, Signer
from carnet.formats.license_token import issue_license_token, verify_license_token
from carnet.formats.profiles.keyforge import KeyforgeFacts, issue_keyforge_token, verify_keyforge_token
from carnet.formats.profiles.traffic_orchestrator import (
    TrafficOrchestratorFacts,
    issue_traffic_orchestrator_token,
    verify_traffic_orchestrator_token,
)
from carnet.server.domain.activations.issuing import signing_failed
from carnet.server.domain.artifacts.drawing import Drawn


def sign_token(drawn: Drawn, signer: Signer, ring: KeyRing) -> str:
    """
    The token of *drawn*.

    Args:
        drawn: Registered facts; the same facts give the same claims again.
        signer: The compatibility key that they name.
        ring: That key's public half, as a client pins it.

    Raises:
        UsageError: ``bad_grant``: the profile has no token for these facts; nothing was signed.
        StateError: ``signing_failed``: the verifier read something else.
        NotGenuineError: ``bad_signature``: what was signed does not verify.
    """
    facts = drawn.facts
    if isinstance(facts, KeyforgeFacts):
        text = issue_keyforge_token(facts, signer)
        is_sound = verify_keyforge_token(text, ring, algorithms=(signer.public_key.alg,)) == replace(
            facts, kid=signer.kid
        )
    elif isinstance(facts, TrafficOrchestratorFacts):
        text = issue_traffic_orchestrator_token(facts, signer)
        is_sound = verify_traffic_orchestrator_token(text, ring) == replace(facts, kid=signer.kid)
    else:
        text = issue_license_token(facts, signer)
        is_sound = verify_license_token(text, ring) == facts
    if not is_sound:
        raise signing_failed()
    return text
