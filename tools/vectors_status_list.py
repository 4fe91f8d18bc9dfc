"""
Makes the vectors of status lists: `specs/vectors/status-list/`.

`python tools/vectors_status_list.py` writes them; `tests/unit/formats/test_format_vectors.py` makes them again,
compares, and runs them. The inputs are written here by hand, with fixed keys, and no library packs them: the streams
are the IETF draft's own, or stored blocks. The outcomes are what `carnet.formats` says, and are reviewed as text and by
tools/check_vectors.py.
"""

from __future__ import annotations

import hashlib
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from carnet.core.instant import DAY  # noqa: E402 - found on the path that is set above
from carnet.formats.encoding import b64url_decode, b64url_encode  # noqa: E402
from carnet.formats.status_list import TYP  # noqa: E402
from carnet.formats.strict_json import dump_json  # noqa: E402
from support.format_scenarios import (  # noqa: E402
    ANSWER_SIGNER,
    AROUND,
    ISSUED_AT,
    OTHER_SIGNER,
    TOKEN,
    TOKEN_SIGNER,
    Scenario,
    forged,
    scenario,
    write,
)
from support.vector_keys import STATES, record  # noqa: E402

_URI: Final = "https://license.example.com/v1/status/0"
# draft-ietf-oauth-status-list §4.2: 16 statuses of 1 bit, 12 of 2 bits.
_ONE_BIT: Final = "eNrbuRgAAhcBXQ"
_TWO_BITS: Final = "eNo76fITAAPfAgc"
# Its appendix C.1: 2^20 statuses of 1 bit, 11 of which are set.
_MILLION: Final = (
    "eNrt3AENwCAMAEGogklACtKQPg9LugC9k_ACvreiogEAAKkeCQAAAAAAAAAAAAAAAAAAAIBylgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAXG9IAAAAAAAAAPwsJAAAAAAAAAAAAAAAvhsSAAAAAAAAAAAA7KpLAAAAAAAAAAAAAAAAAAAAAJsLCQAAAAAAAAAAADje"
    "lAAAAAAAAAAAKjDMAQAAAACAZC8L2AEb"
)
_CLAIMS: Final[dict[str, Any]] = {
    "iss": "installation-1",
    "sub": _URI,
    "iat": int(ISSUED_AT),
    "exp": int(ISSUED_AT) + 7 * DAY,
    "ttl": 60,
    "version": [0, 17],
    "size": 16,
    "status_list": {"bits": 1, "lst": _ONE_BIT},
}
_HEADER: Final = {"alg": "EdDSA", "kid": ANSWER_SIGNER.kid, "typ": TYP}
_KEYS: Final[dict[str, list[Any]]] = {"status-list": [ANSWER_SIGNER.public_key], "token": [TOKEN_SIGNER.public_key]}
_LIST: Final = forged(_HEADER, _CLAIMS, ANSWER_SIGNER)


def stored(data: bytes) -> bytes:
    """*data* as a zlib stream that packs nothing (RFC 1951 §3.2.4): the same with every library."""
    blocks = [data[start : start + 65_535] for start in range(0, len(data), 65_535)] or [b""]
    made = b"\x78\x01"
    for number, block in enumerate(blocks, 1):
        size = len(block).to_bytes(2, "little")
        made += bytes([number == len(blocks)]) + size + bytes(255 - byte for byte in size) + block
    return made + zlib.adler32(data).to_bytes(4, "big")


def read(name: str, section: str, catches: str, text: Any, **more: Any) -> Scenario:
    """One token and what is looked up in it; *more* are further inputs, and keys."""
    keys = more.pop("keys", {})
    return scenario(f"status-list/{name}", section, catches, {"list": text, **more}, keys={**_KEYS, **keys})


def claims(name: str, section: str, catches: str, change: dict[str, Any], **more: Any) -> Scenario:
    """A token whose claims are *change*d and whose seal fits."""
    value = {each: claim for each, claim in {**_CLAIMS, **change}.items() if claim is not ...}
    return read(name, section, catches, forged(_HEADER, value, ANSWER_SIGNER), **more)


def genuine() -> Iterator[Scenario]:
    """Lists, and what stands in them."""
    yield read("one-bit", "4", "Counting bits from the high end of a byte.", _LIST, uri=_URI, indices=[*range(16)])
    two: dict[str, Any] = {"size": 12, "status_list": {"bits": 2, "lst": _TWO_BITS}}
    yield claims("two-bits", "4", "Taking suspended for revoked, or losing a bit.", two, indices=[*range(12)])
    places = (0, 1993, 25460, 159495, 495669, 554353, 645645, 723232, 854545, 934534, 1000345)
    around = sorted({each for place in places for each in (place - 1, place, place + 1) if each >= 0} | {(1 << 20) - 1})
    million = {"size": 1 << 20, "status_list": {"bits": 1, "lst": _MILLION}}
    yield claims("million", "4", "Expecting the length of one issuer's lists.", million, indices=around)
    noise = b"".join(hashlib.sha256(bytes([number // 256, number % 256])).digest() for number in range(512))
    long = {"size": 131_072, "status_list": {"bits": 1, "lst": b64url_encode(stored(noise))}}
    yield claims("long", "2", "Bounding strings as other artifacts do.", long, indices=[0, 1, 65_535, 65_536, 131_071])
    more = {"later": [1], "status_list": {**_CLAIMS["status_list"], "aggregation_uri": "https://license.example.com/s"}}
    yield claims("unknown-members", "7", "Refusing what a later version adds.", more, indices=[0, 1])
    for seconds, word in AROUND:
        end = int(ISSUED_AT) + 3650 * DAY + seconds
        yield claims(f"ten-years-{word}", "3", "Being off by one in the longest life.", {"exp": end}, indices=[])
        nothing = "Taking an empty interval."
        yield claims(f"exp-{word}-iat", "3", nothing, {"exp": int(ISSUED_AT) + seconds}, indices=[])


def looked_up() -> Iterator[Scenario]:
    """Which list, and which index."""
    for index, word in ((15, "last"), (16, "behind"), (17, "further"), (2**31 - 1, "far-behind")):
        yield read(f"index-{word}", "5", "Reading on behind the end of a list.", _LIST, indices=[index])
    yield read("index-negative", "5", "Reading before the start of a list.", _LIST, indices=[-1])
    yield read("uri-same", "5", "Comparing addresses in another way than exactly.", _LIST, uri=_URI, indices=[3])
    for name, uri in (("longer", f"{_URI}0"), ("slash", f"{_URI}/"), ("case", _URI.replace("license", "License"))):
        catches = "Taking another list than the one asked for."
        yield read(f"uri-{name}", "5", catches, _LIST, uri=uri, indices=[3])


def wrong_claims() -> Iterator[Scenario]:
    """Claims that a genuine key signed and nobody may believe."""
    for name in _CLAIMS:
        catches = "Giving a required claim a default."
        yield claims(f"no-{name.replace('_', '-')}", "3", catches, {name: ...}, indices=[])
    for name, catches, change in (
        ("sub-256", "Having no bound on an address.", {"sub": "x" * 256}),
        ("iss-empty", "Taking an empty id.", {"iss": ""}),
        ("iat-text", "Converting text to a number.", {"iat": str(ISSUED_AT)}),
        ("iat-zero", "Taking 0 for a time.", {"iat": 0}),
        ("exp-null", "Taking a list without an end.", {"exp": None}),
        ("ttl-zero", "Taking a list that nobody may keep.", {"ttl": 0}),
        ("ttl-true", "Taking true for 1.", {"ttl": True}),
        ("version-number", "Taking one number for a version.", {"version": 17}),
        ("version-one", "Taking a missing number for 0.", {"version": [0]}),
        ("version-three", "Ignoring what follows a version.", {"version": [0, 17, 1]}),
        ("version-negative", "Letting a version be below every other.", {"version": [0, -1]}),
        ("version-true", "Taking true for 1.", {"version": [True, 17]}),
        ("version-text", "Comparing versions as text.", {"version": ["0", "17"]}),
        ("size-zero", "Taking an empty list.", {"size": 0}),
        ("size-true", "Taking true for 1.", {"size": True}),
        ("size-larger", "Making room for more than the limit.", {"size": 67_108_865}),
        ("statuses-text", "Taking the list without its bits.", {"status_list": _ONE_BIT}),
    ):
        yield claims(name, "3", catches, change, indices=[])
    for bits in (0, 3, 4, 8, True, None, "1"):
        catches = "Reading another width than the two."
        members = {"bits": bits, "lst": _ONE_BIT}
        yield claims(f"bits-{str(bits).lower()}", "3", catches, {"status_list": members}, indices=[])
    yield claims("lst-null", "3", "Taking nothing for an empty list.", {"status_list": {"bits": 1, "lst": None}})
    yield claims("no-lst", "3", "Taking nothing for an empty list.", {"status_list": {"bits": 1}})
    yield claims("size-15", "3", "Rounding a size up to whole bytes.", {"size": 15})
    yield claims("size-8", "3", "Ignoring statuses behind the size.", {"size": 8})
    yield claims("size-24", "3", "Filling a list up to its size.", {"size": 24})


def wrong_streams() -> Iterator[Scenario]:
    """What no zlib stream of that length is."""
    stream = b64url_decode(_ONE_BIT, "It")
    two = bytes((0xB9, 0xA3))
    largest = {"size": 67_108_864, "status_list": {"bits": 2, "lst": _ONE_BIT}}
    yield claims("size-largest", "4", "Making room before unpacking.", largest)
    for name, catches, packed in (
        ("trailing-byte", "Ignoring what follows a stream.", stream + b"\0"),
        ("two-streams", "Reading one stream after another.", stream + stream),
        ("cut", "Taking a stream without its end.", stream[:-5]),
        ("no-checksum", "Not waiting for the checksum.", stream[:-4]),
        ("other-checksum", "Not comparing the checksum.", stream[:-1] + bytes([stream[-1] ^ 1])),
        ("raw-deflate", "Taking deflate without zlib's frame.", stream[2:-4]),
        ("no-stream", "Taking statuses that are not packed.", two),
        ("empty", "Taking nothing for an empty list.", b""),
        ("longer", "Cutting a stream off at the size.", stored(two + b"\0")),
        ("shorter", "Filling a stream up to the size.", stored(two[:1])),
        ("bomb", "Unpacking without a bound.", b64url_decode(_MILLION, "It")),
        ("dictionary", "Taking a stream that needs a dictionary.", b"\x78\xbb" + bytes(4) + stream[2:]),
        ("stored", "Refusing a stream that packs nothing.", stored(two)),
    ):
        members = {"bits": 1, "lst": b64url_encode(packed)}
        yield claims(f"lst-{name}", "4", catches, {"status_list": members}, indices=[0, 1])
    padded = {"bits": 1, "lst": f"{_ONE_BIT}=="}
    yield claims("lst-padded", "4", "Taking padding: a second spelling.", {"status_list": padded})


def wrong_tokens() -> Iterator[Scenario]:
    """Other envelopes, types and keys."""
    head, payload, _ = _LIST.split(".")
    yield read("too-large", "2", "Reading before looking at the size.", ["x.", {"repeat": "A", "times": 4194301}, ".x"])
    yield read("largest", "2", "Being off by one in the size.", ["x.", {"repeat": "A", "times": 4194300}, ".x"])
    yield read("two-parts", "2", "Taking a token without a signature.", f"{head}.{payload}")
    yield read("unsigned", "2", "Taking no signature for a good one.", f"{head}.{payload}.")
    twice = dump_json(_CLAIMS)[:-1] + b',"version":[0,18]}'
    yield read("version-twice", "2", "Taking the last of two versions.", forged(_HEADER, twice, ANSWER_SIGNER))
    yield read("crit", "2", "Ignoring a critical extension.", forged({**_HEADER, "crit": []}, _CLAIMS, ANSWER_SIGNER))
    zipped = forged({**_HEADER, "zip": "DEF"}, _CLAIMS, ANSWER_SIGNER)
    yield read("zip", "2", "Unpacking a token before its seal was checked.", zipped)
    for typ in ("statuslist+cwt", "application/statuslist+jwt", "carnet-license+jwt"):
        text = forged({**_HEADER, "typ": typ}, _CLAIMS, ANSWER_SIGNER)
        yield read(f"type-{typ.partition('+')[0].replace('/', '-')}", "2", "Taking another type.", text)
    yield read("license-token", "2", "Taking a license token for a list.", TOKEN)
    yield read("alg-none", "2", "Taking the algorithm from the token.", forged({**_HEADER, "alg": "none"}, _CLAIMS))
    by_token_key = forged({**_HEADER, "kid": TOKEN_SIGNER.kid}, _CLAIMS, TOKEN_SIGNER)
    yield read("key-of-another-role", "2", "Looking up keys without their role.", by_token_key)
    yield read("named-falsely", "2", "Taking any signature.", forged(_HEADER, _CLAIMS, OTHER_SIGNER))
    for state, catches in STATES:
        keys = {"status-list": [record(ANSWER_SIGNER, state)]}
        yield read(f"key-{state}", "2", catches, _LIST, keys=keys, indices=[])


PARTS = (genuine, looked_up, wrong_claims, wrong_streams, wrong_tokens)

if __name__ == "__main__":
    print(f"{write(PARTS)} vectors")
