"""Files of a device and of a server under attack: states, notes, sealed keys, backups, imports, request bodies."""

from __future__ import annotations

import atexit
import io
import json
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carnet.client.attempts import AttemptsFile, asked_lately
from carnet.client.fingerprint.values import Anchor
from carnet.client.reminders import Reminders
from carnet.client.schedule import Attempts
from carnet.client.state_file import BODY_LABEL, CHECKSUM_BYTES, DeviceState, cipher_for, open_copy, peek
from carnet.client.state_sealing import seal_copy, state_to_json
from carnet.core.attention import Shown
from carnet.core.errors import CarnetError, DoesNotOpenError, MalformedError
from carnet.core.instant import Instant
from carnet.formats.encoding import b64url_decode, b64url_encode, sha256
from carnet.formats.primitives import hkdf_sha256
from carnet.formats.strict_json import dump_json
from carnet.server.api.body import read_body
from carnet.server.backup.container import BackupWriter, EndPart, FilePart, Head, Part, RowsPart, read_head, read_parts
from carnet.server.domain.bulk.lines import Unreadable, read_lines
from carnet.server.signing.file_store import make_key_file, open_key_file
from carnet.server.signing.root_keys import read_root_key, write_root_key
from carnet.server.signing.sealing import ScryptCost, seal
from support.attack_judging import Parser
from support.attack_mutators import Mutator
from support.tokens import ISSUED_AT

_FIX: Final = "This is how the campaign tells that nothing was read."
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a file there costs no disk; hundreds of thousands are written
_PLACE: Final = Path(tempfile.mkdtemp(prefix="carnet-attacked-", dir=_MEMORY if _MEMORY.is_dir() else None))
_NOTES: Final = (AttemptsFile(str(_PLACE)), Reminders(str(_PLACE)))


@atexit.register
def tidy() -> None:
    """Take the folder away. Who leaves without ceremony calls this before."""
    shutil.rmtree(_PLACE, ignore_errors=True)


def _zeros(size: int) -> bytes:
    return bytes(size)


# ── the state of a device ────────────────────────────────────────────────────────────────────────────────────────────

PRODUCT: Final = "hustl"
ANCHORS: Final = (Anchor(kind="linux-machine-id", value="4c4c4544", strength="strong"),)
_KEY: Final = bytes(range(32))
STATE: Final = seal_copy(
    DeviceState(
        license_key="K",
        fingerprint="F",
        device_seed=bytes(32),
        token="a.b.c",
        roots=("r",),
        refusals=("x.y.z",),
        contacts=3,
        server_time=ISSUED_AT,
    ),
    product=PRODUCT,
    sequence=7,
    key=_KEY,
    anchors=ANCHORS,
    kept=(),
    entropy=bytes(32),
)
_HEADER: Final = STATE.split(b"\n", 2)[1]
_CONTENT: Final = dump_json(state_to_json(open_copy(STATE, peek(STATE, PRODUCT), PRODUCT, ANCHORS).state))


def crafted_state(mutator: Mutator) -> bytes:
    """A state whose header or content was changed before it was sealed: the user of a device can make any."""
    random = mutator.random
    header: Any = json.loads(_HEADER)
    content: Any = json.loads(_CONTENT)
    if random.random() < 0.4:
        header = mutator.of_json(header)
    if random.random() < 0.7:
        content = mutator.of_json(content)
    version = random.choice((b"1", b"1", b"1", b"1", b"1", b"1", b"1", b"2", b"", b"10"))
    head = b"carnet-state " + version + b"\n" + mutator.text_of(header) + b"\n"
    try:
        salt = b64url_decode(header["salt"], "The salt")
    except Exception:  # noqa: BLE001 - then it opens with nothing anyway
        salt = bytes(32)
    cipher, nonce = cipher_for(_KEY, salt, BODY_LABEL + PRODUCT.encode())
    payload = head + cipher.encrypt(nonce, mutator.text_of(content), head)
    checksum = sha256(payload)
    return payload + (checksum if random.random() < 0.97 else checksum[: CHECKSUM_BYTES - 1])


def read_state(data: bytes) -> object:
    """Open a state; what came out of it can be written again."""
    peeked = peek(data, PRODUCT)
    copy = open_copy(data, peeked, PRODUCT, ANCHORS)
    if copy.condition == "open":
        written = seal_copy(
            copy.state, product=PRODUCT, sequence=8, key=copy.key, anchors=ANCHORS, kept=copy.slots, entropy=bytes(32)
        )
        again = open_copy(written, peek(written, PRODUCT), PRODUCT, ANCHORS)
        if again.state != copy.state:
            raise AssertionError("a state that does not come back")
        return copy
    if copy.condition == "foreign":
        raise DoesNotOpenError("does_not_open", "It is of another device.", _FIX)
    raise MalformedError("bad_state", copy.condition, _FIX)


# ── what a device notes beside it ────────────────────────────────────────────────────────────────────────────────────

_ATTEMPTS: Final = dump_json(
    {"failures": 2, "attempted_at": 1790000000, "next_at": 1790000600, "busy_until": 0, "ended": 1790000001}
    | {"holder": "ab", "code": "offline", "network": "n"}
)
_NOTICE: Final = {
    "code": "license_expires_soon",
    "urgency": 1,
    "shown_at": str(ISSUED_AT),
    "not_before": str(ISSUED_AT),
    "snoozed_until": str(Instant(ISSUED_AT + 60)),
}
_NOTICES: Final = dump_json({"v": 1, "shown": [_NOTICE, {**_NOTICE, "code": "x", "snoozed_until": None}]})
NOTES: Final = (b"a" + _ATTEMPTS, b"n" + _NOTICES)


def crafted_notes(mutator: Mutator) -> bytes:
    """One of the two files, changed."""
    kind, content = mutator.random.choice(((b"a", _ATTEMPTS), (b"n", _NOTICES)))
    return kind + mutator.text_of(mutator.of_json(json.loads(content)))


def read_notes(data: bytes) -> object:
    """Read a file of notes and use what it says. Damage is as good as nothing."""
    found: Attempts | tuple[Shown, ...] | None
    if data[:1] == b"n":
        (_PLACE / "notices.json").write_bytes(data[1:])
        found = _NOTES[1].load(ISSUED_AT)
    else:
        (_PLACE / "attempts.json").write_bytes(data[1:])
        found = attempts = _NOTES[0].read()
        asked_lately(attempts)
    if not found:
        raise MalformedError("bad_json", "Nothing is remembered.", _FIX)
    return found


# ── keys of a server ─────────────────────────────────────────────────────────────────────────────────────────────────

_KEK: Final = bytes(range(1, 33))
KEY_FILE: Final = make_key_file(("token", "answer"), kek=_KEK, created_at=ISSUED_AT, random=_zeros)[1]
ROOT_KEYS: Final = tuple(
    write_root_key(
        bytes(range(32)), issuer="i", created_at=ISSUED_AT, passphrase=secret, cost=ScryptCost(log2_n=10), random=_zeros
    )
    for secret in (None, b"correct horse")
)


def crafted_key_file(mutator: Mutator) -> bytes:
    """A key file that was changed, as a rule sealed for what it says."""
    members = mutator.of_json(json.loads(KEY_FILE))
    if mutator.random.random() < 0.5 and isinstance(members, dict) and isinstance(members.get("roles"), list):
        roles = [str(role) for role in members["roles"]]
        context = "\0".join(("carnet/v1/signing-key", str(members.get("kid")), *roles))
        secret = bytes(mutator.random.choice((0, 31, 32, 32, 33)))
        sealed = seal(secret, _KEK, context.encode("utf-8", "surrogatepass"), _zeros)
        members["sealed"] = b64url_encode(sealed)
    return mutator.text_of(members)


def read_key_file(data: bytes) -> object:
    """Open a sealed key."""
    path = _PLACE / "key.json"
    path.write_bytes(data)
    return open_key_file(path, _KEK)


def crafted_root_key(mutator: Mutator) -> bytes:
    """A root key file that was changed; seldom a sealed one, which costs a millisecond and more."""
    plain = mutator.random.random() < 0.97
    return mutator.text_of(mutator.of_json(json.loads(ROOT_KEYS[0 if plain else 1])))


def read_root_key_file(data: bytes) -> object:
    """Read a root key; another passphrase is a refusal like others."""
    try:
        return read_root_key(data, None)
    except CarnetError as refused:
        if refused.code == "passphrase_needed":
            raise DoesNotOpenError("does_not_open", refused.message, _FIX) from refused
        raise


# ── backups ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_SECRET: Final = bytes(range(2, 34))
_HEAD: Final = Head(issuer="i1", anchor="a" * 64, created_at=ISSUED_AT, schema="0009", salt=b"s" * 32)
_PARTS: Final[tuple[Part, ...]] = (
    FilePart(name="root.json", content=b"{}"),
    RowsPart(table="t", columns=["a", "b"], rows=[[1, "x"], [2, None], [3, b"\0\xff"]]),
    EndPart(rows={"t": 3}),
)


def _backup() -> bytes:
    stream = io.BytesIO()
    writer = BackupWriter(stream, _HEAD, _SECRET)
    for part in _PARTS:
        writer.write(part)
    return stream.getvalue()


BACKUP: Final = _backup()


def crafted_backup(mutator: Mutator) -> bytes:
    """A backup whose parts or head were changed before it was sealed."""
    random = mutator.random
    head = BACKUP[: BACKUP.index(b"\n", 16) + 1]
    if random.random() < 0.2:
        head = b"carnet-backup/1\n" + mutator.text_of(mutator.of_json(json.loads(head[16:]))) + b"\n"
    seal_ = AESGCM(hkdf_sha256(_SECRET, salt=_HEAD.salt, info=b"carnet/v1/backup", length=32))
    plain = [msgspec.msgpack.encode(part) for part in _PARTS]
    at = random.randrange(len(plain))
    if random.random() < 0.5:
        plain[at] = mutator.of_bytes(plain[at], plain[0], 4096)
    elif random.random() < 0.5:
        value: Any = mutator.of_json([["rows", "t", ["a", "b"], [[1, 2], [None, "x"]]], ["end", {"t": 2}]])
        plain = [plain[0], *(_packed(each) for each in value)] if isinstance(value, list) else plain
    elif random.random() < 0.5:
        random.shuffle(plain)
    data = head
    last = len(plain) - (0 if random.random() < 0.05 else 1)
    for number, part in enumerate(plain):
        packed = zlib.compress(part) if random.random() < 0.97 else part
        sealed = seal_.encrypt(number.to_bytes(11, "big") + bytes((number == last,)), packed, head)
        data += len(sealed).to_bytes(4, "big") + sealed
    return data + (b"x" if random.random() < 0.05 else b"")


def _packed(value: Any) -> bytes:
    try:
        return msgspec.msgpack.encode(value)
    except (OverflowError, UnicodeEncodeError, TypeError):
        return b""


def read_backup(data: bytes) -> object:
    """Read a backup to its end."""
    stream = io.BytesIO(data)
    parts = tuple(read_parts(stream, read_head(stream), _SECRET))
    rows = [(part, row) for part in parts if isinstance(part, RowsPart) for row in part.rows]
    if any(len(row) != len(part.columns) for part, row in rows) or not isinstance(parts[-1], EndPart):
        raise AssertionError("a backup that cannot be restored")
    return parts


# ── what a server is sent ────────────────────────────────────────────────────────────────────────────────────────────

_CSV: Final = (
    b"key,product,policy,customer,seat_limit,expires_at,metadata,status\r\n"
    b'K-1,hustl,pro,ada,3,2027-01-01T00:00:00Z,"{""a"":1}",active\r\nK-2,hustl,pro,,,,,\r\n'
)
_LINES: Final = (
    b'{"key":"K-1","product":"hustl","policy":"pro","seat_limit":3,"metadata":{"a":[1]},"status":"revoked"}\n'
    b'{"key":"K-2","product":"hustl","policy":"pro","expires_at":"2027-01-01T00:00:00Z"}\n'
)
IMPORTS: Final = (b"c" + _CSV, b"j" + _LINES)


def crafted_import(mutator: Mutator) -> bytes:
    """An import one of whose lines was changed."""
    if mutator.random.random() < 0.5:
        return b"c" + mutator.of_bytes(_CSV, _CSV, 4096)
    first, second, _ = _LINES.split(b"\n")
    return b"j" + mutator.text_of(mutator.of_json(json.loads(first))) + b"\n" + second + b"\n"


def read_import(data: bytes) -> object:
    """Read every line; one that is refused does not stop the others."""
    text = io.TextIOWrapper(io.BytesIO(data[1:]), encoding="utf-8", newline="")
    found = list(read_lines(text, "csv" if data[:1] == b"c" else "jsonl"))
    for line in found:
        if isinstance(line, Unreadable):
            raise line.error
    return found


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """A body with every kind of member that the API's have."""

    name: str
    count: int = 1
    is_on: bool = False
    at: str | None = None
    texts: list[str] = []
    more: dict[str, Any] = {}


BODY: Final = b'{"name":"n","count":2,"is_on":true,"at":null,"texts":["a"],"more":{"b":[1]}}'


def crafted_body(mutator: Mutator) -> bytes:
    """A body with changed members."""
    return mutator.text_of(mutator.of_json(json.loads(BODY)))


def read_request(data: bytes) -> object:
    """Decode a body."""
    return read_body(data, Asked, max_bytes=65536)


PARSERS: Final = {
    "device state": Parser(seeds=(STATE,), read=read_state, craft=crafted_state),
    "device notes": Parser(seeds=NOTES, read=read_notes, craft=crafted_notes),
    "sealed key file": Parser(seeds=(KEY_FILE,), read=read_key_file, craft=crafted_key_file),
    "root key file": Parser(seeds=ROOT_KEYS, read=read_root_key_file, craft=crafted_root_key),
    "backup": Parser(seeds=(BACKUP,), read=read_backup, craft=crafted_backup),
    "import": Parser(seeds=IMPORTS, read=read_import, craft=crafted_import),
    "request body": Parser(seeds=(BODY,), read=read_request, craft=crafted_body),
}
