"""
`carnet verify FILE`: check a token, machine file or bundle from anywhere, and explain the decision.

Uses what `check()` uses (`client.evidence.gather`, `core.rules.decide`), so both say the same to the second. Offline,
stores nothing. Whatever the file holds, the answer is a decision: bytes that are not readable or not genuine make one
whose state is ``not_genuine``.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Literal

from carnet.cli import exits
from carnet.cli.device import add_device_options, carnet_of, decision_text, read_artifact, read_root, required
from carnet.cli.output import Output, when
from carnet.cli.parser import Parser
from carnet.cli.secrets import HOW, add_license_key_options, license_key
from carnet.cli.words import instant
from carnet.core._base import Struct
from carnet.core.decision import Evidence, Host
from carnet.core.errors import CarnetError, UsageError
from carnet.core.model import Fault, Grant

if TYPE_CHECKING:
    from carnet.core.instant import Instant
    from carnet.formats.root import Root

MAX_FINGERPRINT = 255
"""Of a device identifier (security-requirements, Limits)."""

Kind = Literal["token", "machine-file", "bundle"]


class Parts(Struct):
    """What a file holds that can be judged, nothing of it verified; `fault` where it holds nothing of the kind."""

    kind: Kind | None
    roots: tuple[str, ...] = ()
    token: bytes | None = None
    machine_file: bytes | None = None
    refusals: tuple[str, ...] = ()
    fault: Fault | None = None


def configure(parser: Parser) -> None:
    """Add the arguments."""
    parser.set_defaults(run=_verify)
    parser.add_argument("file", metavar="FILE", help="a license token, machine file or .carnet bundle; - reads stdin")
    add_device_options(parser, "root", "product")
    parser.add_argument("--fingerprint", metavar="HEX", help="judge for this device (default: this computer)")
    parser.add_argument("--at", type=instant, metavar="TIME", help="judge at this time, RFC 3339 (default: now)")
    add_license_key_options(parser, positional=False)


def _verify(options: argparse.Namespace, out: Output) -> int:
    if options.file == "-" and options.license_key_stdin:
        raise UsageError("bad_usage", "Standard input cannot be both the file and the license key.", HOW)
    product, embedded = required(options, "product"), read_root(required(options, "root"))
    parts = _parts(read_artifact(options.file))
    key = license_key(options, prompt=parts.machine_file is not None)
    if parts.machine_file is not None and key is None:
        raise UsageError("license_key_required", "A machine file opens only with its license key.", HOW)
    fingerprint = _fingerprint(options)
    if parts.machine_file is not None and fingerprint is None:
        fix = "Add --fingerprint with what `carnet fingerprint` prints on the device."
        raise UsageError("device_fingerprint_required", "A machine file opens only on its device.", fix)

    from carnet.client.evidence import follow_roots
    from carnet.core.rules import decide

    root, _ = follow_roots(embedded, parts.roots)
    evidence = _evidence(parts, root, key, fingerprint, at=options.at)
    decision = decide(evidence, _now() if options.at is None else options.at, Host(product=product))
    grant = _chosen(evidence, decision.evidence_ids)
    kid = None if grant is None else grant.kid
    document = {**decision.to_json(), "kind": parts.kind, "kid": kid, "root_version": root.version}
    signed = "nothing genuine" if grant is None else f"{grant.kind}, signed {when(grant.issued_at)} with key {kid}"
    out.data(document, f"{decision_text(decision, out)}\n\nFound: {signed} (root version {root.version})")
    return exits.of_decision(decision)


def _parts(data: bytes) -> Parts:
    from carnet.formats.bundle import read_bundle
    from carnet.formats.detect import detect
    from carnet.formats.encoding import read_kindly

    try:
        kind = detect(data)
        if kind == "token":
            return Parts(kind="token", token=read_kindly(data))
        if kind == "machine-file":
            return Parts(kind="machine-file", machine_file=data)
        if kind == "bundle":
            bundle = read_bundle(data)
            return Parts(
                kind="bundle",
                roots=bundle.roots,
                token=None if bundle.token is None else bundle.token.encode(),
                machine_file=None if bundle.machine_file is None else bundle.machine_file.encode(),
                refusals=() if bundle.answer is None else (bundle.answer,),
            )
    except CarnetError as error:
        fault = Fault(code=error.code, message=error.message, fix=error.fix, artifact="file")
        return Parts(kind=None, fault=fault)
    raise UsageError(
        "nothing_to_decide",
        f"This is a {kind.replace('-', ' ')}, which grants nothing by itself.",
        "Give a license token, a machine file or a .carnet bundle.",
    )


def _fingerprint(options: argparse.Namespace) -> str | None:
    given: str | None = options.fingerprint
    if given is None:
        return carnet_of(options).info().fingerprint
    if not 0 < len(given) <= MAX_FINGERPRINT or not given.isprintable():
        raise UsageError("bad_usage", "That is not a device fingerprint.", "Use what `carnet fingerprint` prints.")
    return given


def _evidence(parts: Parts, root: Root, key: str | None, fingerprint: str | None, *, at: Instant | None) -> Evidence:
    from carnet.client.evidence import gather
    from carnet.formats.license_key import canonical_license_key

    if parts.fault is not None:
        return Evidence(faults=(parts.fault,), device=fingerprint)

    def with_key(text: str | None) -> Evidence:
        return gather(
            ring=root.ring(),
            token=parts.token,
            machine_file=parts.machine_file,
            license_key=text,
            fingerprint=fingerprint,
            refusals=parts.refusals,
            issue_times_count=at is None,
        )

    evidence = with_key(key)
    canonical = None if key is None else canonical_license_key(key)
    if canonical not in {None, key} and any(fault.code == "does_not_open" for fault in evidence.faults):
        return with_key(canonical)  # the key as typed comes first, because imported keys are used verbatim
    return evidence


def _chosen(evidence: Evidence, ids: tuple[str, ...]) -> Grant | None:
    """The newest grant that the decision used, else the newest genuine one."""
    used = [grant for grant in evidence.grants if grant.id in ids] or list(evidence.grants)
    return max(used, key=lambda grant: (grant.issued_at, grant.kind == "machine-file"), default=None)


def _now() -> Instant:
    from carnet.client.clock import SystemClock

    return SystemClock().now()
