"""What only one of the clouds or Vault has, on the wire; and AWS once more against moto, which others wrote."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from carnet.core.errors import CarnetError, StateError, UsageError
from carnet.formats.keys import Algorithm, Role
from carnet.server.signing.aws_kms import MAX_MESSAGE
from carnet.server.signing.ceremony_files import CeremonyFiles
from carnet.server.signing.opening import KeyPlaces
from carnet.server.signing.services import open_remote
from support.key_service_kinds import AwsStub, GoogleStub, VaultStub
from support.signer_places import PATIENT, ServicePlace


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServicePlace]:
    with AwsStub() as stub:
        yield ServicePlace(stub, tmp_path, monkeypatch)


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VaultStub]:
    with VaultStub() as stub:
        yield stub


# ── AWS ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("spec", "alg"), [("ECC_NIST_P256", "ES256"), ("RSA_2048", "RS256")])
def test_r_63_moto_has_keys_that_sign_for_us(spec: str, alg: Algorithm, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("kms", region_name="eu-central-1")
        made: dict[str, Any] = client.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]
        client.create_alias(AliasName="alias/carnet-token", TargetKeyId=made["KeyId"])
        places = (f"awskms:{made['Arn']}", "awskms:alias/carnet-token?region=eu-central-1")
        by_arn, by_alias = (open_remote(place, {}, limits=PATIENT) for place in places)
        assert by_arn.public_key == by_alias.public_key
        assert by_arn.public_key.alg == alg
        by_arn.public_key.verify(by_alias.sign(b"message"), b"message")
        encrypting = client.create_key()["KeyMetadata"]["Arn"]
        with pytest.raises(CarnetError) as refused:
            open_remote(f"awskms:{encrypting}", {}, limits=PATIENT)
        assert refused.value.code in ("unsuitable_key", "signer_refused")
        with pytest.raises(UsageError) as missing:
            open_remote("awskms:alias/nobody?region=eu-central-1", {}, limits=PATIENT)
        assert missing.value.code == "no_key_at_location"
        for signer in (by_arn, by_alias):
            signer.close()
        client.close()


@pytest.mark.parametrize("size", [1, MAX_MESSAGE - 1, MAX_MESSAGE])
def test_aws_signs_messages_up_to_its_own_limit(aws: ServicePlace, size: int) -> None:
    signer = aws.open()
    signer.public_key.verify(signer.sign(bytes(size)), bytes(size))
    signer.close()


def test_what_aws_would_not_sign_is_not_even_asked_for(aws: ServicePlace) -> None:
    signer = aws.open()
    asked = aws.stub.asked
    for _ in range(2):
        with pytest.raises(UsageError) as refused:
            signer.sign(bytes(MAX_MESSAGE + 1))
        assert refused.value.code == "message_too_long"
    assert aws.stub.asked == asked
    signer.sign(b"m")  # no outage, so nobody is kept from signing
    signer.close()


def test_a_key_that_signs_short_messages_only_is_not_announced_for_what_grows(
    aws: ServicePlace, tmp_path: Path
) -> None:
    places = KeyPlaces(folder=tmp_path, kek=bytes(32), environ=aws.environ)
    desk = CeremonyFiles(tmp_path, places, tuple, os.urandom)
    too_long: tuple[tuple[Role, ...], ...] = (("answer", "status-list"), ("license-key",))
    for roles in too_long:
        with pytest.raises(UsageError) as refused:
            desk.look_at(roles, aws.location)
        assert refused.value.code == "unsuitable_key"
    short: tuple[Role, ...] = ("token", "machine-file")
    for role in short:
        assert desk.look_at((role,), aws.location).public_key == aws.public_key


def test_without_credentials_aws_is_not_asked(
    aws: ServicePlace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(StateError) as refused:
        aws.open()
    assert refused.value.code == "signer_refused"
    assert "credentials" in refused.value.message
    assert aws.stub.asked == 0


# ── Google ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_google_is_asked_with_one_token_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with GoogleStub() as stub:
        signer = ServicePlace(stub, tmp_path, monkeypatch).open()
        for _ in range(5):
            signer.sign(b"m")
        assert stub.tokens == 1
        signer.close()


def test_without_credentials_google_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with GoogleStub() as stub:
        at = ServicePlace(stub, tmp_path, monkeypatch)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
        with pytest.raises(StateError) as refused:
            at.open()
        assert refused.value.code == "signer_refused"
        assert stub.asked == 0


# ── Vault ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_vaults_token_is_read_from_its_file_as_it_is_now(vault: VaultStub, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{vault.token}\n")
    signer = open_remote(vault.location(), {"VAULT_ADDR": vault.url, "VAULT_TOKEN_FILE": str(file)}, limits=PATIENT)
    signer.sign(b"m")
    vault.token = "hvs.another"
    file.write_text("hvs.another\n")
    signer.sign(b"m")
    signer.close()


def test_vaults_namespaces_are_named(vault: VaultStub) -> None:
    vault.namespace = "teams/licensing"
    with pytest.raises(StateError):
        open_remote(vault.location(), vault.environ(), limits=PATIENT)
    named = {**vault.environ(), "VAULT_NAMESPACE": "teams/licensing"}
    signer = open_remote(vault.location(), named, limits=PATIENT)
    signer.sign(b"m")
    signer.close()


def test_of_a_key_in_vault_each_version_is_a_key_of_its_own(vault: VaultStub) -> None:
    newest = open_remote("vault:transit/carnet-token#2", vault.environ(), limits=PATIENT)
    before = open_remote("vault:transit/carnet-token#1", vault.environ(), limits=PATIENT)
    assert newest.public_key == vault.public_key
    assert before.public_key != newest.public_key
    with pytest.raises(UsageError) as missing:
        open_remote("vault:transit/carnet-token#3", vault.environ(), limits=PATIENT)
    assert missing.value.code == "no_key_at_location"
    for signer in (newest, before):
        signer.close()


def test_each_forked_process_has_connections_of_its_own(vault: VaultStub) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FORKED, vault.location()],
        env={**os.environ, **vault.environ()},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "0 signed\n", done.stderr


_FORKED = """
import os, sys
from carnet.server.signing.services import open_remote
signer = open_remote(sys.argv[1], os.environ)
signer.sign(b"before")
child = os.fork()
for number in range(20):
    signer.sign(b"%d" % number)
if child == 0:
    os._exit(0)
_, status = os.waitpid(child, 0)
signer.sign(b"after")
print(status, "signed")
"""


def test_derived_keys_and_missing_tokens_of_vault_are_refused(vault: VaultStub) -> None:
    with pytest.raises(UsageError) as unset:
        open_remote(vault.location(), {"VAULT_ADDR": vault.url}, limits=PATIENT)
    assert unset.value.code == "bad_setting"
    vault.derived = True
    with pytest.raises(UsageError) as refused:
        open_remote(vault.location(), vault.environ(), limits=PATIENT)
    assert refused.value.code == "unsuitable_key"


@pytest.mark.parametrize("stub", [AwsStub, GoogleStub, VaultStub])
def test_a_key_that_is_not_there_is_said(
    stub: type[AwsStub | GoogleStub | VaultStub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stub() as service:
        at = ServicePlace(service, tmp_path, monkeypatch)
        at.open().close()  # Google's own tokens come from the same stub
        monkeypatch.setattr(service, "handle", _only_tokens(service))
        with pytest.raises(UsageError) as missing:
            at.open()
        assert missing.value.code == "no_key_at_location"


def _only_tokens(service: AwsStub | GoogleStub | VaultStub) -> Any:
    from support.key_services import Refusal

    real = service.handle

    def handle(method: str, path: str, headers: Any, body: Any) -> dict[str, Any]:
        if path == "/token":
            return real(method, path, headers, body)
        raise Refusal(service.missing, service.names["missing"])

    return handle


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    places = {
        "boto3.session": f"awskms:{AwsStub.arn}",
        "pkcs11": f"pkcs11:token=t;object=o?module-path={tmp_path / 'x.so'}",
        "google.auth": f"gcpkms:{GoogleStub.name}",
    }
    for module, location in places.items():
        with monkeypatch.context() as without:
            without.setitem(sys.modules, module, None)
            with pytest.raises(UsageError) as refused:
                open_remote(location, dict(os.environ), limits=PATIENT)
        assert refused.value.code == "signer_not_installed", module
        assert "pip install" in refused.value.fix
