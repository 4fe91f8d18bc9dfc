"""`carnet key create|import|list|export` on a real installation, by transcript."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from carnet.cli import exits
from carnet.formats.jose_keys import public_key_from_pem
from carnet.formats.keys import public_key_from_jwk
from support.shop import Shop

NOTHING = "no-such-key"


@pytest.fixture(scope="module")
def old_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The encrypted RSA key of a vendor's former system; its passphrase lies beside it."""
    folder = tmp_path_factory.mktemp("old")
    private = rsa.generate_private_key(65537, 2048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"canary horse"))
    (folder / "old.pem").write_bytes(pem)
    (folder / "right").write_text("canary horse\n")
    (folder / "wrong").write_text("another horse\n")
    return folder / "old.pem"


def test_a_key_is_made_listed_exported_and_replaced(office: Shop) -> None:
    office.vendor("product", "create", "pinned")
    assert office.run("key", "list", "--product", "pinned").out == "No compatibility keys.\n"
    first = office.vendor("key", "create", "--product", "pinned", "--alg", "ES256")
    members = ["kid", "product", "alg", "state", "origin", "signs_for", "created_at", "replaced_at", "retired_at"]
    assert list(first) == [*members, "replaces"]
    assert (first["product"], first["alg"], first["state"], first["replaces"]) == ("pinned", "ES256", "active", None)
    kid = f"--kid={first['kid']}"

    pem = office.run("key", "export", kid, "--format", "pem")
    assert pem.code == exits.OK
    assert pem.out.startswith("-----BEGIN PUBLIC KEY-----\n")  # and nothing else: stdout is what apps pin
    assert "in no root" in pem.err
    public = public_key_from_pem(pem.out)
    assert public.kid == first["kid"]
    as_json = office.vendor("key", "export", kid)
    assert (as_json["kid"], as_json["pem"]) == (first["kid"], pem.out.rstrip("\n") + "\n")
    jwk = office.vendor("key", "export", kid, "--format", "jwk")
    assert (jwk["carnet_product"], public_key_from_jwk(jwk)) == ("pinned", public)
    assert office.run("key", "export", kid, "--format", "jwk").out.startswith('{"kty": "EC"')

    second = office.run("key", "create", "--product", "pinned", "--alg", "EdDSA")
    assert second.code == exits.OK
    assert first["kid"] in second.out
    assert "now only verifies" in second.err
    listed = office.vendor("key", "list", "--product", "pinned")["items"]
    # Newest first, to the second: the order of two processes within one is not known.
    assert {(key["alg"], key["state"]) for key in listed} == {("EdDSA", "active"), ("ES256", "verify-only")}
    assert next(key for key in listed if key["kid"] == first["kid"])["replaced_at"] is not None
    page = office.vendor("key", "list", "--product", "pinned", "--limit", "1")
    assert page["has_more"]
    assert office.vendor("key", "list", "--product", "pinned", "--cursor", page["next_cursor"])["items"] == listed[1:]
    changes = office.vendor("audit", "list", "--limit", "3")["items"]
    assert {"key.created", "key.replaced"} <= {change["action"] for change in changes}


def test_a_key_is_retired_for_good(office: Shop) -> None:
    office.vendor("product", "create", "ending")
    kid = office.vendor("key", "create", "--product", "ending", "--alg", "ES256")["kid"]
    still = office.run("key", "retire", f"--kid={kid}", "--json")
    assert (still.code, still.problem["code"]) == (exits.CONFLICT, "conflict")
    office.vendor("key", "create", "--product", "ending", "--alg", "ES256")
    retired = office.run("key", "retire", f"--kid={kid}")
    assert retired.code == exits.OK
    assert "private half is gone" in retired.err
    listed = office.vendor("key", "list", "--product", "ending")["items"]
    assert {(key["kid"] == kid, key["state"]) for key in listed} == {(True, "retired"), (False, "active")}
    assert office.run("key", "export", f"--kid={kid}").code == exits.OK  # the record stays, for whoever asks
    assert office.run("key", "retire", NOTHING).code == exits.NOT_FOUND


def test_a_key_that_apps_know_is_imported_with_its_id(office: Shop, old_key: Path) -> None:
    office.vendor("product", "create", "moved")
    words = ("key", "import", "--product", "moved", "--pem-file", old_key, "--kid", "vendor_2019")
    without = office.run(*words, "--json")
    assert (without.code, without.problem["code"]) == (exits.AUTH, "passphrase_needed")
    wrong = office.run(*words, "--pem-passphrase-file", old_key.with_name("wrong"), "--json")
    assert (wrong.code, wrong.problem["code"]) == (exits.AUTH, "wrong_passphrase")
    assert office.vendor("key", "list", "--product", "moved")["items"] == []
    right = office.run(*words, "--pem-passphrase-file", old_key.with_name("right"))
    assert right.code == exits.OK, right.err
    assert "vendor_2019" in right.out
    assert "horse" not in right.out + right.err + wrong.out + wrong.err
    assert office.vendor("key", "export", "vendor_2019", "--format", "jwk")["alg"] == "RS256"
    again = office.run(*words, "--pem-passphrase-file", old_key.with_name("right"), "--json")
    assert (again.code, again.problem["code"]) == (exits.CONFLICT, "key_exists")


def test_what_cannot_be_is_said_with_an_exit_code(office: Shop, tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("no key")
    for code, words in (
        (exits.USAGE, ("key", "create", "--product", "hustl", "--alg", "HS256")),
        (exits.USAGE, ("key", "create", "--product", "hustl")),
        (exits.NOT_FOUND, ("key", "create", "--product", "nothing", "--alg", "EdDSA")),
        (exits.NOT_FOUND, ("key", "list", "--product", "nothing")),
        (exits.NOT_FOUND, ("key", "export", NOTHING)),
        (exits.FAILED, ("key", "import", "--product", "hustl", "--pem-file", junk)),
        (exits.FAILED, ("key", "import", "--product", "hustl", "--pem-file", tmp_path / "absent")),
    ):
        run = office.run(*words)
        assert run.code == code, (words, run.err)
        assert run.out == ""
        assert "Traceback" not in run.err
