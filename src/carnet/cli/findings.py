"""
Artifacts that prove something and grant nothing: a root file, an answer, the time, a status list. Genuine or not?

`carnet verify` prints a `Finding` for these, where licenses get a decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carnet.cli import exits
from carnet.cli.output import facts as as_rows
from carnet.cli.output import plain, when
from carnet.core._base import Struct
from carnet.core.decision import Reason
from carnet.core.errors import CarnetError

if TYPE_CHECKING:
    from carnet.cli.trust import Trust
    from carnet.core.instant import Instant
    from carnet.formats.root import Root

LOGS = ("checkpoint", "log-proof", "root-draft")
KINDS = frozenset(("root", "answer", "time", "device-proof", "lease", "status-list", "app-manifest", *LOGS))


class Finding(Struct):
    """
    What verifying brought.

    Attributes:
        kind: What it is.
        is_genuine: Whether its seal holds, under what is trusted.
        kid: The key that signed it, where it is genuine and one did.
        root_version: The version of the trusted root; None under a pinned key.
        reasons: Why it is not genuine; empty where it is.
        facts: What it says, for programs; of a forgery nothing.
        text: The same in a sentence.
        is_over: It is a seat that is nobody's any more, or not one of the product that was asked about.
    """

    kind: str
    is_genuine: bool
    kid: str | None
    root_version: int | None
    reasons: tuple[Reason, ...] = ()
    facts: tuple[tuple[str, Any], ...] = ()
    text: str = ""
    is_over: bool = False

    @property
    def exit_code(self) -> int:
        """0 where it is genuine, 5 where it is genuine and opens nothing any more, else 1 (conventions 2.5)."""
        if not self.is_genuine:
            return exits.FAILED
        return exits.DENIED if self.is_over else exits.OK

    def to_json(self) -> dict[str, Any]:
        """The JSON form that `carnet verify --json` prints for these kinds."""
        return {
            "kind": self.kind,
            "genuine": self.is_genuine,
            "kid": self.kid,
            "root_version": self.root_version,
            "reasons": [{"code": r.code, "message": r.message, "fix": r.fix} for r in self.reasons],
            **dict(self.facts),
        }

    def to_text(self) -> str:
        """For people."""
        told = [(name, _told(value)) for name, value in self.facts]
        lines = [
            f"{'genuine' if self.is_genuine else 'not genuine'} · {self.kind}",
            *([self.text] if self.text else []),
        ]
        lines += ["", as_rows([*told, ("kid", self.kid), ("root version", self.root_version)])]
        for reason in self.reasons:
            lines += ["", f"Why: {plain(reason.message)} ({reason.code})", f"     {plain(reason.fix)}"]
        return "\n".join(lines)


def _told(value: Any) -> object:
    if type(value) is dict:
        return " ".join(map(str, value.values()))
    if type(value) is list:
        return ", ".join(map(str, value)) or None
    return ("no", "yes")[value] if type(value) is bool else value


def find(kind: str, data: bytes, trust: Trust, at: Instant, *, product: str | None = None) -> Finding:
    """
    Judge an artifact of one of `KINDS`.

    Args:
        kind: What it is.
        data: Its file.
        trust: What to verify it with.
        at: The moment to judge the age of a root, or a seat, for.
        product: The product that a lease or a manifest has to be for; None: any.
    """
    version = None if trust.root is None else trust.root.version
    try:
        if kind == "status-list":
            from carnet.cli.status_findings import find_list

            return find_list(data, trust)
        if kind == "lease":
            return _lease(data, trust, at, product)
        kid: str | None
        if kind in LOGS:
            from carnet.cli.log_findings import find_log

            kid, facts, text = find_log(kind, data, trust)
        elif kind == "root":
            kid, facts, text = _root(data, trust.root, at)
        elif kind == "app-manifest":
            kid, facts, text = _manifest(data, trust, product)
        else:
            kid, facts, text = _token(kind, data, trust)
    except CarnetError as error:
        reason = Reason(code=error.code, message=error.message, fix=error.fix)
        return Finding(kind=kind, is_genuine=False, kid=None, root_version=version, reasons=(reason,))
    return Finding(kind=kind, is_genuine=True, kid=kid, root_version=version, facts=tuple(facts.items()), text=text)


def _root(data: bytes, trusted: Root | None, at: Instant) -> tuple[None, dict[str, Any], str]:
    """Whether a root file is the trusted one, or the next one in its chain (SEC-21)."""
    from carnet.formats.root import anchor, next_root, read_root

    assert trusted is not None  # noqa: S101 - `trust_of` asks for a root
    root = read_root(data)
    is_same = root == trusted
    if not is_same:
        root = next_root(trusted, data)
    expired = at >= root.expires_at
    facts = {
        "version": root.version,
        "continues": not is_same,
        "anchor": anchor(data),
        "issuer": root.issuer,
        "issued_at": str(root.issued_at),
        "expires_at": str(root.expires_at),
        "expired": expired,
    }
    text = (
        f"This is the root that you trust, version {root.version}."
        if is_same
        else f"Version {root.version} continues the root that you trust, version {trusted.version}."
    )
    return None, facts, text + (f" Since {when(root.expires_at)} it vouches for no new keys." if expired else "")


def _manifest(data: bytes, trust: Trust, product: str | None) -> tuple[str, dict[str, Any], str]:
    from carnet.formats.app_manifest import split_app_manifest, verify_app_manifest
    from carnet.formats.jws import unverified_jws
    from carnet.formats.limits import MAX_TOKEN

    header, claims = unverified_jws(split_app_manifest(data)[0], max_bytes=MAX_TOKEN, what="The seal")
    named = claims.get("aud")
    manifest = verify_app_manifest(
        data, trust.ring("app-manifest"), product=product or (named if isinstance(named, str) else "")
    )
    facts: dict[str, Any] = {
        "issuer": manifest.issuer,
        "product": manifest.product,
        "version": manifest.version,
        "issued_at": str(manifest.issued_at),
        "files": len(manifest.files),
    }
    text = f"{manifest.product} {manifest.version} was released with these {len(manifest.files)} files."
    return str(header.get("kid")), facts, f"{text} carnet manifest check compares a folder with them."


def _token(kind: str, data: bytes, trust: Trust) -> tuple[str, dict[str, Any], str]:
    from carnet.formats.encoding import read_kindly
    from carnet.formats.jws import unverified_jws
    from carnet.formats.limits import MAX_TOKEN

    text = read_kindly(data)
    header, claims = unverified_jws(text, max_bytes=MAX_TOKEN, what="The file")
    reader = {"answer": _answer, "time": _time, "device-proof": _proof}[kind]
    facts, sentence = reader(text, claims, trust)
    return str(header.get("kid")), facts, sentence  # covered by the signature, which holds by now


def _lease(data: bytes, trust: Trust, at: Instant, product: str | None) -> Finding:
    """Whether a lease token is genuine, and whether it opens *product* at a moment (specs/lease.md §4)."""
    from carnet.core.reasons import reason
    from carnet.formats.encoding import read_kindly
    from carnet.formats.jws import unverified_jws
    from carnet.formats.lease import MAX_LEASE_TOKEN, verify_lease_token

    text = read_kindly(data)
    lease = verify_lease_token(text, trust.ring("lease"))
    header, _ = unverified_jws(text, max_bytes=MAX_LEASE_TOKEN, what="The lease token")
    holder = f"the {lease.holder.kind} {lease.holder.id}"
    is_other = product is not None and product != lease.product
    if at < lease.issued_at:
        state, told = "not_started", f"It is {holder}'s only from {when(lease.issued_at)} on."
    elif at < lease.expires_at:
        state, told = "held", f"The seat is {holder}'s until {when(lease.expires_at)}."
    else:
        state, told = "over", f"The seat was {holder}'s until {when(lease.expires_at)}; it has to be claimed again."
    facts: dict[str, Any] = {
        "state": state,
        "product": lease.product,
        "license_id": lease.license_id,
        "lease_id": lease.lease_id,
        "holder": {"kind": lease.holder.kind, "id": lease.holder.id},
        "borrowed": lease.is_borrowed,
        "issued_at": str(lease.issued_at),
        "expires_at": str(lease.expires_at),
    }
    return Finding(
        kind="lease",
        is_genuine=True,
        kid=str(header.get("kid")),
        root_version=None if trust.root is None else trust.root.version,
        reasons=(reason("wrong_product", product=lease.product),) if is_other else (),
        facts=tuple(facts.items()),
        text=told,
        is_over=state != "held" or is_other,
    )


def _answer(text: bytes, _: dict[str, Any], trust: Trust) -> tuple[dict[str, Any], str]:
    from carnet.formats.answer import verify_answer

    answer = verify_answer(text, trust.ring("answer"))
    facts: dict[str, Any] = {
        "action": answer.action,
        "outcome": answer.outcome,
        "code": answer.code,
        "codes": list(answer.reasons),
        "product": answer.product,
        "device": answer.device,
        "license_id": answer.license_id,
        "activation_id": answer.activation_id,
        "at": str(answer.at),
    }
    code = "" if answer.code is None else f" ({answer.code})"
    return facts, (
        f"The server {answer.outcome} to {answer.action} at {when(answer.at)}{code}."
        " Which question it answers, only the device that asked can tell."
    )


def _time(text: bytes, claims: dict[str, Any], trust: Trust) -> tuple[dict[str, Any], str]:
    from carnet.formats.time_answer import verify_time_answer

    # A file does not say what was asked, so its own nonce is compared: what is judged is the seal alone.
    answer = verify_time_answer(text, trust.ring("time"), nonce=str(claims.get("nonce")))
    sentence = (
        f"It was {when(answer.at)} at the server when it was asked. Whether it was asked just now, a file cannot tell."
    )
    return {"at": str(answer.at), "nonce": answer.nonce, "issuer": answer.issuer}, sentence


def _proof(text: bytes, _: dict[str, Any], trust: Trust) -> tuple[dict[str, Any], str]:
    from carnet.formats.device_proof import MAX_DEVICE_PROOF, TYP
    from carnet.formats.jws import open_jws_with

    assert trust.key is not None  # noqa: S101 - `trust_of` asks for the device's key
    claims = open_jws_with(text, typ=TYP, key=trust.key, max_bytes=MAX_DEVICE_PROOF, what="The device proof")
    facts = {name: claims.get(name) for name in ("htm", "htu", "iat", "jti")}
    return (
        facts,
        "The holder of this device key made it. For which body and whether just now, only the server can tell.",
    )
