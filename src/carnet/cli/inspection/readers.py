"""
The reader of each kind that `formats.detect` tells: bytes to an explanation. Nothing is verified here.

What cannot be read is explained too: by the code and the sentence that its own reader gives, beside what could be told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from carnet.cli.inspection import keys, logs
from carnet.cli.inspection.claims import claim_lines, readable, without_secrets
from carnet.cli.inspection.lines import Explained, Line, Problem, moment, shown
from carnet.cli.inspection.tables import TITLES, algorithm_meaning
from carnet.core.errors import CarnetError

if TYPE_CHECKING:
    from carnet.core.instant import Instant

Reader = Callable[[bytes, "Instant | None"], Explained]

_PROFILES = ("keyforge-token", "traffic-orchestrator-token")
_NO_ALGORITHM = "NOT LEGAL: no reader of Carnet accepts this algorithm in this kind of artifact."


def explain(data: bytes, now: Instant | None) -> tuple[str, Explained]:
    """
    What *data* is, and what stands in it.

    Args:
        data: A file's content.
        now: The moment that times are counted from, or None.

    Raises:
        MalformedError: ``unknown_artifact``: it is none of our kinds.
    """
    from carnet.formats.detect import detect

    kind = detect(data)
    try:
        return kind, READERS[kind](data, now)
    except CarnetError as error:
        return kind, Explained(
            title=TITLES[kind], members={}, problems=(Problem(code=error.code, message=error.message),)
        )


def as_json(kind: str, explained: Explained) -> dict[str, Any]:
    """An explanation for programs: its kind, the artifact's facts, then the lines and problems."""
    return {
        "kind": kind,
        **explained.members,
        "title": explained.title,
        "lines": [{"name": line.name, "value": line.value, "meaning": line.meaning} for line in explained.lines],
        "problems": [{"code": problem.code, "message": problem.message} for problem in explained.problems],
    }


def _jws(kind: str) -> Reader:
    def read(data: bytes, now: Instant | None) -> Explained:
        from carnet.formats.encoding import read_kindly
        from carnet.formats.jws import unverified_jws
        from carnet.formats.limits import MAX_TOKEN

        header, claims = unverified_jws(read_kindly(data), max_bytes=MAX_TOKEN, what="The file")
        lines, problems = _header(kind, header)
        return Explained(
            title=TITLES[kind],
            members={"header": without_secrets(header), "claims": readable(kind, claims)},
            lines=(*lines, *claim_lines(kind, claims, now)),
            problems=(*problems, *_problems_of_profile(kind, claims)),
        )

    return read


def _status_list(data: bytes, now: Instant | None) -> Explained:
    from carnet.formats.encoding import read_kindly
    from carnet.formats.jws import unverified_jws
    from carnet.formats.limits import MAX_STATUS_LIST_TOKEN

    largest = MAX_STATUS_LIST_TOKEN
    header, claims = unverified_jws(read_kindly(data), max_bytes=largest, max_string=largest, what="The file")
    packed = claims.get("status_list")
    if type(packed) is dict and type(packed.get("lst")) is str:
        claims = {**claims, "status_list": {**packed, "lst": f"{len(packed['lst'])} characters"}}
    lines, problems = _header("status-list", header)
    return Explained(
        title=TITLES["status-list"],
        members={"header": without_secrets(header), "claims": readable("status-list", claims)},
        lines=(*lines, *claim_lines("status-list", claims, now)),
        problems=tuple(problems),
    )


def _app_manifest(data: bytes, now: Instant | None) -> Explained:
    from carnet.formats.app_manifest import MAGIC, split_app_manifest
    from carnet.formats.encoding import read_kindly, sha256_b64url
    from carnet.formats.jws import unverified_jws
    from carnet.formats.limits import MAX_TOKEN

    seal, listed = split_app_manifest(data if data.startswith(MAGIC) else read_kindly(data))
    header, claims = unverified_jws(seal, max_bytes=MAX_TOKEN, what="The seal")
    lines, problems = _header("app-manifest", header)
    if claims.get("list") != sha256_b64url(listed):
        problems.append(
            Problem(code="manifest_altered", message="The list is not the one that the seal is about: it was changed.")
        )
    return Explained(
        title=TITLES["app-manifest"],
        members={"header": without_secrets(header), "claims": readable("app-manifest", claims)},
        lines=(*lines, *claim_lines("app-manifest", claims, now)),
        problems=tuple(problems),
    )


def _header(kind: str, header: dict[str, Any]) -> tuple[list[Line], list[Problem]]:
    lines: list[Line] = []
    problems: list[Problem] = []
    for name, value in header.items():
        if name == "alg":
            meaning = algorithm_meaning(kind, value)
            if meaning is None:
                problems.append(Problem(code="wrong_algorithm", message=f"{shown(value)} is not legal here."))
            lines.append(Line(name="header.alg", value=shown(value), meaning=meaning or _NO_ALGORITHM))
        elif name == "kid":
            lines.append(
                Line(
                    name="header.kid",
                    value=shown(value),
                    meaning="The id of the key that is said to have signed it; it finds a key, and proves nothing.",
                )
            )
        elif name == "typ":
            lines.append(
                Line(name="header.typ", value=shown(value), meaning="What kind of token it is; compared exactly.")
            )
        else:
            problems.append(
                Problem(code="bad_header", message=f"A header member {shown(name)[:60]} is never accepted.")
            )
            lines.append(Line(name=f"header.{name}", value="…", meaning="NOT LEGAL: readers refuse a header with it."))
    if "alg" not in header:
        problems.append(Problem(code="bad_header", message="The header names no algorithm."))
    if "kid" not in header and kind not in _PROFILES:
        problems.append(Problem(code="bad_header", message="The header names no key."))
    return lines, problems


def _problems_of_profile(kind: str, claims: dict[str, Any]) -> tuple[Problem, ...]:
    """What the profile's own reader says of the claims: it reads them without a key."""
    try:
        if kind == "keyforge-token":
            from carnet.formats.profiles.keyforge import keyforge_facts

            keyforge_facts(claims)
        elif kind == "traffic-orchestrator-token":
            from carnet.formats.profiles.traffic_orchestrator import (
                DEFAULT_ISSUER,
                TrafficOrchestratorSettings,
                traffic_orchestrator_facts,
            )

            issuer = claims.get("iss")
            settings = TrafficOrchestratorSettings(issuer=issuer if isinstance(issuer, str) else DEFAULT_ISSUER)
            traffic_orchestrator_facts(claims, settings=settings)
    except CarnetError as error:
        return (Problem(code=error.code, message=error.message),)
    return ()


def _offline_token(data: bytes, now: Instant | None) -> Explained:
    from carnet.formats.encoding import read_kindly
    from carnet.formats.limits import MAX_MACHINE_FILE
    from carnet.formats.offline_token import unverified_offline_token
    from carnet.formats.strict_json import dump_json, parse_object

    claims = unverified_offline_token(data)
    document = parse_object(
        read_kindly(data), max_bytes=MAX_MACHINE_FILE, max_string=MAX_MACHINE_FILE, what="The offline token"
    )
    signature = document["signature"]
    problems = []
    if dump_json(claims) != document["canonical"].encode():
        problems.append(Problem(code="token_mismatch", message="It shows something else than what was signed."))
    if claims.get("kid") != signature["key_id"]:
        problems.append(Problem(code="kid_mismatch", message="It says that another key signed it."))
    return Explained(
        title=TITLES["offline-token"],
        members={
            "signature": {"algorithm": signature["algorithm"], "key_id": signature["key_id"]},
            "claims": readable("offline-token", claims),
        },
        lines=(
            Line(name="signature.algorithm", value="Ed25519", meaning="The only algorithm of this kind."),
            Line(
                name="signature.key_id",
                value=shown(signature["key_id"]),
                meaning="The id of the key that is said to have signed it.",
            ),
            *claim_lines("offline-token", claims, now),
        ),
        problems=tuple(problems),
    )


def _machine_file(data: bytes, _: Instant | None) -> Explained:
    from carnet.formats.machine_file import ALGORITHM, read_machine_file

    sealed = read_machine_file(data)
    contents = "encrypted for one device and one license key"
    return Explained(
        title=TITLES["machine-file"],
        members={"kid": sealed.kid, "alg": ALGORITHM, "contents": contents},
        lines=(
            Line(name="kid", value=sealed.kid, meaning="The id of the key that is said to have signed it."),
            Line(name="alg", value=ALGORITHM, meaning="Encrypted with AES-256-GCM, then signed with Ed25519."),
            Line(
                name="contents",
                value=f"{len(sealed.enc)} characters, encrypted",
                meaning="Opens only with the license key and the fingerprint of the device that it was made for:"
                " carnet verify with both says what it grants.",
            ),
        ),
    )


def _root(data: bytes, now: Instant | None) -> Explained:
    from carnet.formats.root import anchor, read_root

    root = read_root(data)
    top = root.role("root")
    roles = {role.role: list(role.kids) for role in root.roles}
    lines = [
        Line(
            name="version",
            value=str(root.version),
            meaning="Apps embed version 1; later ones chain from it, each in turn.",
        ),
        Line(name="issuer", value=root.issuer, meaning="The installation whose root it is."),
        Line(name="issued_at", value=moment(root.issued_at, now), meaning="When it was made."),
        Line(
            name="expires_at",
            value=moment(root.expires_at, now),
            meaning="From here on it vouches for no new keys; what is signed already stays genuine.",
        ),
        Line(
            name="anchor",
            value=anchor(data),
            meaning="SHA-256 of the file: read it out and compare it with the vendor's.",
        ),
        Line(
            name="threshold",
            value=f"{1 if top is None else top.threshold} of {len(roles['root'])}",
            meaning="How many of its root keys must sign together; so many of its own have.",
        ),
    ]
    for role, kids in roles.items():
        lines.append(
            Line(name=f"role {role}", value=", ".join(kids), meaning=_ROLES.get(role, "A role of a later version."))
        )
    lines += [
        Line(name=f"format {name}", value=str(oldest), meaning="The oldest format of this artifact that is accepted.")
        for name, oldest in root.minimum_formats
    ]
    return Explained(
        title=TITLES["root"],
        members={
            "version": root.version,
            "issuer": root.issuer,
            "issued_at": str(root.issued_at),
            "expires_at": str(root.expires_at),
            "anchor": anchor(data),
            "roles": roles,
            "threshold": 1 if top is None else top.threshold,
        },
        lines=tuple(lines),
    )


_ROLES: Mapping[str, str] = {
    "root": "Keys that may sign the next root.",
    "token": "Keys that may sign license tokens.",
    "machine-file": "Keys that may sign machine files.",
    "license-key": "Keys that may sign license keys.",
    "status-list": "Keys that may sign revocation lists.",
    "answer": "Keys that may sign the server's answers.",
    "time": "Keys that may sign the time.",
    "offline": "Keys that may sign offline tokens and answers.",
    "lease": "Keys that may sign leases.",
    "receipt": "Keys that may sign receipts.",
    "checkpoint": "Keys that may sign checkpoints of the audit log.",
}


def _bundle(data: bytes, now: Instant | None) -> Explained:
    from carnet.formats.bundle import read_bundle

    bundle = read_bundle(data)
    named = [
        ("token", bundle.token),
        ("machine_file", bundle.machine_file),
        ("time", bundle.time),
        ("answer", bundle.answer),
        ("lease", bundle.lease),
    ]
    roots = [(f"root {number}", text) for number, text in enumerate(bundle.roots, 1)]
    lists = [(f"status list {number}", text) for number, text in enumerate(bundle.status_lists, 1)]
    parts: list[tuple[str, str, Explained]] = []
    lines: list[Line] = []
    for name, text in [*roots, *((name, text) for name, text in named if text is not None), *lists]:
        kind, part = _part(text, now)
        parts.append((name, kind, part))
        lines.append(Line(name=name, value=kind, meaning=part.title))
    return Explained(
        title=TITLES["bundle"],
        members={
            "roots": [as_json(kind, part) for name, kind, part in parts if name.startswith("root ")],
            "status_lists": len(bundle.status_lists),
            "lists": [as_json(kind, part) for name, kind, part in parts if name.startswith("status list ")],
            **{name: as_json(kind, part) for name, kind, part in parts if " " not in name},
        },
        lines=tuple(lines),
        problems=tuple(problem for _, _, part in parts for problem in part.problems),
        parts=tuple((name, part) for name, _, part in parts),
    )


def _part(text: str, now: Instant | None) -> tuple[str, Explained]:
    try:
        return explain(text.encode("utf-8", "surrogatepass"), now)
    except CarnetError as error:
        problem = Problem(code=error.code, message=error.message)
        return "unknown", Explained(title="Something that is none of Carnet's.", members={}, problems=(problem,))


READERS: Mapping[str, Reader] = {
    **{kind: _jws(kind) for kind in ("token", "answer", "time", "device-proof", "lease", *_PROFILES)},
    "machine-file": _machine_file,
    "root": _root,
    "bundle": _bundle,
    "status-list": _status_list,
    "app-manifest": _app_manifest,
    "offline-token": _offline_token,
    "checkpoint": logs.checkpoint,
    "log-proof": logs.log_proof,
    "root-draft": logs.root_draft,
    "license-key": keys.short_key,
    "signed-key": keys.signed_key,
}
"""What explains each kind that `formats.detect` tells."""
