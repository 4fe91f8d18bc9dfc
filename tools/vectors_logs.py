"""
Makes the vectors of logs and drafts of root files: `specs/vectors/{checkpoint,log-proof,root-draft}/`.

`python tools/vectors_logs.py` writes them; `tests/unit/formats/test_format_vectors.py` makes them again, compares, and
runs them. The inputs are written here by hand, with fixed keys; the outcomes are what `carnet.formats` says, and are
reviewed as text. `tools/check_vectors.py` reads them independently.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from carnet.formats.checkpoint import Checkpoint, key_hash, origin_of, sign_checkpoint  # noqa: E402
from carnet.formats.dsse import pre_authentication_encoding  # noqa: E402
from carnet.formats.encoding import b64_decode, b64_encode, b64url_encode, sha256  # noqa: E402
from carnet.formats.keys import Ed25519Signer  # noqa: E402
from carnet.formats.log_leaves import IssuedRow, as_leaf, head_leaf, issued_leaf, leaf_text  # noqa: E402
from carnet.formats.merkle import (  # noqa: E402
    EMPTY_ROOT,
    Range,
    consistency_ranges,
    fold,
    inclusion_ranges,
    leaf_hash,
    perfect,
    subtrees_of,
)
from carnet.formats.root import PAYLOAD_TYPE, Root, root_payload, sign_root  # noqa: E402
from carnet.formats.strict_json import dump_json  # noqa: E402
from support.format_scenarios import (  # noqa: E402 - found on the path that is set above
    ANSWER_SIGNER,
    ISSUED_AT,
    OTHER_SIGNER,
    ROOT_KEYS,
    ROOT_SIGNERS,
    TOKEN_SIGNER,
    Scenario,
    root_of,
    scenario,
    signer,
    write,
)

LOG_SIGNER: Final = ANSWER_SIGNER
NEXT_SIGNER: Final = signer(21)
ORIGIN: Final = origin_of("installation-1", 0)
MARK: Final = "\u2014"

# transparency-dev/merkle, testonly/constants.go (Apache-2.0): the reference tree of RFC 6962's authors.
REFERENCE: Final = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
# C2SP tlog-witness, "add-checkpoint": the example's note, signed by a log and by a witness.
C2SP_NOTE: Final = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    f"{MARK} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+"
    "zyWE+xeMcTOAYQ8=\n"
    f"{MARK} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo"
    "0xUe+mbIUBkBIfZ+qnA==\n"
)
WITNESS: Final = C2SP_NOTE.splitlines(keepends=True)[-1]


def _placed(page: str, made: Scenario) -> Scenario:
    return {**made, "spec": f"{page}.md §{made['spec'].partition(' §')[2]}"}


# ── checkpoint ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _line(text: str, *, name: str = ORIGIN, by: Ed25519Signer = LOG_SIGNER, key: bytes | None = None) -> str:
    prefix = key_hash(name, by.public_key) if key is None else key
    return f"{MARK} {name} {b64_encode(prefix + by.sign(text.encode()))}\n"


def _text(*more: str, origin: str = ORIGIN, size: str = "7", root: str = b64_encode(bytes(range(32)))) -> str:
    return "".join(f"{line}\n" for line in (origin, size, root, *more))


def checkpoint() -> Iterator[Scenario]:
    """Notes, whole and damaged."""
    keys = {"checkpoint": [LOG_SIGNER.public_key]}

    def note(name: str, section: str, catches: str, text: Any, **more: Any) -> Scenario:
        given = {"bytes_hex": text.hex()} if isinstance(text, bytes) else {"note": text}
        made = scenario(f"checkpoint/{name}", section, catches, given, **{"keys": keys, **more})
        return _placed("transparency", made)

    def signed(name: str, catches: str, text: str, *, origin: str = ORIGIN) -> Scenario:
        return note(name, "4.4", catches, f"{text}\n{_line(text, name=origin)}")

    usual = _text()
    line = _line(usual)
    broken = _line(usual + " ")
    genuine = sign_checkpoint(Checkpoint(origin=ORIGIN, size=7, root=bytes(range(32))), LOG_SIGNER)
    yield note("genuine", "4.2", "Refusing an ordinary checkpoint.", genuine)
    yield signed("empty-log", "Refusing a log without entries.", _text(size="0", root=b64_encode(EMPTY_ROOT)))
    yield signed("extension-lines", "Refusing lines that a later version adds.", _text("later: 1", "\u00e9"))
    yield signed("size-of-18-digits", "Rounding, or running over.", _text(size="9" * 18))
    yield signed("origin-of-200", "Being off by one.", _text(origin="a" * 200), origin="a" * 200)
    yield note("cosigned", "4.2", "Failing on a witness behind the log's signature.", genuine + WITNESS)
    yield note("cosigned-before", "4.4", "Reading the first signature only.", f"{usual}\n{WITNESS}{line}")
    yield note("another-line-broken", "4.4", "Reading on behind the line that counts.", f"{usual}\n{line}{broken}")
    stranger = _line(usual, by=OTHER_SIGNER)
    yield note("stranger-before", "4.4", "Failing on an unknown key of the same name.", f"{usual}\n{stranger}{line}")
    odd = f"{MARK} {ORIGIN} {b64_encode(key_hash(ORIGIN, LOG_SIGNER.public_key) + bytes(32))}\n"
    yield note("of-another-kind", "4.4", "Taking another length for a signature of ours.", f"{usual}\n{odd}{line}")
    two = {"checkpoint": [OTHER_SIGNER.public_key, LOG_SIGNER.public_key]}
    yield note("second-key", "4.2", "Trying the first key only.", genuine, keys=two)
    yield note("signatures-100", "4.4", "Being off by one.", f"{usual}\n{line}{WITNESS * 99}")
    for name, catches, size in (
        ("bytes-16384", "Being off by one in the size.", 16_384),
        ("bytes-16385", "Having no bound on the size.", 16_385),
    ):
        times = size - len(f"{_text('')}\n{line}".encode())
        padded = _line(_text("x" * times))
        yield note(name, "4.4", catches, [usual, {"repeat": "x", "times": times}, f"\n\n{padded}"])
    yield note("c2sp-example", "4.4", "Trusting any log, or not reading others' notes.", C2SP_NOTE)
    yield note("by-a-stranger", "4.4", "Taking any signature.", f"{usual}\n{stranger}")
    role = {"token": [LOG_SIGNER.public_key]}
    yield note("key-of-another-role", "4.2", "Looking up keys without their role.", genuine, keys=role)
    renamed = line.replace(ORIGIN, origin_of("installation-1", 1))
    yield note("renamed", "4.4", "Not comparing the name with the origin.", f"{usual}\n{renamed}")
    elsewhere = _line(usual, name="example.com/log")
    yield note("under-another-name", "4.4", "Taking a signature for another log.", f"{usual}\n{elsewhere}")
    bare = sha256(LOG_SIGNER.public_key.raw)[:4]
    yield note("other-key-hash", "4.2", "Not looking at the key hash.", f"{usual}\n{_line(usual, key=bare)}")
    yield note("size-changed", "4.4", "Not covering the text.", genuine.replace("\n7\n", "\n8\n"))
    yield note("line-added", "4.4", "Covering the first three lines only.", f"{_text('more')}\n{line}")
    yield note("broken-line-first", "4.4", "Looking for any line that verifies.", f"{usual}\n{broken}{line}")
    short = _line(usual.removesuffix("\n"))
    yield note("last-line-feed-unsigned", "4.2", "Leaving out the last line feed.", f"{usual}\n{short}")
    whole = _line(f"{usual}\n")
    yield note("empty-line-signed", "4.2", "Taking the empty line for part of the text.", f"{usual}\n{whole}")
    yield from (note(*each) for each in _no_notes(usual, line))
    for name, text in (
        ("size-leading-zero", _text(size="07")),
        ("size-plus", _text(size="+7")),
        ("size-minus", _text(size="-7")),
        ("size-minus-zero", _text(size="-0")),
        ("size-blank", _text(size=" 7")),
        ("size-underscore", _text(size="1_0")),
        ("size-arabic-digits", _text(size="\u0667")),
        ("size-of-19-digits", _text(size="1" * 19)),
        ("size-empty", _text(size="")),
    ):
        yield signed(name, "Reading a size with a general number reader.", text)
    for name, origin in (
        ("origin-empty", ""),
        ("origin-with-blank", "carnet/installation 1/0"),
        ("origin-with-plus", "carnet/installation+1/0"),
        ("origin-not-ascii", "carnet/installation-\u0661/0"),
        ("origin-of-201", "a" * 201),
    ):
        yield signed(name, "Names that tools for signed notes do not take.", _text(origin=origin), origin=origin)
    root = b64_encode(bytes(range(32)))
    for name, text in (
        ("hash-31-bytes", b64_encode(bytes(31))),
        ("hash-33-bytes", b64_encode(bytes(33))),
        ("hash-unpadded", root.rstrip("=")),
        ("hash-unused-bits", root.replace("8=", "9=")),
        ("hash-base64url", b64url_encode(b"\xff" * 32) + "="),
    ):
        yield signed(name, "Having two spellings of one root hash.", _text(root=text))


def _no_notes(usual: str, line: str) -> Iterator[tuple[str, str, str, Any]]:
    """What is refused before any key is looked at."""
    crlf = f"{usual}\n{line}".replace("\n", "\r\n")
    yield "empty", "4.4", "Taking nothing for something.", b""
    yield "unsigned", "4.4", "Taking a text without signature lines.", usual
    yield "no-empty-line", "4.4", "Looking for signature lines anywhere.", usual + line
    yield "no-last-line-feed", "4.4", "Taking a note that was cut.", f"{usual}\n{line}".removesuffix("\n")
    yield "text-behind", "4.4", "Skipping what is no signature line.", f"{usual}\n{line}hello\n"
    yield "empty-line-behind", "4.4", "Skipping what is no signature line.", f"{usual}\n{line}\n"
    yield "carriage-returns", "4.4", "Forgiving line ends that were not signed.", crlf
    tab = _text("a\tb")
    yield "tab", "4.4", "Taking control characters.", f"{tab}\n{_line(tab)}"
    rubbed = _text("a\x7fb")
    yield "delete", "4.4", "Taking control characters.", f"{rubbed}\n{_line(rubbed)}"
    yield "byte-order-mark", "4.4", "Skipping what editors put in front.", f"\ufeff{usual}\n{line}"
    yield "not-utf-8", "4.4", "Replacing bytes that are no text.", b"\xff" + f"{usual}\n{line}".encode()
    hashless = _text(root="").removesuffix("\n")
    yield "no-hash", "4.4", "Reading two lines.", f"{hashless}\n{_line(hashless)}"
    gap = _text("", "more")
    yield "empty-extension-line", "4.4", "Splitting at the first empty line.", f"{gap}\n{_line(gap)}"
    yield "hyphen", "4.4", "Taking a hyphen for the dash.", f"{usual}\n{line.replace(MARK, '-')}"
    yield "no-signature", "4.4", "Taking a name alone.", f"{usual}\n{MARK} {ORIGIN}\n"
    yield "no-name", "4.4", "Taking a signature alone.", f"{usual}\n{MARK}  {line.rpartition(' ')[2]}"
    yield "not-base64", "4.4", "Skipping characters that are not Base64.", f"{usual}\n{line.replace('=', '*=')}"
    yield (
        "cosignature-unused-bits",
        "4.4",
        "Reading the lines of others loosely.",
        f"{usual}\n{line}{WITNESS[:-4]}B==\n",
    )
    tiny = f"{MARK} example.com/w {b64_encode(bytes(4))}\n"
    yield "cosignature-of-4-bytes", "4.4", "Taking a key hash without a signature.", f"{usual}\n{line}{tiny}"
    plus = f"{MARK} example.com+w {b64_encode(bytes(68))}\n"
    yield "cosigner-with-plus", "4.4", "Names that tools for signed notes do not take.", f"{usual}\n{line}{plus}"
    blank = plus.replace("+w", "\u00a0w")
    yield "cosigner-with-blank", "4.4", "Splitting at Unicode's blanks, or not.", f"{usual}\n{line}{blank}"
    yield "signatures-101", "4.4", "Having no bound on signatures.", f"{usual}\n{line}{WITNESS * 100}"


# ── log proof ────────────────────────────────────────────────────────────────────────────────────────────────────────

LEAVES: Final = [
    head_leaf(number, bytes([number]) * 32)
    if number % 5 == 4
    else issued_leaf(
        IssuedRow(
            jti=f"tok-{number:04}",
            kind="token",
            kid=TOKEN_SIGNER.kid,
            license_id="license-1",
            activation_id="activation-1",
            issued_at=int(ISSUED_AT) + number,
            expires_at=int(ISSUED_AT) + 86_400,
            claims="{}",
        )
    )
    for number in range(11)
]
FIRST: Final = sign_root(root_of(), ROOT_SIGNERS[:1]).decode()
ROOT_2: Final = root_of(version=2, keys={**ROOT_KEYS, "checkpoint": (NEXT_SIGNER.public_key,)})
SECOND: Final = sign_root(ROOT_2, ROOT_SIGNERS[:1]).decode()


def _hash_of(hashes: Sequence[bytes], leaves: Range) -> bytes:
    return fold([perfect(hashes[at << height : (at + 1) << height]) for height, at in subtrees_of(leaves)])


def _entry(index: int, leaves: Sequence[bytes] = LEAVES) -> dict[str, Any]:
    hashes = [leaf_hash(leaf) for leaf in leaves]
    path = [b64_encode(_hash_of(hashes, each)) for each in inclusion_ranges(index, len(leaves))]
    return {"index": index, "leaf": leaf_text(leaves[index]), "path": path}


def _signed(size: int, root: bytes, by: Ed25519Signer = LOG_SIGNER) -> str:
    return sign_checkpoint(Checkpoint(origin=ORIGIN, size=size, root=root), by)


def _proof(*indices: int, leaves: Sequence[bytes] = LEAVES, by: Ed25519Signer = LOG_SIGNER) -> dict[str, Any]:
    root = _hash_of([leaf_hash(leaf) for leaf in leaves], (0, len(leaves)))
    return {
        "format": "carnet-log-proof/1",
        "checkpoint": _signed(len(leaves), root, by),
        "roots": [],
        "entries": [_entry(index, leaves) for index in indices],
    }


def log_proof() -> Iterator[Scenario]:
    """Proof files, and what they rest on: trees and their growth."""

    def proof(name: str, section: str, catches: str, content: Any) -> Scenario:
        text = dump_json(content).decode() if isinstance(content, dict) else content
        made = scenario(f"log-proof/{name}", section, catches, {"proof": text, "root": FIRST})
        return _placed("transparency", made)

    usual = _proof(3)
    yield proof("genuine", "5", "Refusing an ordinary proof.", usual)
    yield proof("several-entries", "5", "Reading the first entry only.", _proof(0, 4, 10))
    yield proof("last-of-an-odd-tree", "5.1", "Doubling the last leaf of an odd row.", _proof(10))
    yield proof("one-leaf", "5.1", "Asking for a path where there is none.", _proof(0, leaves=LEAVES[:1]))
    yield proof("spelled-otherwise", "5", "Asking for canonical JSON.", json.dumps(usual, indent=2) + "\n")
    yield proof("later-root", "5.1", "Not following root files.", {**_proof(3, by=NEXT_SIGNER), "roots": [SECOND]})
    yield proof("replaced-key", "5.1", "Asking the newest root only.", {**usual, "roots": [SECOND]})
    yield from (proof(name, "5.1", catches, content) for name, catches, content in _not_proven(usual))
    yield from (proof(name, "5.2", catches, content) for name, catches, content in _no_proofs(usual))
    yield from (_placed("transparency", each) for each in _trees())


def _not_proven(usual: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Proofs of the form that prove nothing."""

    def entry(**change: Any) -> dict[str, Any]:
        return {**usual, "entries": [{**usual["entries"][0], **change}]}

    path = usual["entries"][0]["path"]
    yield "leaf-changed", "Not hashing what is shown.", entry(leaf=leaf_text(LEAVES[3]).replace("tok-0003", "tok-0099"))
    yield "index-of-another", "Not walking by the number.", entry(index=2)
    yield "index-behind", "Not comparing the number with the size.", entry(index=len(LEAVES))
    yield "path-cut", "Comparing with any hash on the way.", entry(path=path[:-1])
    yield "path-longer", "Going on behind the root.", entry(path=[*path, path[0]])
    yield "path-reversed", "Taking hashes in any order.", entry(path=path[::-1])
    yield "path-empty", "Not asking for a path.", entry(path=[])
    yield "path-of-another", "Looking for the hash of any leaf.", entry(path=_entry(9)["path"])
    yield (
        "second-entry-wrong",
        "Checking one entry only.",
        {**_proof(3, 4), "entries": [_entry(3), {**_entry(4), "index": 5}]},
    )
    larger = _proof(3, leaves=[*LEAVES, LEAVES[0]])["checkpoint"]
    yield "another-tree", "Walking without the size.", {**usual, "checkpoint": larger}
    two = _proof(0, leaves=LEAVES[:2])
    eight = _signed(8, b64_decode(two["checkpoint"].split("\n")[2], "It"))
    yield "path-too-short-for-the-size", "Not looking whether the walk came to its end.", {**two, "checkpoint": eight}
    plain = [sha256(leaf) for leaf in LEAVES[:2]]
    unmarked = {**_proof(0, leaves=LEAVES[:2]), "checkpoint": _signed(2, sha256(plain[0] + plain[1]))}
    unmarked["entries"][0]["path"] = [b64_encode(plain[1])]
    yield "hashes-unmarked", "Hashing leaves and nodes alike: a node can pass as a leaf.", unmarked
    bare = [leaf_hash(leaf_text(leaf).encode()) for leaf in LEAVES[:2]]
    without = {**_proof(0, leaves=LEAVES[:2]), "checkpoint": _signed(2, _hash_of(bare, (0, 2)))}
    without["entries"][0]["path"] = [b64_encode(bare[1])]
    yield "leaf-without-its-line", "Hashing the JSON alone: another log's leaf can pass as one of ours.", without
    doubled = _proof(2, leaves=[*LEAVES[:3], LEAVES[2]])
    yield (
        "last-leaf-doubled",
        "Doubling the last leaf: a tree of three would be one of four.",
        {
            **doubled,
            "checkpoint": _signed(3, b64_decode(doubled["checkpoint"].split("\n")[2], "It")),
        },
    )
    yield "checkpoint-by-a-stranger", "Taking any checkpoint.", _proof(3, by=OTHER_SIGNER)
    yield "root-missing", "Trusting a key that no root names.", _proof(3, by=NEXT_SIGNER)
    changed = usual["checkpoint"].replace(f"\n{len(LEAVES)}\n", f"\n{len(LEAVES) + 1}\n")
    yield "checkpoint-changed", "Not verifying the checkpoint.", {**usual, "checkpoint": changed}
    yield "roots-from-the-first", "Passing over root files that do not follow.", {**usual, "roots": [FIRST, SECOND]}
    strange = sign_root(root_of(version=2, keys={**ROOT_KEYS, "root": (OTHER_SIGNER.public_key,)}), [OTHER_SIGNER])
    yield "root-by-strangers", "Following any root file.", {**usual, "roots": [strange.decode()]}


def _no_proofs(usual: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """What is no proof."""

    def entry(**change: Any) -> dict[str, Any]:
        return {**usual, "entries": [{**usual["entries"][0], **change}]}

    first = usual["entries"][0]
    hash_ = first["path"][0]
    yield "not-json", "Telling a file that was cut from one that proves nothing.", dump_json(usual).decode()[:-1]
    twice = dump_json(usual).decode().replace('"index":3', '"index":2,"index":3')
    yield "member-twice", "Taking the last of two members.", twice
    yield "too-large", "Reading before looking at the size.", ['"', {"repeat": "a", "times": 1024 * 1024 - 1}, '"']
    yield "format-2", "Reading a format that this version does not know.", {**usual, "format": "carnet-log-proof/2"}
    yield "no-format", "Giving the format a default.", {name: usual[name] for name in usual if name != "format"}
    yield "no-roots", "Two spellings of nothing.", {name: usual[name] for name in usual if name != "roots"}
    yield "unknown-member", "Ignoring something that might matter.", {**usual, "valid": True}
    yield "unknown-member-of-an-entry", "Ignoring something that might matter.", entry(valid=True)
    yield "no-entries", "A proof of nothing.", {**usual, "entries": []}
    one, empty = dump_json(first).decode(), dump_json({**usual, "entries": []}).decode().partition("[]")
    many = [f"{empty[0]}[", {"repeat": f"{one},", "times": 100}, f"{one}]{empty[2]}"]
    yield "entries-101", "Having no bound on entries.", many
    yield "index-negative", "Counting from the end.", entry(index=-8)
    yield "index-true", "Taking true for 1.", entry(index=True)
    yield "index-text", "Reading numbers from texts.", entry(index="3")
    yield "leaf-object", "Spelling a leaf anew to hash it.", entry(leaf=json.loads(first["leaf"]))
    yield "path-65", "Having no bound on paths.", entry(path=[hash_] * 65)
    yield "path-hash-31-bytes", "Hashing over parts of any length.", entry(path=[b64_encode(bytes(31))])
    yield "path-hash-unused-bits", "Having two spellings of one hash.", entry(path=[f"{hash_[:-2]}{_next(hash_[-2])}="])
    yield "path-hash-hex", "Guessing the encoding.", entry(path=[bytes(32).hex()])
    yield (
        "checkpoint-of-no-form",
        "Not reading the checkpoint strictly.",
        {**usual, "checkpoint": usual["checkpoint"][:-1]},
    )
    yield "checkpoint-object", "Having two forms of a checkpoint.", {**usual, "checkpoint": {"size": 11}}
    yield "leaf-number", "Failing on an entry that says nothing.", _proof(0, leaves=[as_leaf("7"), LEAVES[0]])


def _next(character: str) -> str:
    return chr(ord(character) + 1)


def _trees() -> Iterator[Scenario]:
    """The reference tree at every size, and how it grew."""
    hashes = [leaf_hash(leaf) for leaf in REFERENCE]
    for size in range(len(REFERENCE) + 1):
        given = {"leaves_hex": [leaf.hex() for leaf in REFERENCE[:size]]}
        yield scenario(f"log-proof/tree-of-{size}", "3", "Computing another tree than RFC 6962's authors.", given)

    def grown(name: str, catches: str, before: int, size: int, **change: Any) -> Scenario:
        is_one = before <= size
        given: dict[str, Any] = {
            "before": before,
            "size": size,
            "root_before_hex": _hash_of(hashes, (0, before)).hex(),
            "root_hex": _hash_of(hashes, (0, size)).hex(),
            "path_hex": [_hash_of(hashes, e).hex() for e in (consistency_ranges(before, size) if is_one else ())],
        }
        return scenario(f"log-proof/grown-{name}", "3", catches, {**given, **change})

    for before, size in ((0, 8), (1, 8), (2, 5), (3, 7), (4, 8), (6, 8), (7, 8), (8, 8)):
        yield grown(f"{before}-{size}", "Walking to one of the two roots wrongly.", before, size)
    path = [_hash_of(hashes, each).hex() for each in consistency_ranges(6, 8)]
    yield grown("path-cut", "Stopping before the root.", 6, 8, path_hex=path[:-1])
    yield grown("path-longer", "Going on behind the root.", 6, 8, path_hex=[*path, path[0]])
    yield grown("path-empty", "Not asking for a path.", 6, 8, path_hex=[])
    yield grown("path-swapped", "Taking hashes in any order.", 6, 8, path_hex=path[::-1])
    yield grown("old-root-changed", "Comparing the new root only.", 6, 8, root_before_hex=bytes(32).hex())
    yield grown("new-root-changed", "Comparing the old root only.", 6, 8, root_hex=bytes(32).hex())
    yield grown(
        "power-of-two-old-root-changed", "Beginning at a root that nobody compared.", 4, 8, root_before_hex=path[0]
    )
    yield grown("shrunk", "Taking a log from which entries were taken back.", 8, 6)
    yield grown("same-size-other-root", "Comparing sizes only.", 8, 8, root_hex=bytes(32).hex())
    yield grown("from-nothing-with-a-path", "Reading a path where there is none.", 0, 8, path_hex=path)
    yield grown("from-nothing-other-root", "Not comparing the root of nothing.", 0, 8, root_before_hex=bytes(32).hex())


# ── root draft ───────────────────────────────────────────────────────────────────────────────────────────────────────

THREE: Final = {**ROOT_KEYS, "root": tuple(each.public_key for each in ROOT_SIGNERS)}
WIDE: Final = sign_root(root_of(keys=THREE, root_threshold=2), ROOT_SIGNERS[:2]).decode()
NEW: Final = signer(22)


def _after(**change: Any) -> Root:
    keys = {**ROOT_KEYS, "root": (*(each.public_key for each in ROOT_SIGNERS[:2]), NEW.public_key)}
    return root_of(**{"version": 2, "keys": keys, "root_threshold": 2, **change})


def _draft(payload: bytes, *signers: Ed25519Signer, roots: Sequence[str] = (WIDE,), **change: Any) -> dict[str, Any]:
    message = pre_authentication_encoding(PAYLOAD_TYPE, payload)
    listed = [{"keyid": each.kid, "sig": b64_encode(each.sign(message))} for each in signers]
    content = {
        "format": "carnet-root-draft/1",
        "roots": list(roots),
        "payload": b64_encode(payload),
        "signatures": listed,
    }
    return {**content, **change}


def root_draft() -> Iterator[Scenario]:
    """Drafts on their way to those who sign, and back."""

    def draft(name: str, section: str, catches: str, content: Any) -> Scenario:
        text = dump_json(content).decode() if isinstance(content, dict) else content
        return _placed("root", scenario(f"root-draft/{name}", section, catches, {"draft": text}))

    payload = root_payload(_after())
    one, two, three = ROOT_SIGNERS
    yield draft("unsigned", "8.2", "Asking for signatures where there are none yet.", _draft(payload))
    yield draft("one-signature", "8.2", "Asking for all signatures at once.", _draft(payload, one))
    yield draft("enough", "8.2", "Counting wrongly.", _draft(payload, one, two))
    yield draft("by-a-new-key", "8.2", "Taking signatures by keys of the root before only.", _draft(payload, NEW))
    yield draft("by-a-dropped-key", "8.2", "Taking signatures by keys of the next root only.", _draft(payload, three))
    yield draft("signed-twice", "8.2", "Counting signatures instead of keys.", _draft(payload, one, one))
    yield draft(
        "unsorted",
        "8.1",
        "Asking for an order that drafts do not have.",
        _draft(payload, *sorted((one, two, NEW), key=lambda each: each.kid, reverse=True)),
    )
    yield draft(
        "spelled-otherwise", "8.1", "Asking for canonical JSON.", json.dumps(_draft(payload, one), indent=2) + "\n"
    )
    yield draft(
        "root-with-blanks",
        "8.2",
        "Counting blanks around a root file in the anchor.",
        _draft(payload, one, roots=[f"\n{WIDE} \r\n"]),
    )
    second = sign_root(_after(), [one, two, NEW]).decode()
    third = root_payload(_after(version=3))
    yield draft(
        "of-version-3",
        "8.2",
        "Going on from the first root instead of the newest.",
        _draft(third, two, roots=[WIDE, second]),
    )
    yield from (draft(name, "8.2", catches, content) for name, catches, content in _not_next(payload))
    yield from (draft(name, "8.3", catches, content) for name, catches, content in _no_drafts(payload))


def _not_next(payload: bytes) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Drafts that lead nowhere, or that somebody changed on the way."""
    one, two, _ = ROOT_SIGNERS
    members = json.loads(payload)
    second = sign_root(_after(), [one, two, NEW]).decode()

    def says(**change: Any) -> dict[str, Any]:
        return _draft(dump_json({**members, **change}), one)

    yield "version-skipped", "Skipping a version.", says(version=3)
    yield "version-again", "Going back to a version that is in force.", says(version=1)
    yield "another-installation", "Signing for another installation.", says(iss="installation-2")
    yield "later-members", "Signing what cannot be shown.", says(later=1)
    roled = [{**members["keys"][0], "roles": [*members["keys"][0]["roles"], "zeal"]}, *members["keys"][1:]]
    yield "later-roles", "Signing what cannot be shown.", says(keys=roled)
    later = {"alg": "ML-DSA-65", "x": "AAAA", "roles": ["token"]}
    yield "later-algorithms", "Signing what cannot be shown.", says(keys=[*members["keys"], later])
    noted = [{**members["keys"][0], "note": "hello"}, *members["keys"][1:]]
    yield "later-members-of-a-key", "Signing what cannot be shown.", says(keys=noted)
    yield "threshold-too-high", "Signing a root that nobody can follow.", says(threshold=4)
    weak = [{**members["keys"][0], "x": b64url_encode(b"\x01" + bytes(31))}, *members["keys"][1:]]
    yield "low-order-key", "Checking keys when it is too late.", says(keys=weak)
    yield "payload-with-blanks", "Having two spellings of one root.", _draft(json.dumps(members).encode(), one)
    yield (
        "roots-from-the-second",
        "Comparing the anchor of a later root.",
        _draft(root_payload(_after(version=3)), one, roots=[second]),
    )
    yield "roots-twice", "Following a root to itself.", _draft(payload, one, roots=[WIDE, WIDE])
    strange = sign_root(
        _after(version=2, keys={**ROOT_KEYS, "root": (NEW.public_key, OTHER_SIGNER.public_key)}), [NEW, OTHER_SIGNER]
    )
    yield (
        "root-by-strangers",
        "Following any root file.",
        _draft(root_payload(_after(version=3)), one, roots=[WIDE, strange.decode()]),
    )
    unsigned = _draft(payload)["roots"][0].replace(WIDE[-90:-80], "AAAAAAAAAA")
    yield "first-root-unsigned", "Believing the roots of a draft.", _draft(payload, one, roots=[unsigned])
    yield "by-a-stranger", "Carrying signatures that nobody asked for.", _draft(payload, OTHER_SIGNER)
    yield "by-an-online-key", "Counting keys that have not the root role.", _draft(payload, TOKEN_SIGNER)
    other = root_payload(_after(expires_at=_after().expires_at - 1))
    moved = _draft(other, one)["signatures"]
    yield "signature-over-another", "Not covering the payload.", _draft(payload, two, signatures=moved)
    named = [{**_draft(payload, one)["signatures"][0], "keyid": two.kid}]
    yield "signature-renamed", "Trying every key.", _draft(payload, signatures=named)
    bare = [{"keyid": one.kid, "sig": b64_encode(one.sign(payload))}]
    yield "signature-over-the-bare-payload", "Not covering the type.", _draft(payload, signatures=bare)
    short = [{"keyid": one.kid, "sig": b64_encode(bytes(63))}]
    yield "signature-of-63-bytes", "Failing on a signature of another length.", _draft(payload, signatures=short)


def _no_drafts(payload: bytes) -> Iterator[tuple[str, str, Any]]:
    """What is no draft."""
    one = ROOT_SIGNERS[0]
    usual = _draft(payload, one)
    signature = usual["signatures"][0]
    yield "not-json", "Telling a file that was cut from one that was changed.", dump_json(usual).decode()[:-1]
    yield "member-twice", "Taking the last of two members.", '{"format":"x",' + dump_json(usual).decode()[1:]
    yield "too-large", "Reading before looking at the size.", ['"', {"repeat": "a", "times": 8 * 1024 * 1024 - 1}, '"']
    yield "format-2", "Reading a format that this version does not know.", {**usual, "format": "carnet-root-draft/2"}
    yield "unknown-member", "Showing people what a draft says of itself.", {**usual, "changes": "None."}
    yield (
        "no-signatures-member",
        "Two spellings of nothing.",
        {name: usual[name] for name in usual if name != "signatures"},
    )
    yield "no-roots", "Taking a draft without a chain.", {**usual, "roots": []}
    yield "root-object", "Having two anchors for one root.", {**usual, "roots": [json.loads(WIDE)]}
    yield "root-garbage", "Passing over files that are none.", {**usual, "roots": ["garbage"]}
    yield "root-of-no-form", "Passing over files that are none.", {**usual, "roots": ["{}"]}
    yield "payload-object", "Spelling the payload anew to sign it.", {**usual, "payload": json.loads(payload)}
    lines = f"{usual['payload'][:64]}\n{usual['payload'][64:]}"
    yield "payload-in-lines", "Having two spellings of one payload.", {**usual, "payload": lines}
    yield (
        "signature-member-added",
        "Ignoring something that might matter.",
        {**usual, "signatures": [{**signature, "by": "Ada"}]},
    )
    yield (
        "signature-not-base64",
        "Skipping characters that are not Base64.",
        {**usual, "signatures": [{**signature, "sig": "!"}]},
    )
    yield "signature-null", "Two spellings of nothing.", {**usual, "signatures": [None]}
    yield "kid-with-blanks", "Trimming key ids.", {**usual, "signatures": [{**signature, "keyid": f"{one.kid} "}]}


PARTS = (checkpoint, log_proof, root_draft)

if __name__ == "__main__":
    print(f"{write(PARTS)} vectors of checkpoints, log proofs and drafts")
