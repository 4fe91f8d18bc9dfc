"""
One copy of the state, read from bytes: a clear header with a slot per anchor, an encrypted body, a checksum.

specs/state.md §2 to §5. Pure: no file, clock or lock here; writing is in `state_sealing.py`. The checksum tells damage
from a foreign copy, the slots tell whose device this is, and the body is authentic or it is not opened at all: there
is no third way to read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from cryptography.exceptions import InvalidTag

from carnet.client.clock import ClockFacts
from carnet.client.fingerprint.values import Anchor
from carnet.core._base import Struct
from carnet.core.errors import CarnetError, MalformedError
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.formats.encoding import b64url_decode, sha256
from carnet.formats.primitives import hkdf_sha256, load_aes_gcm
from carnet.formats.strict_json import parse_object

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"carnet-state "
VERSION = b"1"
MAX_STATE = 4 * 1024 * 1024
KEY_BYTES = 32
SALT_BYTES = 32
CHECKSUM_BYTES = 32
MAX_SLOTS = 16
MAX_SEQUENCE = 2**53 - 1

_NONCE_BYTES = 12
SLOT_LABEL = b"carnet/v1/state-slot\0"
BODY_LABEL = b"carnet/v1/state-body\0"

Condition = Literal["absent", "open", "foreign", "damaged", "too_new", "unreadable"]
"""What a copy turned out to be. Only ``open`` holds content; no other condition can grant anything."""


class DeviceState(Struct):
    """
    What a device remembers of one product. Nothing in it grants by itself: artifacts are verified at every load.

    Attributes:
        license_key: As typed or as given by the environment; the machine file opens with it.
        fingerprint: The enrolled fingerprint: what the activation is bound to, whatever anchors drift later.
        device_seed: Ed25519 seed of the device key (SEC-45), unless it is elsewhere.
        device_seed_in: ``keychain`` where the operating system's keychain holds it, ``tpm`` where the device's TPM has
            sealed it (R-37); else None.
        token: License token, as received.
        machine_file: Armoured machine file, as received.
        roots: Root files newer than the embedded one, oldest first, as received.
        refusals: Proofs of authentic refusals: tombstones, verified again at every load.
        status_lists: The newest status lists of the license and its seat, as received; verified again at every load.
        stamp: What the server gave to be shown at the next refresh (SEC-45).
        server_time: Signed time of the newest answer that was taken in.
        contacts: How many answers were taken in; tells whether another process was faster (REL-19).
        prepared_until: Until when the user prepared to be offline (R-35); refreshes keep the window that long.
        clock: What is proven about the present time.
        others: Members of a newer writer, kept as they are.
    """

    license_key: str | None = None
    fingerprint: str | None = None
    device_seed: bytes | None = None
    device_seed_in: str | None = None
    token: str | None = None
    machine_file: str | None = None
    roots: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    status_lists: tuple[str, ...] = ()
    stamp: str | None = None
    server_time: Instant | None = None
    contacts: int = 0
    prepared_until: Instant | None = None
    clock: ClockFacts = ClockFacts()
    others: tuple[tuple[str, Any], ...] = ()

    @property
    def has_device_key(self) -> bool:
        """Whether a device key was made, wherever its seed is."""
        return self.device_seed is not None or self.device_seed_in is not None

    def __repr__(self) -> str:
        return f"DeviceState(contacts={self.contacts}, server_time={self.server_time})"


class Slot(Struct):
    """The state key, wrapped for one anchor."""

    anchor: str
    salt: bytes
    key: bytes


class Header(Struct):
    """The clear part: enough to choose a copy and to try the slots. All of it is authenticated with the body."""

    sequence: int
    salt: bytes
    slots: tuple[Slot, ...]


class Peeked(Struct):
    """A copy whose frame was read: its condition so far, and where its parts are."""

    condition: Condition
    header: Header | None = None
    body_at: int = 0


class Copy(Struct):
    """A copy that was read as far as it goes. `key` is the state key, for writing the next one."""

    condition: Condition
    sequence: int = -1
    state: DeviceState = DeviceState()
    key: bytes = b""
    slots: tuple[Slot, ...] = ()

    def __repr__(self) -> str:
        return f"Copy(condition={self.condition!r}, sequence={self.sequence})"


def peek(data: bytes, product: str) -> Peeked:
    """
    Read the frame and the clear header of a copy (specs/state.md §5, steps 1 to 4). Opens nothing.

    Args:
        data: The whole file.
        product: The product whose state this should be; another product's is as good as damaged.
    """
    if not data.startswith(MAGIC) or len(data) > MAX_STATE:
        return Peeked(condition="damaged")
    payload, checksum = data[:-CHECKSUM_BYTES], data[-CHECKSUM_BYTES:]
    if sha256(payload) != checksum:
        return Peeked(condition="damaged")
    first = payload.find(b"\n")
    if payload[len(MAGIC) : first] != VERSION:
        # Intact, and of another version: a newer app wrote it. It is left alone (users-ask 59).
        return Peeked(condition="too_new" if first > 0 else "damaged")
    second = payload.find(b"\n", first + 1)
    try:
        header = _header(parse_object(payload[first + 1 : second], max_bytes=MAX_STATE, what="The state"), product)
    except (CarnetError, KeyError, TypeError, ValueError):
        return Peeked(condition="damaged")
    return Peeked(condition="open", header=header, body_at=second + 1)


def open_copy(data: bytes, peeked: Peeked, product: str, anchors: tuple[Anchor, ...]) -> Copy:
    """
    Open a peeked copy with this device's anchors (specs/state.md §5, steps 5 to 7).

    Args:
        data: The same bytes that were peeked.
        peeked: What `peek` said of them.
        product: As for `peek`.
        anchors: This device's anchors, from `fingerprint.identify`.

    Returns:
        ``open`` with its content; ``foreign`` when no slot opens; ``damaged`` when a slot opens and the body does not.
    """
    header = peeked.header
    if header is None:
        return Copy(condition=peeked.condition)
    key = _unwrap(header.slots, product, anchors)
    if key is None:
        return Copy(condition="foreign", sequence=header.sequence)
    cipher, nonce = cipher_for(key, header.salt, BODY_LABEL + product.encode())
    try:
        body = cipher.decrypt(nonce, data[peeked.body_at : -CHECKSUM_BYTES], data[: peeked.body_at])
        state = state_from_json(read_content(body))
    except (InvalidTag, CarnetError, TypeError, ValueError):
        return Copy(condition="damaged", sequence=header.sequence)
    return Copy(condition="open", sequence=header.sequence, state=state, key=key, slots=header.slots)


# ── header and slots ─────────────────────────────────────────────────────────────────────────────────────────────────


def _header(members: dict[str, Any], product: str) -> Header:
    sequence, slots = members["sequence"], members["slots"]
    if members["product"] != product or type(sequence) is not int or not 0 <= sequence <= MAX_SEQUENCE:
        raise ValueError(sequence)
    if type(slots) is not list or not 0 < len(slots) <= MAX_SLOTS:
        raise ValueError(slots)
    return Header(
        sequence=sequence,
        salt=_decoded(members["salt"]),
        slots=tuple(
            Slot(
                anchor=str(slot["anchor"]),
                salt=_decoded(slot["salt"]),
                key=_decoded(slot["key"]),
            )
            for slot in slots
        ),
    )


def _decoded(value: object) -> bytes:
    if type(value) is not str:
        raise TypeError(value)
    return b64url_decode(value, "A part of the state's header")


def _unwrap(slots: tuple[Slot, ...], product: str, anchors: tuple[Anchor, ...]) -> bytes | None:
    for anchor in anchors:
        for slot in slots:
            if slot.anchor == anchor.kind:
                cipher, nonce = cipher_for(anchor.value.encode(), slot.salt, SLOT_LABEL + product.encode())
                try:
                    key = cipher.decrypt(nonce, slot.key, SLOT_LABEL + slot.anchor.encode())
                except InvalidTag:
                    continue
                if len(key) == KEY_BYTES:
                    return key
    return None


def cipher_for(secret: bytes, salt: bytes, label: bytes) -> tuple[AESGCM, bytes]:
    """AES-256-GCM with a key and nonce that are both derived, so that neither is used under another salt."""
    derived = hkdf_sha256(secret, salt=salt, info=label, length=KEY_BYTES + _NONCE_BYTES)
    return load_aes_gcm()(derived[:KEY_BYTES]), derived[KEY_BYTES:]


# ── body ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def state_from_json(members: dict[str, Any]) -> DeviceState:
    """
    The content as a value; members that are not known are kept.

    Raises:
        MalformedError: ``bad_state``, ``bad_base64``.
        TypeError: A member has the wrong type.
    """
    rest = dict(members)
    clock = rest.pop("clock", None) or {}
    if type(clock) is not dict:
        raise _bad()
    seed = _text(rest.pop("device_seed", None))
    return DeviceState(
        license_key=_text(rest.pop("license_key", None)),
        fingerprint=_text(rest.pop("fingerprint", None)),
        device_seed=None if seed is None else b64url_decode(seed, "The device key"),
        device_seed_in=_text(rest.pop("device_seed_in", None)),
        token=_text(rest.pop("token", None)),
        machine_file=_text(rest.pop("machine_file", None)),
        roots=_texts(rest.pop("roots", None)),
        refusals=_texts(rest.pop("refusals", None)),
        status_lists=_texts(rest.pop("status_lists", None)),
        stamp=_text(rest.pop("stamp", None)),
        server_time=_instant(rest.pop("server_time", None)),
        contacts=_count(rest.pop("contacts", None)),
        prepared_until=_instant(rest.pop("prepared_until", None)),
        clock=ClockFacts(
            trusted_at=_instant(clock.get("trusted_at")),
            boot=_text(clock.get("boot")),
            uptime_seconds=_count(clock.get("uptime_seconds")),
            behind_since=_instant(clock.get("behind_since")),
            signed_by=_text(clock.get("signed_by")),
            falls=_count(clock.get("falls")),
        ),
        others=tuple(sorted(rest.items())),
    )


def read_content(body: bytes) -> dict[str, Any]:
    """
    The content as strict JSON; an artifact in it may be as long as the state.

    Raises:
        MalformedError: The codes of `parse_object`.
    """
    return parse_object(body, max_bytes=MAX_STATE, what="The state", max_string=MAX_STATE)


def _text(value: object) -> str | None:
    if value is None or type(value) is str:
        return value
    raise _bad()


def _texts(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if type(value) is list and all(type(item) is str for item in value):
        return tuple(value)
    raise _bad()


def _count(value: object) -> int:
    if value is None:
        return 0
    if type(value) is int and value >= 0:
        return value
    raise _bad()


def _instant(value: object) -> Instant | None:
    if value is None:
        return None
    if type(value) is int and 0 <= value <= MAX_INSTANT:
        return Instant(value)
    raise _bad()


def _bad() -> MalformedError:
    return MalformedError("bad_state", "The state holds a member of another type.", "Activate again.")
