"""The root file: signed by enough keys of its own, followed one step at a time, one spelling (SEC-20, SEC-21)."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.errors import CarnetError, MalformedError, NotGenuineError, UsageError
from carnet.core.instant import DAY, Instant
from carnet.formats.dsse import count_signers, pre_authentication_encoding, read_envelope, sign_envelope
from carnet.formats.encoding import b64_encode, b64url_encode
from carnet.formats.keys import ROLES, Ed25519Signer, load_ed25519
from carnet.formats.limits import MAX_JSON_INTEGER
from carnet.formats.root import PAYLOAD_TYPE, Root, RootRole, anchor, next_root, read_root, sign_root
from carnet.formats.strict_json import dump_json
from support.roots import (
    EXPIRES_AT,
    ISSUED_AT,
    KEYS,
    MEMBERS,
    ONLINE_SIGNERS,
    ROOT,
    ROOT_FILE,
    ROOT_SIGNERS,
    root_of,
    signed_root,
)

ENVELOPE = json.loads(ROOT_FILE)
THREE = {**KEYS, "root": tuple(signer.public_key for signer in ROOT_SIGNERS)}


def code_of(data: bytes | str) -> str:
    with pytest.raises(CarnetError) as raised:
        read_root(data)
    assert isinstance(raised.value, MalformedError | NotGenuineError)
    return raised.value.code


def enveloped(**change: Any) -> bytes:
    return dump_json({**ENVELOPE, **change})


def test_what_is_signed_is_what_is_read() -> None:
    assert read_root(ROOT_FILE) == ROOT
    assert read_root(ROOT_FILE.decode()) == ROOT
    assert sign_root(read_root(ROOT_FILE), ROOT_SIGNERS[:1]) == ROOT_FILE
    assert ROOT.version == 1
    assert ROOT.issuer == "installation-1"
    assert (ROOT.issued_at, ROOT.expires_at) == (ISSUED_AT, EXPIRES_AT)
    assert ROOT.role("root") == RootRole(role="root", kids=(ROOT_SIGNERS[0].kid,))
    assert ROOT.role("license-key") is None
    assert ROOT.role_keys("license-key") == ()
    assert ROOT.role_keys("time") == (ONLINE_SIGNERS[2].public_key,)
    assert ROOT.minimum_formats == (("license-token", 1), ("machine-file", 1))


def test_a_root_with_four_keys_is_about_one_kilobyte_of_ascii_on_one_line() -> None:
    assert len(ROOT.keys) == 4
    assert 900 < len(ROOT_FILE) < 1100
    assert ROOT_FILE.isascii()
    assert b"\n" not in ROOT_FILE


@pytest.mark.parametrize(
    ("formats", "ended"),
    [
        ({"license-token": 1, "machine-file": 1}, set()),
        ({"license-token": 2}, {"token"}),
        ({"machine-file": 2, "license-token": 1}, {"machine-file"}),
        ({"status-list": MAX_JSON_INTEGER}, {"status-list"}),
        ({"root": 2, "token": 2, "of-the-future": 7}, set()),
        ({}, set()),
    ],
)
def test_what_has_to_be_of_a_newer_format_has_no_keys(formats: dict[str, int], ended: set[str]) -> None:
    root = read_root(sign_root(replace(ROOT, minimum_formats=tuple(sorted(formats.items()))), ROOT_SIGNERS[:1]))
    ring = root.ring()
    for role in root.roles:
        for kid in role.kids:
            if role.role in ended:
                with pytest.raises(NotGenuineError, match="not trusted"):
                    ring.find(role.role, kid)
            else:
                assert ring.find(role.role, kid).kid == kid


def test_its_ring_trusts_each_key_for_its_roles_only() -> None:
    ring = ROOT.ring()
    for role in ROLES:
        for signer in (*ROOT_SIGNERS, *ONLINE_SIGNERS):
            if signer.public_key in KEYS.get(role, ()):
                assert ring.find(role, signer.kid) == signer.public_key
            else:
                with pytest.raises(NotGenuineError):
                    ring.find(role, signer.kid)


def test_the_anchor_is_what_sha256sum_prints() -> None:
    assert anchor(ROOT_FILE) == hashlib.sha256(ROOT_FILE).hexdigest()
    assert anchor(b"\xef\xbb\xbf" + ROOT_FILE + b"\r\n") == anchor(ROOT_FILE.decode()) == anchor(ROOT_FILE)
    assert read_root(b"\xef\xbb\xbf" + ROOT_FILE + b"\r\n") == ROOT


def test_the_envelope_is_dsse_version_1() -> None:
    # The example of the DSSE protocol: PAE("http://example.com/HelloWorld", "hello world").
    assert (
        pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert set(ENVELOPE) == {"payload", "payloadType", "signatures"}
    assert ENVELOPE["payloadType"] == PAYLOAD_TYPE
    payload = base64.b64decode(ENVELOPE["payload"], validate=True)
    assert json.loads(payload) == MEMBERS
    signature = base64.b64decode(ENVELOPE["signatures"][0]["sig"], validate=True)
    ROOT_SIGNERS[0].public_key.verify(signature, pre_authentication_encoding(PAYLOAD_TYPE, payload))


@pytest.mark.parametrize(
    ("signers", "good"),
    [([0], False), ([0, 1], True), ([1, 2], True), ([2, 0], True), ([0, 1, 2], True)],
)
def test_two_of_three_root_keys_must_sign(signers: list[int], *, good: bool) -> None:
    root = root_of(keys=THREE, root_threshold=2)
    data = signed_root(json.loads(dump_json(payload_of(root))), [ROOT_SIGNERS[number] for number in signers])
    if good:
        assert read_root(data) == root
        assert sign_root(root, [ROOT_SIGNERS[number] for number in signers]) == data
    else:
        assert code_of(data) == "below_threshold"
        with pytest.raises(UsageError) as raised:
            sign_root(root, [ROOT_SIGNERS[number] for number in signers])
        assert raised.value.code == "below_threshold"


def payload_of(root: Root) -> Any:
    signers = [signer for signer in ROOT_SIGNERS if signer.public_key in root.role_keys("root")]
    return json.loads(base64.b64decode(json.loads(sign_root(root, signers))["payload"]))


def test_sec_21_distinct_keys_count_and_not_ids_or_signatures() -> None:
    root = root_of(keys=THREE, root_threshold=2)
    payload = dump_json(payload_of(root))
    message = pre_authentication_encoding(PAYLOAD_TYPE, payload)
    one = ROOT_SIGNERS[0]

    def data(*entries: tuple[str, bytes]) -> bytes:
        listed = [{"keyid": kid, "sig": b64_encode(signature)} for kid, signature in sorted(entries)]
        return dump_json({"payload": b64_encode(payload), "payloadType": PAYLOAD_TYPE, "signatures": listed})

    # The same key under its own id and under another's, under an unknown id, and twice under its own.
    assert code_of(data((one.kid, one.sign(message)), (ROOT_SIGNERS[1].kid, one.sign(message)))) == "below_threshold"
    assert code_of(data((one.kid, one.sign(message)), ("alias", one.sign(message)))) == "below_threshold"
    assert code_of(data((one.kid, one.sign(message)), (one.kid, one.sign(message)))) == "bad_envelope"
    # A key that is listed twice in the payload, to count twice, is refused with the file.
    listed = payload_of(root)
    listed["keys"].append(listed["keys"][-1])
    assert code_of(signed_root(listed)) == "duplicate_key"
    # A key that is in the file, but has not the role, does not count.
    other = ONLINE_SIGNERS[0]
    assert code_of(data((one.kid, one.sign(message)), (other.kid, other.sign(message)))) == "below_threshold"
    envelope = read_envelope(
        data((one.kid, one.sign(message)), ("alias", one.sign(message))),
        payload_type=PAYLOAD_TYPE,
        max_bytes=9999,
        what="It",
    )
    aliases = [load_ed25519(one.public_key.raw, "alias"), one.public_key]
    assert count_signers(envelope, aliases) == 1


def test_a_signature_of_nobody_we_know_does_not_disturb() -> None:
    stranger = Ed25519Signer(bytes([99]) * 32)
    data = signed_root(MEMBERS, [ROOT_SIGNERS[0], stranger])
    assert read_root(data) == ROOT
    assert code_of(signed_root(MEMBERS, [stranger])) == "below_threshold"
    assert code_of(signed_root(MEMBERS, [ONLINE_SIGNERS[0]])) == "below_threshold"


@pytest.mark.parametrize(
    "data",
    [
        enveloped(extra=1),
        enveloped(payload=None),
        enveloped(payload=1),
        enveloped(signatures=[]),
        enveloped(signatures=None),
        enveloped(signatures={}),
        enveloped(signatures=[None]),
        enveloped(signatures=[{"keyid": "k"}]),
        enveloped(signatures=[{**ENVELOPE["signatures"][0], "x": 1}]),
        enveloped(signatures=[{**ENVELOPE["signatures"][0], "sig": None}]),
        enveloped(signatures=[{**ENVELOPE["signatures"][0], "sig": "AAAA"}]),
        enveloped(signatures=ENVELOPE["signatures"] * 2),
        enveloped(signatures=[{"keyid": f"k{n:02}", "sig": ENVELOPE["signatures"][0]["sig"]} for n in range(33)]),
        enveloped(signatures=[{**ENVELOPE["signatures"][0], "keyid": kid} for kid in ("b", "a")]),
        json.dumps(ENVELOPE).encode(),
        json.dumps(ENVELOPE, indent=1).encode(),
        ROOT_FILE.replace(b"/vnd", b"\\/vnd"),
        json.dumps({name: ENVELOPE[name] for name in reversed(ENVELOPE)}, separators=(",", ":")).encode(),
        dump_json({name: ENVELOPE[name] for name in ("payload", "payloadType")}),
    ],
)  # fmt: skip
def test_an_envelope_of_another_form_is_refused(data: bytes) -> None:
    assert code_of(data) == "bad_envelope"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "bad_json"),
        (b"[]", "not_an_object"),
        (ROOT_FILE + b"x", "bad_json"),
        (enveloped(payloadType="application/vnd.carnet.root"), "wrong_type"),
        (enveloped(payloadType=None), "wrong_type"),
        (enveloped(payload=ENVELOPE["payload"] + "="), "bad_base64"),
        (enveloped(payload=ENVELOPE["payload"].rstrip("=")), "bad_base64"),
        (enveloped(signatures=[{**ENVELOPE["signatures"][0], "keyid": "no id"}]), "bad_kid"),
        (enveloped(signatures=[{**ENVELOPE["signatures"][0], "sig": b64_encode(bytes(64))}]), "below_threshold"),
        (enveloped(payload=b64_encode(dump_json({**MEMBERS, "version": 2}))), "below_threshold"),
        (ROOT_FILE[:-1] + b',"payload":""}', "duplicate_name"),
        (b" " * 512_001, "too_large"),
    ],
)  # fmt: skip
def test_other_files_are_refused_with_their_code(data: bytes, code: str) -> None:
    assert code_of(data) == code


LOW_ORDER = b64url_encode(b"\x01" + bytes(31))


def key_with(index: int = 0, **change: Any) -> Any:
    keys = [dict(key) for key in MEMBERS["keys"]]
    keys[index] = {**keys[index], **change}
    return keys


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"version": 0}, "bad_root"),
        ({"version": -1}, "bad_root"),
        ({"version": True}, "bad_root"),
        ({"version": "1"}, "bad_root"),
        ({"version": None}, "bad_root"),
        ({"iss": ""}, "bad_root"),
        ({"iss": None}, "bad_root"),
        ({"iss": "a\nb"}, "bad_root"),
        ({"iat": 0}, "bad_root"),
        ({"iat": "2026-11-22T09:30:00Z"}, "bad_root"),
        ({"exp": None}, "bad_root"),
        ({"exp": ISSUED_AT}, "bad_root"),
        ({"exp": ISSUED_AT - 1}, "bad_root"),
        ({"exp": ISSUED_AT + 3650 * DAY + 1}, "bad_root"),
        ({"keys": []}, "bad_root"),
        ({"keys": {}}, "bad_root"),
        ({"keys": [None]}, "bad_root"),
        ({"keys": MEMBERS["keys"] * 17}, "bad_root"),
        ({"keys": MEMBERS["keys"][::-1]}, "bad_root"),
        ({"keys": MEMBERS["keys"] + MEMBERS["keys"][-1:]}, "duplicate_key"),
        ({"keys": key_with(x=None)}, "bad_root"),
        ({"keys": key_with(x="AAAA")}, "bad_key"),
        ({"keys": key_with(x=LOW_ORDER)}, "bad_key"),
        ({"keys": key_with(x=MEMBERS["keys"][0]["x"] + "=")}, "bad_base64"),
        ({"keys": key_with(roles=[])}, "bad_root"),
        ({"keys": key_with(roles="root")}, "bad_root"),
        ({"keys": key_with(roles=["token", "token"])}, "bad_root"),
        ({"keys": key_with(roles=["token", "answer"])}, "bad_root"),
        ({"keys": key_with(roles=[None])}, "bad_root"),
        ({"keys": [key for key in MEMBERS["keys"] if key["roles"] != ["root"]]}, "bad_root"),
        ({"threshold": 0}, "bad_root"),
        ({"threshold": 2}, "bad_root"),
        ({"threshold": True}, "bad_root"),
        ({"threshold": "1"}, "bad_root"),
        ({"formats": None}, "bad_root"),
        ({"formats": []}, "bad_root"),
        ({"formats": {"license-token": 0}}, "bad_root"),
        ({"formats": {"license-token": True}}, "bad_root"),
        ({"formats": {"": 1}}, "bad_root"),
        ({"formats": {f"f{number}": 1 for number in range(33)}}, "bad_root"),
    ],
)
def test_sec_04_every_member_has_exactly_its_form(change: dict[str, Any], code: str) -> None:
    assert code_of(signed_root({**MEMBERS, **change})) == code


@pytest.mark.parametrize("name", list(MEMBERS))
def test_sec_04_every_member_must_be_there(name: str) -> None:
    assert code_of(signed_root({each: MEMBERS[each] for each in MEMBERS if each != name})) == "bad_root"


@pytest.mark.parametrize("name", ["alg", "x", "roles"])
def test_a_key_names_its_algorithm_and_roles(name: str) -> None:
    keys = [{each: key[each] for each in key if each != name} for key in MEMBERS["keys"]]
    assert code_of(signed_root({**MEMBERS, "keys": keys})) == "bad_root"


@pytest.mark.parametrize(
    "payload",
    [
        json.dumps(MEMBERS).encode(),
        dump_json(MEMBERS) + b"\n",
        b" " + dump_json(MEMBERS),
        b"[]",
        b"{",
        b'{"a":1,"a":1}',
    ],
)
def test_the_payload_is_canonical_json(payload: bytes) -> None:
    assert code_of(signed_root(payload)) in {"bad_root", "bad_json", "not_an_object", "duplicate_name"}


def test_members_roles_and_algorithms_of_later_versions_are_ignored() -> None:
    assert read_root(signed_root({**MEMBERS, "later": {"a": [1]}})) == ROOT
    assert (
        read_root(signed_root({**MEMBERS, "keys": [{**MEMBERS["keys"][0], "later": 1}, *MEMBERS["keys"][1:]]})) == ROOT
    )
    later = {"alg": "ML-DSA-65", "x": "AAAA", "roles": ["token"]}
    assert read_root(signed_root({**MEMBERS, "keys": [*MEMBERS["keys"], later]})) == ROOT
    roles = sorted([*MEMBERS["keys"][0]["roles"], "zeta-role"])
    assert read_root(signed_root({**MEMBERS, "keys": key_with(roles=roles)})) == ROOT


def test_a_key_of_an_algorithm_we_do_not_know_never_counts_towards_the_threshold() -> None:
    later = {"alg": "ML-DSA-65", "x": "AAAA", "roles": ["root"]}
    assert code_of(signed_root({**MEMBERS, "keys": [*MEMBERS["keys"], later], "threshold": 2})) == "bad_root"


def step(signers: list[Ed25519Signer], **change: Any) -> bytes:
    return signed_root(payload_of(root_of(version=2, **change)), signers)


def test_sec_21_the_next_version_needs_both_thresholds() -> None:
    old, new = ROOT_SIGNERS[0], ROOT_SIGNERS[1]
    keys = {**KEYS, "root": (new.public_key,)}
    assert next_root(ROOT, step([old, new], keys=keys)) == root_of(version=2, keys=keys)
    for signers in ([old], [new], [ROOT_SIGNERS[2]], [new, ROOT_SIGNERS[2]]):
        with pytest.raises(NotGenuineError) as raised:
            next_root(ROOT, step(signers, keys=keys))
        assert raised.value.code == "below_threshold"
    # The same keys stay: one signature serves both.
    assert next_root(ROOT, step([old])).version == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"version": 1}, "root_not_next"),
        ({"version": 3}, "root_not_next"),
        ({"issuer": "installation-2"}, "wrong_issuer"),
    ],
)
def test_sec_21_one_version_at_a_time_of_the_same_installation(change: dict[str, Any], code: str) -> None:
    data = sign_root(root_of(**{"version": 2, **change}), ROOT_SIGNERS[:1])
    with pytest.raises(NotGenuineError) as raised:
        next_root(ROOT, data)
    assert raised.value.code == code


def test_sec_23_a_key_that_the_next_root_drops_is_trusted_no_more() -> None:
    keys = {**KEYS, "token": (ONLINE_SIGNERS[3].public_key,)}
    after = next_root(ROOT, step(ROOT_SIGNERS[:1], keys=keys))
    ROOT.ring().find("token", ONLINE_SIGNERS[0].kid)
    after.ring().find("token", ONLINE_SIGNERS[3].kid)
    with pytest.raises(NotGenuineError):
        after.ring().find("token", ONLINE_SIGNERS[0].kid)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 0},
        {"issuer": ""},
        {"expires_at": ISSUED_AT},
        {"expires_at": Instant(ISSUED_AT + 3650 * DAY + 1)},
        {"root_threshold": 2},
        {"root_threshold": 0},
        {"keys": {"token": (ROOT_SIGNERS[0].public_key,)}},
        {"keys": {"root": (Ed25519Signer(bytes(32), "own-id").public_key,)}},
        {"minimum_formats": {"license-token": 0}},
    ],
)
def test_what_could_not_be_read_is_not_built(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as raised:
        root_of(**change)
    assert raised.value.code == "bad_root"


def test_an_envelope_is_signed_once_by_each_key() -> None:
    with pytest.raises(UsageError) as raised:
        sign_envelope(PAYLOAD_TYPE, b"{}", [ROOT_SIGNERS[0], ROOT_SIGNERS[0]])
    assert raised.value.code == "duplicate_signer"
    with pytest.raises(UsageError) as raised:
        sign_envelope(PAYLOAD_TYPE, b"{}", [])
    assert raised.value.code == "no_signer"


def test_one_flipped_bit_never_reads() -> None:
    for position in range(len(ROOT_FILE)):
        flipped = bytearray(ROOT_FILE)
        flipped[position] ^= 1 << position % 8
        with pytest.raises((MalformedError, NotGenuineError)):
            read_root(bytes(flipped))


def test_a_root_is_a_value() -> None:
    assert replace(ROOT, version=2) != ROOT
    assert hash(read_root(ROOT_FILE)) == hash(ROOT)
