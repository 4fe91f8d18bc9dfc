from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from carnet.core.errors import CarnetError, MalformedError, StateError, UsageError
from carnet.core.instant import Instant
from carnet.formats.encoding import b64url_encode
from carnet.formats.keys import ROLES, Role
from carnet.formats.strict_json import dump_json, parse_object
from carnet.server.signing.file_store import KEY_GROUPS, STORE_FILE, FileSigningKeys, NewStore, make_store, open_store
from carnet.server.signing.opening import KeyPlaces, file_location, open_signer
from carnet.server.signing.root_keys import read_root_key, write_root_key
from carnet.server.signing.sealing import ScryptCost, derive_key, kdf_to_json

NOW = Instant(1_790_000_000)
CHEAP = ScryptCost(log2_n=10)
PASSPHRASE = b"correct horse battery staple"


def store_in(folder: Path, *, passphrase: bytes | None = None) -> NewStore:
    salt = bytes(16)
    kek = os.urandom(32) if passphrase is None else derive_key(passphrase, salt, CHEAP)
    kdf = None if passphrase is None else kdf_to_json(salt, CHEAP)
    store = make_store(kek=kek, kdf=kdf, created_at=NOW, random=os.urandom)
    (folder / "keys").mkdir()
    for name, content in store.files:
        (folder / "keys" / name).write_bytes(content)
    if passphrase is None:
        (folder / "signing").write_text(b64url_encode(kek) + "\n")
    return store


def open_in(folder: Path, passphrase: bytes | None = None) -> FileSigningKeys:
    return open_store(folder / "keys", passphrase=passphrase, key_file=folder / "signing")


def change(path: Path, **members: Any) -> None:
    content = parse_object(path.read_bytes(), max_bytes=99999, what="x")
    path.write_bytes(dump_json({**content, **members}))


def key_file(folder: Path, role: Role) -> Path:
    for path in (folder / "keys").glob("*.json"):
        if path.name != STORE_FILE and role in parse_object(path.read_bytes(), max_bytes=99999, what="x")["roles"]:
            return path
    raise AssertionError(role)


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_an_opened_store_shows_every_key_with_its_roles_and_its_signer(
    tmp_path: Path, passphrase: bytes | None
) -> None:
    store = store_in(tmp_path, passphrase=passphrase)
    files = {file.signer.kid: file for file in open_in(tmp_path, passphrase).files()}
    assert len(files) == len(store.signers)
    for roles, signer in store.signers:
        file = files[signer.kid]
        assert (set(file.roles), file.signer.public_key) == (set(roles), signer.public_key)
        assert (file.name, file.created_at) == (f"{signer.kid}.json", NOW)


def test_every_role_has_a_key_but_the_roots_and_long_lived_artifacts_share_none() -> None:
    roles = [role for group in KEY_GROUPS for role in group]
    assert sorted(roles) == sorted(set(ROLES) - {"root"})
    assert {("token",), ("machine-file",), ("license-key",)} <= set(KEY_GROUPS)


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_sec_25_no_private_key_stands_in_a_key_file(tmp_path: Path, passphrase: bytes | None) -> None:
    seeds: list[bytes] = []

    def random(count: int) -> bytes:
        made = os.urandom(count)
        seeds.append(made)
        return made

    store = make_store(kek=os.urandom(32), kdf=None, created_at=NOW, random=random)
    everything = b"".join(content for _, content in store.files)
    assert len(seeds) >= 4
    for seed in seeds:
        assert seed not in everything
        assert seed.hex().encode() not in everything
        assert b64url_encode(seed).encode() not in everything


def test_a_wrong_passphrase_and_none_at_all_are_told_apart(tmp_path: Path) -> None:
    store_in(tmp_path, passphrase=PASSPHRASE)
    with pytest.raises(StateError) as caught:
        open_in(tmp_path, b"wrong")
    assert caught.value.code == "wrong_passphrase"
    assert "wrong" not in caught.value.message.replace("wrong_", "")
    with pytest.raises(StateError) as caught:
        open_in(tmp_path, None)
    assert caught.value.code == "passphrase_needed"


def test_another_key_file_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    store_in(tmp_path)
    (tmp_path / "signing").write_text(b64url_encode(bytes(32)))
    with pytest.raises(StateError) as caught:
        open_in(tmp_path)
    assert caught.value.code == "wrong_key_file"
    (tmp_path / "signing").write_text("not a key")
    with pytest.raises(MalformedError):
        open_in(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    store_in(tmp_path)
    (tmp_path / "signing").unlink()
    with pytest.raises(StateError, match="signing is missing") as caught:
        open_in(tmp_path)
    assert caught.value.code == "missing_file"
    (tmp_path / "keys" / STORE_FILE).unlink()
    with pytest.raises(StateError, match=r"store\.json is missing"):
        open_in(tmp_path)


def places(folder: Path) -> KeyPlaces:
    store = open_in(folder)
    return KeyPlaces(folder=store.folder, kek=store.kek, environ={})


def test_sec_25_a_location_opens_exactly_the_key_that_is_expected_there(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    (_, signer), (_, other) = store.signers[:2]
    location = file_location(signer.kid)
    opened = open_signer(location, places(tmp_path), public_key=signer.public_key)
    opened.public_key.verify(opened.sign(b"m"), b"m")
    assert open_signer(location, places(tmp_path)).kid == signer.kid
    with pytest.raises(StateError) as caught:
        open_signer(location, places(tmp_path), public_key=other.public_key)
    assert caught.value.code == "keys_do_not_match_root"
    (tmp_path / "keys" / f"{signer.kid}.json").unlink()
    with pytest.raises(StateError) as caught:
        open_signer(location, places(tmp_path))
    assert caught.value.code == "missing_file"


@pytest.mark.parametrize(
    "location",
    ["", "file", "file:", "file:../secrets/signing", "file:a/b.json", "file:store", "ftp:key", "FILE:a.json"],
)
def test_what_names_no_key_file_is_refused_before_anything_is_read(tmp_path: Path, location: str) -> None:
    store_in(tmp_path)
    with pytest.raises(UsageError) as caught:
        open_signer(location, places(tmp_path))
    assert caught.value.code == "bad_key_location"


@pytest.mark.parametrize(
    "members",
    [
        {"roles": ["token", "machine-file"]},  # a role that was not sealed with it
        {"kid": "another"},
        {"format": "carnet-signing-key/2"},
        {"sealed": b64url_encode(bytes(60))},
        {"sealed": "!"},
        {"roles": "token"},
        {"created_at": 5},
        {"created_at": "yesterday"},
    ],
)
def test_a_key_file_that_was_changed_is_refused(tmp_path: Path, members: dict[str, Any]) -> None:
    store_in(tmp_path)
    change(key_file(tmp_path, "token"), **members)
    with pytest.raises(MalformedError) as caught:
        open_in(tmp_path).files()
    assert caught.value.fix


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b"{" * 100, b"x" * 20000])
def test_a_damaged_store_gives_a_coded_error(tmp_path: Path, content: bytes) -> None:
    store_in(tmp_path)
    (tmp_path / "keys" / STORE_FILE).write_bytes(content)
    with pytest.raises(CarnetError) as caught:
        open_in(tmp_path)
    assert caught.value.code


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_root_key_file_gives_its_signer_back(passphrase: bytes | None) -> None:
    seed = os.urandom(32)
    data = write_root_key(seed, issuer="i", created_at=NOW, passphrase=passphrase, cost=CHEAP, random=os.urandom)
    signer = read_root_key(data, passphrase)
    signer.public_key.verify(signer.sign(b"m"), b"m")
    is_open = b64url_encode(seed).encode() in data
    assert is_open == (passphrase is None)


def test_a_sealed_root_key_opens_with_its_passphrase_only() -> None:
    data = write_root_key(
        os.urandom(32), issuer="i", created_at=NOW, passphrase=PASSPHRASE, cost=CHEAP, random=os.urandom
    )
    with pytest.raises(StateError) as caught:
        read_root_key(data, b"wrong")
    assert caught.value.code == "wrong_passphrase"
    with pytest.raises(StateError) as caught:
        read_root_key(data, None)
    assert caught.value.code == "passphrase_needed"


def test_a_root_key_that_was_changed_is_refused() -> None:
    data = write_root_key(
        os.urandom(32), issuer="i", created_at=NOW, passphrase=PASSPHRASE, cost=CHEAP, random=os.urandom
    )
    content = parse_object(data, max_bytes=99999, what="x")
    for members in ({"kid": "x"}, {"issuer": "j"}, {"sealed": b64url_encode(bytes(60))}):
        with pytest.raises(CarnetError):
            read_root_key(dump_json({**content, **members}), PASSPHRASE)
    for broken in (b"", b"{}", b'{"format":"carnet-root-key/1","issuer":"i","kid":"k","seed":"AA"}'):
        with pytest.raises(CarnetError):
            read_root_key(broken, PASSPHRASE)
