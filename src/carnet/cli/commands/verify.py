"""
`carnet verify FILE`: check any artifact from anywhere: whether it is genuine, and what a license allows.

For licenses it uses what `check()` uses (`client.evidence.gather`, `core.rules.decide`), so both say the same to the
second: whatever such a file holds, the answer is a decision; bytes that are not readable or not genuine make one whose
state is ``not_genuine``. Roots, answers, times, proofs and status lists grant nothing; of these it says whether they
are genuine (`cli.findings`); a bundle's lists count for the license in it. Offline, stores nothing.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from carnet.cli import exits
from carnet.cli.device import add_device_options, decision_text, read_artifact, required, setting, this_device
from carnet.cli.output import Output, when
from carnet.cli.parser import Parser
from carnet.cli.secrets import HOW, add_license_key_options, license_key
from carnet.cli.trust import Trust, add_trust_options, spoken, trust_of
from carnet.cli.words import instant
from carnet.core._base import Struct, replace
from carnet.core.decision import Evidence, Host
from carnet.core.errors import CarnetError, UsageError
from carnet.core.model import Fault, Grant

if TYPE_CHECKING:
    from collections.abc import Callable

    from carnet.client.evidence import Offer
    from carnet.core.instant import Instant
    from carnet.formats.detect import Kind
    from carnet.formats.keys import KeyRing

MAX_FINGERPRINT = 255
"""Of a device identifier (security-requirements, Limits)."""

_AS_THEY_ARE = frozenset(("root", "app-manifest"))
"""Kinds whose reader wants the very bytes of the file."""

_PROFILES = ("keyforge", "traffic-orchestrator")


class Parts(Struct):
    """What a file holds that can be judged, nothing of it verified; `fault` where it holds nothing of the kind."""

    kind: Kind | None
    data: bytes = b""
    roots: tuple[str, ...] = ()
    token: bytes | None = None
    machine_file: bytes | None = None
    refusals: tuple[str, ...] = ()
    lease: bytes | None = None
    status_lists: tuple[str, ...] = ()
    fault: Fault | None = None


def configure(parser: Parser) -> None:
    """Add the arguments."""
    parser.set_defaults(run=_verify)
    parser.add_argument(
        "file", metavar="FILE", help="any artifact of Carnet's, a signed license key too; - reads stdin"
    )
    add_device_options(parser, "root", "product")
    add_trust_options(parser)
    parser.add_argument("--profile", choices=_PROFILES, help="read a JWT in this dialect (default: as it looks)")
    parser.add_argument("--issuer", help="the issuer that Traffic Orchestrator tokens must name (default: theirs)")
    parser.add_argument("--fingerprint", metavar="HEX", help="judge for this device (default: this computer)")
    parser.add_argument("--domain", metavar="HOST", help="judge for an app on this host")
    parser.add_argument("--at", type=instant, metavar="TIME", help="judge at this time, RFC 3339 (default: now)")
    add_license_key_options(parser, positional=False)


def _verify(options: argparse.Namespace, out: Output) -> int:
    if options.file == "-" and options.license_key_stdin:
        raise UsageError("bad_usage", "Standard input cannot be both the file and the license key.", HOW)
    from carnet.cli import findings

    parts = _parts(read_artifact(options.file), options.profile)
    if parts.kind in findings.KINDS:
        trust = trust_of(options, parts.kind)
        at = _now() if options.at is None else options.at
        finding = findings.find(str(parts.kind), parts.data, trust, at, product=setting(options, "product"))
        out.data(finding.to_json(), finding.to_text())
        return finding.exit_code
    return _decide(options, parts, out)


def _decide(options: argparse.Namespace, parts: Parts, out: Output) -> int:
    product, trust = required(options, "product"), trust_of(options, parts.kind)
    key = license_key(options, prompt=parts.machine_file is not None)
    if parts.machine_file is not None and key is None:
        raise UsageError("license_key_required", "A machine file opens only with its license key.", HOW)
    fingerprint = _fingerprint(options, parts)

    from carnet.client.roots import Chain, follow
    from carnet.core.rules import decide

    if trust.root is not None:
        trust = Trust(root=follow(Chain(root=trust.root), parts.roots).chain.root)
    evidence = _evidence(parts, trust, key, fingerprint, options)
    host = Host(product=product, domain=options.domain)
    decision = decide(evidence, _now() if options.at is None else options.at, host)
    grant = _chosen(evidence, decision.evidence_ids)
    kid = None if grant is None else grant.kid
    version = None if trust.root is None else trust.root.version
    document = {**decision.to_json(), "kind": parts.kind, "kid": kid, "root_version": version}
    signed = (
        "nothing genuine"
        if grant is None
        else f"{_spoken(parts, grant)}, signed {when(grant.issued_at)} with key {kid}"
    )
    under = "under the given key" if version is None else f"root version {version}"
    text = f"{decision_text(decision, out)}\n\nFound: {signed} ({under})"
    if parts.lease is not None:
        from carnet.cli import findings

        at = _now() if options.at is None else options.at
        finding = findings.find("lease", parts.lease, trust, at, product=product)
        document["lease"] = finding.to_json()
        text += f"\n\n{finding.to_text()}"
    if parts.status_lists:
        from carnet.cli.status_findings import find_list

        found = [find_list(token, trust, evidence.grants) for token in parts.status_lists]
        document["status_lists"] = [each.to_json() for each in found]
        text += "".join(f"\n\n{each.to_text()}" for each in found)
    out.data(document, text)
    if trust.key is not None and options.kid is None and any(fault.code == "unknown_key" for fault in evidence.faults):
        out.say(f"The given key is known here as {trust.key.kid}. If it is the key that the file names, add --kid.")
    return exits.of_decision(decision)


def _parts(data: bytes, profile: str | None) -> Parts:
    from carnet.formats.bundle import read_bundle
    from carnet.formats.detect import detect
    from carnet.formats.encoding import read_kindly

    if profile is not None:
        is_keyforge = profile == _PROFILES[0]
        return Parts(kind="keyforge-token" if is_keyforge else "traffic-orchestrator-token", data=read_kindly(data))
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
                lease=None if bundle.lease is None else bundle.lease.encode(),
                status_lists=bundle.status_lists,
            )
    except CarnetError as error:
        fault = Fault(code=error.code, message=error.message, fix=error.fix, artifact="file")
        return Parts(kind=None, fault=fault)
    if kind != "license-key":
        return Parts(kind=kind, data=data if kind in _AS_THEY_ARE else read_kindly(data))
    raise UsageError(
        "nothing_to_decide",
        "This is a short license key, which grants nothing by itself: only its server knows of it.",
        "Activate with it, or give a signed license key, a license token, a machine file or a .carnet bundle.",
    )


def _fingerprint(options: argparse.Namespace, parts: Parts) -> str | None:
    given: str | None = options.fingerprint
    if given is not None:
        if not 0 < len(given) <= MAX_FINGERPRINT or not given.isprintable():
            raise UsageError("bad_usage", "That is not a device fingerprint.", "Use what `carnet fingerprint` prints.")
        return given
    if parts.kind == "traffic-orchestrator-token":
        return None  # it names no device
    if parts.kind == "keyforge-token":
        fix = "Add --fingerprint with the identifier that the app calls this device by."
        raise UsageError(
            "device_fingerprint_required", "The device in a Keyforge token is named by the app itself.", fix
        )
    fingerprint = this_device(options, needs_root=options.public_key is None)
    if parts.machine_file is not None and fingerprint is None:
        fix = "Add --fingerprint with what `carnet fingerprint` prints on the device."
        raise UsageError("device_fingerprint_required", "A machine file opens only on its device.", fix)
    return fingerprint


def _evidence(
    parts: Parts, trust: Trust, key: str | None, fingerprint: str | None, options: argparse.Namespace
) -> Evidence:
    from carnet.client.evidence import gather
    from carnet.formats.license_key import canonical_license_key

    if parts.fault is not None:
        return Evidence(faults=(parts.fault,), device=fingerprint)
    offer = None if parts.kind == "signed-key" else _offer(parts, key, options)

    def with_key(text: str | None) -> Evidence:
        return gather(
            ring=trust.ring(parts.kind),
            token=parts.token,
            machine_file=parts.machine_file,
            license_key=text,
            signed_key=parts.data.decode() if parts.kind == "signed-key" else None,
            others=() if offer is None else (offer,),
            fingerprint=fingerprint,
            refusals=parts.refusals,
            issue_times_count=options.at is None,
        )

    def with_lists(found: Evidence) -> Evidence:
        if not parts.status_lists:
            return found
        from carnet.client.status_lists import judged_with_lists

        ring = trust.ring("status-list")
        return judged_with_lists(found, parts.status_lists, ring, issue_times_count=options.at is None)

    evidence = with_lists(with_key(key))
    canonical = None if key is None else canonical_license_key(key)
    if canonical not in {None, key} and any(fault.code == "does_not_open" for fault in evidence.faults):
        return with_lists(with_key(canonical))  # the key as typed comes first, because imported keys are used verbatim
    return evidence


def _offer(parts: Parts, key: str | None, options: argparse.Namespace) -> Offer | None:
    """The artifact of another system's dialect in *parts*, and how it becomes a grant."""
    from carnet.client.evidence import Offer

    readers: dict[str, Callable[[KeyRing], Grant]] = {
        "offline-token": lambda ring: _offline_token(parts.data, ring, key),
        "keyforge-token": lambda ring: _keyforge(parts.data, ring),
        "traffic-orchestrator-token": lambda ring: _traffic_orchestrator(parts.data, ring, options),
    }
    read = readers.get(str(parts.kind))
    return None if read is None else Offer(artifact=spoken(parts.kind), read=read)


def _offline_token(data: bytes, ring: KeyRing, key: str | None) -> Grant:
    from carnet.formats.offline_token import verify_offline_token

    return verify_offline_token(data, ring, license_key=key)


def _keyforge(data: bytes, ring: KeyRing) -> Grant:
    from carnet.formats.profiles.grants import keyforge_grant
    from carnet.formats.profiles.keyforge import verify_keyforge_token

    # Whoever pins a key says what its algorithm is: that of the key (specs/token-profiles.md §2).
    return keyforge_grant(verify_keyforge_token(data, ring, algorithms=("ES256", "Ed25519", "RS256")))


def _traffic_orchestrator(data: bytes, ring: KeyRing, options: argparse.Namespace) -> Grant:
    from carnet.formats.profiles.grants import traffic_orchestrator_grant
    from carnet.formats.profiles.traffic_orchestrator import (
        TrafficOrchestratorSettings,
        verify_traffic_orchestrator_token,
    )

    settings = TrafficOrchestratorSettings()
    if options.issuer is not None:
        settings = replace(settings, issuer=options.issuer)
    facts = verify_traffic_orchestrator_token(data, ring, settings=settings)
    return traffic_orchestrator_grant(facts, product=required(options, "product"), domain=options.domain)


def _spoken(parts: Parts, grant: Grant) -> str:
    return grant.kind if parts.kind in {"bundle", None} else str(parts.kind)


def _chosen(evidence: Evidence, ids: tuple[str, ...]) -> Grant | None:
    """The newest grant that the decision used, else the newest genuine one."""
    used = [grant for grant in evidence.grants if grant.id in ids] or list(evidence.grants)
    return max(used, key=lambda grant: (grant.issued_at, grant.kind == "machine-file"), default=None)


def _now() -> Instant:
    from carnet.client.clock import SystemClock

    return SystemClock().now()
