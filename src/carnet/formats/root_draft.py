"""
The draft of a next root file: what is carried to the people who hold the root keys, and back (SEC-20, SEC-21).

A draft holds every root file so far, the payload of the next one, and the signatures that were collected. It says
nothing that a reader has to believe: the chain is followed from version 1 again, what changes is found by comparing the
two roots, and every signature is verified. Whoever signs compares the anchor with what the app embeds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from carnet.core._base import Struct
from carnet.core.errors import CarnetError, MalformedError, NotGenuineError, UsageError
from carnet.formats.dsse import Envelope, EnvelopeSignature, count_signers, pre_authentication_encoding, write_envelope
from carnet.formats.encoding import b64_decode, b64_encode
from carnet.formats.keys import PublicKey, Signer, check_kid
from carnet.formats.root import PAYLOAD_TYPE, Root, anchor, next_root, read_root, root_of_payload, root_payload
from carnet.formats.strict_json import dump_json, parse_object

MAX_DRAFT: Final = 8 * 1024 * 1024
"""Every root file so far: 3 KB each where keys are as `carnet init` makes them."""

_FORMAT: Final = "carnet-root-draft/1"
_WHAT: Final = "The draft"
_FIX: Final = "Take the file as carnet key wrote it, complete and unchanged."


class RootDraft(Struct):
    """
    A next root and who signed it so far.

    Attributes:
        roots: Every root file so far, version 1 first, as text.
        before: The newest of them.
        root: The next one.
        signatures: Of root keys of either, each verified, sorted by key id.
    """

    roots: tuple[str, ...]
    before: Root
    root: Root
    signatures: tuple[EnvelopeSignature, ...] = ()

    @property
    def anchor(self) -> str:
        """The SHA-256 of root file version 1: what the app embeds, and what people read out and compare."""
        return anchor(self.roots[0])


class Needed(Struct):
    """
    How many signatures there are and must be.

    Attributes:
        before: Keys of the root before that signed.
        before_threshold: How many of them must.
        own: Keys of the next root that signed.
        own_threshold: How many of them must.
        missing: Ids of root keys that have not signed and whose signature would count for something missing.
    """

    before: int
    before_threshold: int
    own: int
    own_threshold: int
    missing: tuple[str, ...]

    @property
    def is_enough(self) -> bool:
        """Both thresholds are reached."""
        return self.before >= self.before_threshold and self.own >= self.own_threshold


def draft_of(roots: tuple[str, ...], root: Root) -> RootDraft:
    """A draft that nobody signed yet; *root* is the one after the last of *roots*."""
    return RootDraft(roots=roots, before=_follow(roots), root=root)


def write_draft(draft: RootDraft) -> bytes:
    """The draft's file."""
    content = {
        "format": _FORMAT,
        "roots": list(draft.roots),
        "payload": b64_encode(root_payload(draft.root)),
        "signatures": [{"keyid": each.kid, "sig": b64_encode(each.signature)} for each in draft.signatures],
    }
    return dump_json(content) + b"\n"


def read_draft(data: bytes) -> RootDraft:
    """
    Read a draft, follow its chain, and verify every signature in it.

    Raises:
        MalformedError: ``bad_draft``; the codes of `read_root` and the strict JSON reader.
        NotGenuineError: Those of `next_root`; ``bad_signature``: one of a root key does not verify, or is of no root
            key.
    """
    content = parse_object(data, max_bytes=MAX_DRAFT, what=_WHAT, max_string=MAX_DRAFT)
    roots, payload, listed = content.get("roots"), content.get("payload"), content.get("signatures")
    if (
        content.get("format") != _FORMAT
        or len(content) != 4
        or not isinstance(roots, list)
        or not roots
        or not all(isinstance(root, str) for root in roots)
        or not isinstance(payload, str)
        or not isinstance(listed, list)
    ):
        raise _bad("is not a draft of a root file")
    before = _follow(tuple(roots))
    decoded = b64_decode(payload, f"{_WHAT}'s payload")
    root = root_of_payload(decoded)
    if root_payload(root) != decoded:
        raise _bad("says something that this version of Carnet does not know, and cannot show you")
    if (root.issuer, root.version) != (before.issuer, before.version + 1):
        raise _bad("is not of the next root of the same installation")
    draft = RootDraft(roots=tuple(roots), before=before, root=root)
    return with_signatures(draft, [_signature_of(each) for each in listed])


def sign_draft(draft: RootDraft, signers: Iterable[Signer]) -> RootDraft:
    """
    *draft*, signed by each of *signers* too.

    Raises:
        UsageError: ``not_a_root_key``: a signer is a root key of neither root.
    """
    message = pre_authentication_encoding(PAYLOAD_TYPE, root_payload(draft.root))
    keys = _root_keys(draft)
    made = []
    for signer in signers:
        if keys.get(signer.kid) != signer.public_key:
            raise UsageError(
                "not_a_root_key",
                f"The key {signer.kid} is a root key of neither version {draft.before.version} nor the next.",
                "Use one of the root key files of this installation.",
            )
        made.append(EnvelopeSignature(kid=signer.kid, signature=signer.sign(message)))
    return with_signatures(draft, made)


def with_signatures(draft: RootDraft, signatures: Iterable[EnvelopeSignature]) -> RootDraft:
    """
    *draft* with *signatures* too, each verified; one of a key that signed already changes nothing.

    Raises:
        NotGenuineError: ``bad_signature``.
    """
    message = pre_authentication_encoding(PAYLOAD_TYPE, root_payload(draft.root))
    keys = _root_keys(draft)
    known = {each.kid: each for each in draft.signatures}
    for each in signatures:
        key = keys.get(each.kid)
        try:
            if key is None:
                raise NotGenuineError("bad_signature", f"{each.kid} is no root key.")
            key.verify(each.signature, message)
        except CarnetError as error:
            raise NotGenuineError(
                "bad_signature",
                f"{_WHAT} holds a signature by {each.kid} that is not one of a root key over this root.",
                "Have it signed again, from the draft that the server wrote.",
            ) from error
        known.setdefault(each.kid, each)
    return RootDraft(
        roots=draft.roots,
        before=draft.before,
        root=draft.root,
        signatures=tuple(known[kid] for kid in sorted(known)),
    )


def needed(draft: RootDraft) -> Needed:
    """Whose signatures are there, and whose are missing."""
    envelope = _envelope(draft)
    before, own = draft.before.role_keys("root"), draft.root.role_keys("root")
    counted = Needed(
        before=count_signers(envelope, before),
        before_threshold=_threshold(draft.before),
        own=count_signers(envelope, own),
        own_threshold=_threshold(draft.root),
        missing=(),
    )
    wanted: list[PublicKey] = []
    if counted.before < counted.before_threshold:
        wanted += before
    if counted.own < counted.own_threshold:
        wanted += own
    signed = {each.kid for each in draft.signatures}
    missing = tuple(sorted({key.kid for key in wanted} - signed))
    return Needed(
        before=counted.before,
        before_threshold=counted.before_threshold,
        own=counted.own,
        own_threshold=counted.own_threshold,
        missing=missing,
    )


def root_file_of(draft: RootDraft) -> str:
    """
    The root file, once enough have signed: a step from the one before.

    Raises:
        NotGenuineError: ``below_threshold``.
    """
    if not draft.signatures:
        raise NotGenuineError("below_threshold", "Nobody has signed the next root file yet.", "Have it signed first.")
    data = write_envelope(_envelope(draft))
    next_root(draft.before, data)
    return data.decode("ascii")


def _envelope(draft: RootDraft) -> Envelope:
    return Envelope(payload_type=PAYLOAD_TYPE, payload=root_payload(draft.root), signatures=draft.signatures)


def _root_keys(draft: RootDraft) -> dict[str, PublicKey]:
    return {key.kid: key for root in (draft.before, draft.root) for key in root.role_keys("root")}


def _threshold(root: Root) -> int:
    role = root.role("root")
    return 1 if role is None else role.threshold


def _follow(roots: tuple[str, ...]) -> Root:
    root = read_root(roots[0])
    if root.version != 1:
        raise _bad("does not begin with version 1")
    for file in roots[1:]:
        root = next_root(root, file)
    return root


def _signature_of(value: object) -> EnvelopeSignature:
    if not isinstance(value, dict) or value.keys() != {"keyid", "sig"} or not isinstance(value["sig"], str):
        raise _bad("has a signature without exactly keyid and sig")
    return EnvelopeSignature(kid=check_kid(value["keyid"]), signature=b64_decode(value["sig"], f"{_WHAT}'s signature"))


def _bad(how: str) -> MalformedError:
    return MalformedError("bad_draft", f"{_WHAT} {how}.", _FIX)
