"""`carnet key try`: a key in a token or a service is looked at before it is announced."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.cli_runs import carnet
from support.key_service_kinds import VaultStub
from support.softhsm import MISSING, PIN, SoftToken


@pytest.mark.skipif(MISSING is not None, reason=f"not run here: {MISSING}")
def test_a_key_is_made_in_a_token_and_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = SoftToken()
    pin = tmp_path / "pin"
    pin.write_text(f"{PIN}\n")
    location = f"{token.location()}?pin-source=file:{pin}&module-path={token.environ()['CARNET_PKCS11_MODULE']}"
    made = carnet("key", "try", "--location", location, "--generate", "--json")
    assert made.code == 0, made
    again = carnet("key", "try", "--location", location)
    assert made.json["kid"] in again.out
    assert made.json["alg"] == "EdDSA"
    assert PIN not in again.out + again.err
    assert carnet("key", "try", "--location", location, "--generate", "--json").problem["code"] == "key_exists"
    pin.write_text("another\n")
    token.drop()


def test_what_is_wrong_with_a_place_is_said_before_a_ceremony() -> None:
    with VaultStub() as stub:
        good = carnet("key", "try", "--location", stub.location(), "--json", env=stub.environ())
        assert good.json["kid"] == stub.public_key.kid
        refused = carnet(
            "key", "try", "--location", stub.location(), "--json", env={**stub.environ(), "VAULT_TOKEN": "wrong"}
        )
        assert refused.code != 0
        assert refused.problem["code"] == "signer_refused"
        assert "wrong" not in refused.out + refused.err
        other = carnet("key", "try", "--location", stub.location(), "--generate", "--json", env=stub.environ())
        assert other.problem["code"] == "bad_key_location"
    mistyped = carnet("key", "try", "--location", "vault:transit/key", "--json")
    assert (mistyped.code, mistyped.problem["code"]) == (2, "bad_key_location")
