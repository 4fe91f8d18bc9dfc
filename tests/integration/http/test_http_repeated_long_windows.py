"""REL-02: a call is answered again from what is stored, also for a policy whose offline window is longer than usual."""

from __future__ import annotations

import pytest

from carnet.formats.license_token import verify_license_token
from support.vendor import Vendor, fingerprint


@pytest.mark.parametrize("policy", ["consumer", "professional", "enterprise"])
def test_rel_02_a_repeated_activation_is_answered_the_same_under_every_preset(vendor: Vendor, policy: str) -> None:
    license_ = vendor.license(policy=policy)
    body = {
        "license_key": license_["key"],
        "product": license_["product"],
        "device": {"fingerprint": fingerprint(policy)},
        "nonce": "n-1",
    }
    headers = {"Idempotency-Key": f"the-same-{license_['id']}"}
    first, again = (vendor.http.post("/v1/activate", json=body, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201), again.text
    one, other = (verify_license_token(answer.json()["token"], vendor.ring) for answer in (first, again))
    assert one == other
