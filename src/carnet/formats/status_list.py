"""
The status list: which of up to millions of licenses and activations are revoked or suspended, in kilobytes, under the
vendor's seal (R-15, R-83, SEC-26, SEC-27; specs/status-list.md).

A Token Status List of the IETF as a JWT, with what Carnet adds to it: a version that only rises, and the number of
statuses. Belongs here: `typ` ``statuslist+jwt``, its claims, both ways, and the bits. Does not belong here: whose index
is which (`carnet.server.domain.status`), and what a status leads to (`carnet.core.rules`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal, NoReturn, cast

from carnet.core._base import Struct
from carnet.core.errors import MalformedError, NotGenuineError, UsageError
from carnet.core.instant import Instant
from carnet.formats.encoding import b64url_decode, b64url_encode
from carnet.formats.jws import open_jws, sign_jws
from carnet.formats.keys import KeyRing, Signer
from carnet.formats.limits import (
    MAX_LIFETIME_SECONDS,
    MAX_STATUS_LIST_TOKEN,
    MAX_STATUSES,
)
from carnet.formats.policy_claims import is_list_version, is_text, is_time

TYP: Final = "statuslist+jwt"
"""As the IETF has it, not ``carnet-…``: what reads Token Status Lists reads ours."""

VALID: Final = 0
INVALID: Final = 1
SUSPENDED: Final = 2
Status = Literal[0, 1, 2, 3]
"""IETF Token Status List §7.1. 3 is left to applications, and ours never write it; readers take it for `INVALID`."""

_CLAIMS: Final = ("iss", "sub", "iat", "exp", "ttl", "version", "size", "status_list")
_WIDTHS: Final = (1, 2)
_ZLIB: Final = 15
"""The window of a zlib stream (RFC 1950 §2.2); neither raw deflate nor gzip, which other values would let in."""

_WHAT: Final = "The status list"
_FIX: Final = "Fetch the list again; if it stays so, tell the vendor."


class StatusList(Struct):
    """
    What one status list token says: the statuses of one shard, as they were at `issued_at`.

    Attributes:
        issuer: The installation's id.
        uri: Which list it is: what the references in artifacts name (`sub`).
        version: Epoch and number; of two lists of one `uri`, the greater is the newer. Compare as tuples.
        issued_at: `iat`: every change before this moment is in it.
        expires_at: `exp`: by then the vendor has published another.
        ttl_seconds: How long a cache may keep it without asking again.
        bits: Bits of each status: 1 or 2.
        statuses: The statuses as the IETF draft lays them out (§4.1): the first in the lowest bits of the first byte.
    """

    issuer: str
    uri: str
    version: tuple[int, int]
    issued_at: Instant
    expires_at: Instant
    ttl_seconds: int
    bits: int
    statuses: bytes

    @property
    def size(self) -> int:
        """How many statuses there are."""
        return len(self.statuses) * 8 // self.bits

    def status(self, index: int) -> Status:
        """
        The status at *index*.

        Args:
            index: As an artifact's reference names it, from 0.

        Raises:
            NotGenuineError: ``status_index_outside``: the list ends before it, so that the artifact and this list do
                not belong together (IETF Token Status List §8.3 step 5).
        """
        place = index * self.bits
        if index < 0 or place >= len(self.statuses) * 8:
            raise NotGenuineError(
                "status_index_outside",
                "The status list ends before the index that the license names.",
                "Fetch the license and the list again; if it stays so, tell the vendor.",
            )
        return cast("Status", self.statuses[place >> 3] >> (place & 7) & (1 << self.bits) - 1)


def pack_statuses(size: int, invalid: Iterable[int], suspended: Iterable[int] = ()) -> tuple[int, bytes]:
    """
    Lay out the statuses of a list: everything valid but what is named.

    Args:
        size: How many statuses, a multiple of 8.
        invalid: Indices that are `INVALID`, each below *size*; this wins over *suspended*.
        suspended: Indices that are `SUSPENDED`.

    Returns:
        The bits of each status, which are 1 where nobody is suspended, and the bytes.
    """
    paused = list(suspended)
    if not paused:
        packed = bytearray(size // 8)
        for index in invalid:
            packed[index >> 3] |= 1 << (index & 7)
        return 1, bytes(packed)
    packed = bytearray(size // 4)
    for index in paused:
        packed[index >> 2] |= SUSPENDED << (index & 3) * 2
    for index in invalid:
        shift = (index & 3) * 2
        packed[index >> 2] = packed[index >> 2] & ~(3 << shift) | INVALID << shift
    return 2, bytes(packed)


def deflate_statuses(statuses: bytes) -> bytes:
    """
    *statuses* as the smallest zlib stream that trying finds (IETF Token Status List §4.1 asks for the best level).

    Which strategy suits scattered bits depends on how many are set. Each of the four is the best for some lists: runs
    below one in a thousand, the ordinary two around one in a hundred, Huffman codes alone from three in a hundred.
    """
    import zlib

    streams = []
    for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE):
        packer = zlib.compressobj(9, zlib.DEFLATED, _ZLIB, 9, strategy)
        streams.append(packer.compress(statuses) + packer.flush())
    return min(streams, key=len)


def inflate_statuses(stream: bytes, expected_bytes: int) -> bytes:
    """
    Undo `deflate_statuses`, or what any other zlib wrote.

    Args:
        stream: One whole zlib stream (RFC 1950) and nothing after it.
        expected_bytes: How many bytes it must inflate to. Never are more than one more made (SEC-26: a bomb stays
            packed).

    Raises:
        MalformedError: ``bad_status_list``: no zlib stream, another length, a stream that is cut or followed by more.
    """
    import zlib

    unpacker = zlib.decompressobj(_ZLIB)
    try:
        statuses = unpacker.decompress(stream, expected_bytes + 1)
    except zlib.error:
        _refuse("bad_status_list", f"{_WHAT}'s statuses are not a zlib stream.")
    if len(statuses) != expected_bytes or not unpacker.eof or unpacker.unused_data:
        _refuse("bad_status_list", f"{_WHAT}'s statuses are not one zlib stream of as many bytes as it says.")
    return statuses


def issue_status_list(listed: StatusList, signer: Signer) -> str:
    """
    Sign *listed*.

    Args:
        listed: What to say; at most 67,108,864 statuses.
        signer: Holder of a key of the role ``status-list``.

    Returns:
        The token: ASCII, one line, at most 4 MiB.

    Raises:
        UsageError: ``bad_list``: what the verifier would refuse; nothing was signed.
    """
    claims: dict[str, Any] = {
        "iss": listed.issuer,
        "sub": listed.uri,
        "iat": int(listed.issued_at),
        "exp": int(listed.expires_at),
        "ttl": listed.ttl_seconds,
        "version": list(listed.version),
        "size": listed.size,
        "status_list": {"bits": listed.bits, "lst": b64url_encode(deflate_statuses(listed.statuses))},
    }
    try:
        if _list_of(claims) != listed:
            _refuse("bad_claim", f"{_WHAT} does not read back as it was meant.")
        if listed.bits == 2 and listed.statuses.translate(None, _WITHOUT_THREE):
            _refuse("bad_claim", f"{_WHAT} holds a status that is not ours to write.")
    except MalformedError as bad:
        raise UsageError(
            "bad_list",
            f"This cannot be a status list: {bad.message}",
            "Give ids of 1 to 255 printable characters, statuses of 0 to 2, and an end after the beginning.",
        ) from None
    token = sign_jws(claims, typ=TYP, signer=signer)
    if len(token) > MAX_STATUS_LIST_TOKEN:
        raise UsageError("bad_list", "These statuses do not fit into a token of 4 MiB.", "Make smaller lists.")
    return token


def verify_status_list(token: str | bytes, ring: KeyRing, *, uri: str | None = None) -> StatusList:
    """
    Verify that *token* is a status list of the vendor's, and decode it. The steps of specs/status-list.md §5.

    Args:
        token: Exactly as received; ASCII, at most 4 MiB.
        ring: The trusted keys; those of the role ``status-list`` count.
        uri: The list that was asked for, as the artifact's reference names it; None where the caller sorts lists by
            their own `uri`.

    Raises:
        MalformedError: The codes of `open_jws`; ``missing_claim``, ``bad_claim``, ``bad_times``, ``bad_status_list``.
        NotGenuineError: The codes of `open_jws`; ``list_mismatch``: genuine, but another list than *uri*.

    Does not judge time or version: whoever keeps lists never goes back in `version`, and `core.decide` judges age.
    """
    # Step 1. The statuses are one long string.
    claims, _ = open_jws(
        token,
        typ=TYP,
        role="status-list",
        ring=ring,
        max_bytes=MAX_STATUS_LIST_TOKEN,
        max_string=MAX_STATUS_LIST_TOKEN,
        what=_WHAT,
    )
    listed = _list_of(claims)
    # Step 7: `sub` is the address that the artifact names (SEC-26).
    if uri is not None and listed.uri != uri:
        raise NotGenuineError("list_mismatch", f"{_WHAT} is another one than the license names.", _FIX)
    return listed


def _list_of(claims: dict[str, Any]) -> StatusList:
    # Steps 2 and 3: every claim has exactly its type. Claims that we do not know are ignored (§7).
    for name in _CLAIMS:
        if name not in claims:
            _refuse("missing_claim", f"{_WHAT} has no {name}.")
    issued_at, expires_at, ttl, size = claims["iat"], claims["exp"], claims["ttl"], claims["size"]
    for name, passes in (
        ("iss", is_text(claims["iss"])),
        ("sub", is_text(claims["sub"])),
        ("iat", is_time(issued_at)),
        ("exp", is_time(expires_at)),
        ("ttl", type(ttl) is int and 0 < ttl <= MAX_LIFETIME_SECONDS),
        ("version", is_list_version(claims["version"])),
        ("size", type(size) is int and 0 < size <= MAX_STATUSES),
        ("status_list", type(claims["status_list"]) is dict),
    ):
        if not passes:
            _refuse("bad_claim", f"{_WHAT}'s {name} has a wrong type or is out of its bounds.")
    # Step 4: the times agree with each other (SEC-04).
    if not issued_at < expires_at or expires_at - issued_at > MAX_LIFETIME_SECONDS:
        _refuse("bad_times", f"{_WHAT} must have iat < exp, at most ten years apart.")
    # Steps 5 and 6: the statuses.
    bits, packed = claims["status_list"].get("bits"), claims["status_list"].get("lst")
    if type(bits) is not int or bits not in _WIDTHS or type(packed) is not str:
        _refuse("bad_status_list", f"{_WHAT} does not have its statuses in 1 or 2 bits each.")
    expected_bytes, unused_bits = divmod(size * bits, 8)
    if unused_bits:
        _refuse("bad_status_list", f"{_WHAT}'s statuses do not fill whole bytes.")
    return StatusList(
        issuer=claims["iss"],
        uri=claims["sub"],
        version=(claims["version"][0], claims["version"][1]),
        issued_at=Instant(issued_at),
        expires_at=Instant(expires_at),
        ttl_seconds=ttl,
        bits=bits,
        statuses=inflate_statuses(b64url_decode(packed, _WHAT), expected_bytes),
    )


_WITHOUT_THREE: Final = bytes(byte for byte in range(256) if all(byte >> shift & 3 != 3 for shift in range(0, 8, 2)))


def _refuse(code: str, sentence: str) -> NoReturn:
    raise MalformedError(code, sentence, _FIX) from None
