"""Checkpoints, log proofs and drafts of root files under attack: genuine inputs, and changed ones that are signed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from tools import independent_log
from tools.independent_reading import Bad

from carnet.formats.checkpoint import (
    Checkpoint,
    key_hash,
    origin_of,
    read_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
)
from carnet.formats.dsse import pre_authentication_encoding
from carnet.formats.encoding import b64_encode
from carnet.formats.keys import Ed25519Signer
from carnet.formats.log_leaves import IssuedRow, as_leaf, head_leaf, issued_leaf, leaf_text
from carnet.formats.log_proof import FORMAT, read_log_proof, verify_log_proof
from carnet.formats.merkle import Range, fold, inclusion_ranges, leaf_hash, perfect, subtrees_of
from carnet.formats.root import PAYLOAD_TYPE, root_payload
from carnet.formats.root_draft import draft_of, needed, read_draft, sign_draft, write_draft
from carnet.formats.strict_json import dump_json
from support import roots
from support.attack_judging import Parser
from support.attack_mutators import TEXTS, Mutator

ORIGIN: Final = origin_of("installation-1", 0)
SIGNER: Final = roots.ONLINE_SIGNERS[2]
NEXT_SIGNER: Final = roots.ONLINE_SIGNERS[3]
OTHER: Final = Ed25519Signer(b"o" * 32)
KEYS: Final = roots.ROOT.role_keys("checkpoint")
WITNESS: Final = (
    "\u2014 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0"
    "xUe+mbIUBkBIfZ+qnA=="
)
LEAVES: Final = tuple(
    head_leaf(number, bytes([number]) * 32)
    if number % 5 == 4
    else issued_leaf(
        IssuedRow(
            jti=f"jti-{number}",
            kind="token",
            kid=SIGNER.kid,
            license_id="license-1",
            activation_id=None if number % 2 else "activation-1",
            issued_at=1790000000 + number,
            expires_at=1790086400,
            claims="{}",
        )
    )
    for number in range(21)
)

THREE: Final = tuple(signer.public_key for signer in roots.ROOT_SIGNERS)
ROOT_2: Final = roots.root_of(
    version=2, keys={**roots.KEYS, "root": THREE, "checkpoint": (NEXT_SIGNER.public_key,)}, root_threshold=2
)
ROOT_2_FILE: Final = roots.signed_root(root_payload(ROOT_2), roots.ROOT_SIGNERS[:2]).decode()
ROOT_3: Final = roots.root_of(version=3, keys={**roots.KEYS, "root": THREE[1:]}, root_threshold=1)
FIRST: Final = roots.ROOT_FILE.decode()


class TwoReadingsError(Exception):
    """Both readers accept, and read two things."""


# ── checkpoints ──────────────────────────────────────────────────────────────────────────────────────────────────────


def signature_line(text: str, name: str, signer: Ed25519Signer = SIGNER) -> str:
    """A line that signs *text* under *name*, whatever these are."""
    raw = text.encode("utf-8", "surrogatepass")
    named = name.encode("utf-8", "surrogatepass").decode("latin-1")
    signature = key_hash(named, signer.public_key) if named == name else bytes(4)
    return f"\u2014 {name} {b64_encode(signature + signer.sign(raw))}"


def signed_text(text: str, signer: Ed25519Signer = SIGNER) -> str:
    """The note over any text that the key of its first line signed."""
    return f"{text}\n{signature_line(text, text.partition(chr(10))[0], signer)}\n"


def _text(mutator: Mutator, size: int, root: bytes) -> str:
    """The text of a checkpoint, often not of the form."""
    random = mutator.random
    lines = [ORIGIN, str(size), b64_encode(root)]
    kind = random.randrange(8)
    if kind == 0:
        lines[0] = random.choice(
            ("", "a", "a b", "a+b", "a\u00a0b", "\u00e9", "a" * 200, "a" * 201, "~", "!", "\u2014 a")
        )
    elif kind == 1:
        lines[1] = random.choice(
            ("", "0", "00", "07", "-1", "+1", "1 ", "1e3", "\u0667", "9" * 18, "9" * 19, str(size + 1))
        )
    elif kind == 2:
        lines[2] = random.choice(
            (b64_encode(root[1:]), b64_encode(root + b"x"), lines[2][:-1], lines[2][:-2] + "B=", "")
        )
    elif kind == 3:
        lines += random.choice((["more"], ["", "more"], [""], ["a", "b+c d"], ["\u2014 a AAAA"], ["x" * 16_200]))
    elif kind == 4:
        random.shuffle(lines)
    text = "\n".join(lines) + "\n"
    if kind == 5:
        text = mutator.of_bytes(text.encode(), text.encode(), 400).decode("utf-8", "replace")
    return text


def _note(mutator: Mutator, text: str, signer: Ed25519Signer) -> str:
    """*text* with signatures, one of which is genuine as a rule."""
    random = mutator.random
    name = text.partition("\n")[0]
    lines = [signature_line(text, name, signer)]
    if random.random() < 0.03:  # the right key hash under another log's name
        lines = [lines[0].replace(f" {name} ", " example.com/log ")]
    if random.random() < 0.4:
        extra = random.choice(
            (
                WITNESS,
                lines[0],
                signature_line(text, name, OTHER),
                signature_line(text + "x", name, signer),
                signature_line(text, "else", signer),
                f"\u2014 a {b64_encode(bytes(random.choice((0, 3, 4, 5, 67, 68, 69))))}",
                random.choice(
                    (
                        "",
                        "-",
                        "\u2014",
                        "\u2014 ",
                        "\u2014 a",
                        "\u2014  AAAAAAA=",
                        "\u2014 a+b AAAAAAA=",
                        "\u2014 a\u00a0b AAAAAAA=",
                    )
                ),
                WITNESS.rstrip("="),
            )
        )
        lines.insert(random.choice((0, 1)), extra)
        lines += [WITNESS] * random.choice((0, 0, 0, 97, 98, 99, 100))
    note = f"{text}\n" + "".join(f"{line}\n" for line in lines)
    if random.random() < 0.1:
        note = random.choice(
            (note[:-1], note + "\n", note.replace("\n\n", "\n"), note.replace("\n", "\r\n"), "\ufeff" + note)
        )
    return note


def crafted_checkpoint(mutator: Mutator) -> bytes:
    """A note whose text was changed before it was signed, among signatures of all kinds."""
    text = _text(mutator, mutator.random.randrange(1, 10**6), bytes(range(32)))
    return _note(mutator, text, mutator.random.choice((SIGNER, SIGNER, SIGNER, OTHER))).encode("utf-8", "replace")


def read_note(data: bytes) -> Checkpoint:
    """A checkpoint, as whoever trusts the root reads it."""
    return verify_checkpoint(read_checkpoint(data), KEYS)


# ── log proofs ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _hash_of(hashes: Sequence[bytes], leaves: Range) -> bytes:
    return fold([perfect(hashes[at << height : (at + 1) << height]) for height, at in subtrees_of(leaves)])


def proof_of(leaves: Sequence[bytes], indices: Sequence[int], signer: Ed25519Signer = SIGNER) -> dict[str, Any]:
    """The proof that these of *leaves* are in their log, as JSON."""
    hashes, size = [leaf_hash(leaf) for leaf in leaves], len(leaves)
    root = _hash_of(hashes, (0, size))
    return {
        "format": FORMAT,
        "checkpoint": sign_checkpoint(Checkpoint(origin=ORIGIN, size=size, root=root), signer),
        "roots": [],
        "entries": [
            {
                "index": index,
                "leaf": leaf_text(leaves[index]),
                "path": [b64_encode(_hash_of(hashes, each)) for each in inclusion_ranges(index, size)],
            }
            for index in indices
        ],
    }


PROOF: Final = dump_json(proof_of(LEAVES[:5], [0, 4]))
PROOF_OF_ROOT_2: Final = dump_json({**proof_of(LEAVES[:8], [7], NEXT_SIGNER), "roots": [ROOT_2_FILE]})


def crafted_proof(mutator: Mutator) -> bytes:
    """A proof over a log of any size, with entries changed before they went in, or a part that no signature covers."""
    random = mutator.random
    leaves = list(LEAVES[: random.choice((1, 2, 3, 4, 5, 6, 7, 8, 9, len(LEAVES)))])
    indices = [random.randrange(len(leaves)) for _ in range(random.choice((1, 1, 2)))]
    kind = random.randrange(6)
    if kind == 0:  # the log holds something that is no entry of ours
        said = mutator.of_json(json.loads(leaf_text(leaves[indices[0]])))
        spelled = mutator.text_of(said) if random.random() < 0.8 else random.choice(TEXTS)
        leaves[indices[0]] = as_leaf(spelled.decode("utf-8", "replace"))
    signer = random.choice((SIGNER, SIGNER, NEXT_SIGNER))
    proof = proof_of(leaves, indices, signer)
    if signer is NEXT_SIGNER or random.random() < 0.1:
        proof["roots"] = random.choice(([ROOT_2_FILE], [ROOT_2_FILE], [], [FIRST, ROOT_2_FILE], [ROOT_2_FILE, FIRST]))
    entry = proof["entries"][0]
    if kind == 1:
        text = _text(mutator, len(leaves), _hash_of([leaf_hash(leaf) for leaf in leaves], (0, len(leaves))))
        proof["checkpoint"] = _note(mutator, text, signer)
    elif kind == 2:
        entry["path"] = _other_path(mutator, entry["path"])
    elif kind == 3:
        entry["index"] += random.choice((-1, 1, 2, 4, len(leaves)))
    elif kind == 4:
        proof = mutator.of_json(proof)
    return mutator.text_of(proof)


def _other_path(mutator: Mutator, path: list[str]) -> Any:
    random, at = mutator.random, mutator.random.randrange(len(path) + 1)
    return random.choice(
        (
            path[:at] + path[at + 1 :],
            [*path[:at], b64_encode(bytes(32)), *path[at:]],
            path[::-1],
            path * 65,
            [*path, *path[:1]],
            [*path, b64_encode(bytes(31))],
            [each[:-1] for each in path],
            [each[:-2] + "B=" for each in path],
        )
    )


def read_proof(data: bytes) -> dict[str, Any]:
    """What a proof proves to whoever trusts the first root."""
    proven = verify_log_proof(read_log_proof(data), roots.ROOT)
    return {
        "issuer": proven.issuer,
        "origin": proven.checkpoint.origin,
        "size": proven.checkpoint.size,
        "entries": list(proven.entries),
    }


# ── drafts of root files ─────────────────────────────────────────────────────────────────────────────────────────────

DRAFT: Final = write_draft(sign_draft(draft_of((FIRST,), ROOT_2), roots.ROOT_SIGNERS[:2]))
_PAYLOADS: Final = {FIRST: root_payload(ROOT_2), ROOT_2_FILE: root_payload(ROOT_3)}


def crafted_draft(mutator: Mutator) -> bytes:
    """A draft whose payload was changed before root keys signed it, or what is around it."""
    random = mutator.random
    files = random.choice(([FIRST], [FIRST], [FIRST], [FIRST, ROOT_2_FILE]))
    payload = _PAYLOADS[files[-1]]
    if random.random() < 0.6:
        members = mutator.of_json(json.loads(payload))
        payload = mutator.text_of(members) if random.random() < 0.2 else _canonical(members)
    message = pre_authentication_encoding(PAYLOAD_TYPE, payload)
    signers = random.sample([*roots.ROOT_SIGNERS, *roots.ROOT_SIGNERS[:1], OTHER], random.choice((0, 1, 1, 2)))
    listed: Any = [{"keyid": signer.kid, "sig": b64_encode(signer.sign(message))} for signer in signers]
    content: Any = {
        "format": "carnet-root-draft/1",
        "roots": files,
        "payload": b64_encode(payload),
        "signatures": listed,
    }
    if random.random() < 0.25:
        content["signatures"] = mutator.of_json(listed)
    elif random.random() < 0.25:
        content["roots"] = random.choice(([], files * 2, files[::-1], files[1:], [f" {files[0]}\n"], [FIRST[:-1]]))
    elif random.random() < 0.25:
        content = mutator.of_json(content)
    return mutator.text_of(content)


def _canonical(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def read_and_count(data: bytes) -> dict[str, Any]:
    """What a draft says, and who signed it; what is written of it again says the same."""
    draft = read_draft(data)
    counted = needed(draft)
    if read_draft(write_draft(draft)) != draft:
        raise TwoReadingsError
    return {
        "anchor": draft.anchor,
        "version": draft.root.version,
        "signed": [each.kid for each in draft.signatures],
        "before": {"signed": counted.before, "of": counted.before_threshold},
        "own": {"signed": counted.own, "of": counted.own_threshold},
    }


# ── second opinions ──────────────────────────────────────────────────────────────────────────────────────────────────


def alike(theirs: Callable[[bytes], object], ours: Callable[[bytes], object]) -> Callable[[bytes], bool]:
    """Whether the second reader accepts, and reads what the first one does where that accepts too."""

    def accepts(data: bytes) -> bool:
        try:
            found = theirs(data)
        except Bad:
            return False
        if ours(data) != found:
            raise TwoReadingsError
        return True

    return accepts


def note_by_the_book(data: bytes) -> object:
    """`read_note`, by the second reader."""
    origin, size, root = independent_log.verified_note(data, [key.raw for key in KEYS])
    return Checkpoint(origin=origin, size=size, root=root)


def proof_by_the_book(data: bytes) -> object:
    """`read_proof`, by the second reader."""
    return independent_log.verified_proof(data, roots.ROOT_FILE)


def draft_by_the_book(data: bytes) -> object:
    """`read_and_count`, by the second reader."""
    return independent_log.read_draft(data)


PARSERS: Final = {
    "root draft": Parser(
        seeds=(DRAFT,),
        read=read_draft,
        craft=crafted_draft,
        opinion=alike(draft_by_the_book, read_and_count),
    ),
    "checkpoint": Parser(
        seeds=(signed_text(f"{ORIGIN}\n7\n{b64_encode(bytes(32))}\n").encode(),),
        read=read_note,
        craft=crafted_checkpoint,
        opinion=alike(note_by_the_book, read_note),
    ),
    "log proof": Parser(
        seeds=(PROOF, PROOF_OF_ROOT_2),
        read=read_proof,
        craft=crafted_proof,
        opinion=alike(proof_by_the_book, read_proof),
    ),
}
