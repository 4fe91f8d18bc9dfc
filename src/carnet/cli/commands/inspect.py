"""
`carnet inspect FILE`: what a file says of itself, without believing it. For support and the curious; decides nothing.

A license key in a file is shown as its last four characters; what is encrypted stays so.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from carnet.cli import exits
from carnet.cli.device import read_artifact
from carnet.cli.output import Output, as_json, facts
from carnet.cli.parser import Parser
from carnet.core.instant import MAX_INSTANT, Instant

_TIMES = frozenset({"iat", "nbf", "exp", "lic_nbf", "lic_exp"})


def configure(parser: Parser) -> None:
    """Add the arguments."""
    parser.set_defaults(run=_inspect)
    parser.add_argument("file", metavar="FILE", help="any file of Carnet's formats; - reads stdin")


def _inspect(options: argparse.Namespace, out: Output) -> int:
    from carnet.formats.encoding import sha256_hex

    data = read_artifact(options.file)
    document: dict[str, Any] = {"bytes": len(data), "sha256": sha256_hex(data), **_about(data)}
    rows = [(name, value if isinstance(value, str | int) else as_json(value)) for name, value in document.items()]
    out.data(document, facts(rows))
    out.say("Nothing of this is verified; carnet verify does that.")
    return exits.OK


def _about(data: bytes) -> dict[str, Any]:
    """
    What *data* is, and what stands in it.

    Raises:
        MalformedError: It is none of our formats, or a broken one.
    """
    from carnet.formats.detect import detect

    kind = detect(data)
    return {"kind": kind, **READERS[kind](data)}


def _jws(data: bytes) -> dict[str, Any]:
    from carnet.formats.encoding import read_kindly
    from carnet.formats.jws import unverified_jws
    from carnet.formats.limits import MAX_TOKEN

    header, claims = unverified_jws(read_kindly(data), max_bytes=MAX_TOKEN, what="The file")
    readable = {name: _readable(name, value) for name, value in claims.items()}
    return {"header": header, "claims": readable}


def _readable(name: str, value: Any) -> Any:
    return str(Instant(value)) if name in _TIMES and type(value) is int and 0 <= value <= MAX_INSTANT else value


def _machine_file(data: bytes) -> dict[str, Any]:
    from carnet.formats.machine_file import ALGORITHM, read_machine_file

    return {
        "kid": read_machine_file(data).kid,
        "alg": ALGORITHM,
        "contents": "encrypted for one device and one license key",
    }


def _root(data: bytes) -> dict[str, Any]:
    from carnet.formats.root import anchor, read_root

    root = read_root(data)
    return {
        "version": root.version,
        "issuer": root.issuer,
        "issued_at": str(root.issued_at),
        "expires_at": str(root.expires_at),
        "anchor": anchor(data),
        "roles": {role.role: list(role.kids) for role in root.roles},
    }


def _bundle(data: bytes) -> dict[str, Any]:
    from carnet.formats.bundle import read_bundle

    bundle = read_bundle(data)
    single = {"token": bundle.token, "machine_file": bundle.machine_file, "answer": bundle.answer}
    return {
        "roots": [_about(text.encode()) for text in bundle.roots],
        "status_lists": len(bundle.status_lists),
        **{name: _about(text.encode()) for name, text in single.items() if text is not None},
    }


def _license_key(data: bytes) -> dict[str, Any]:
    from carnet.formats.license_key import last_four

    return {"ends_with": last_four(data.decode().strip())}


READERS: Mapping[str, Callable[[bytes], dict[str, Any]]] = {
    "token": _jws,
    "answer": _jws,
    "machine-file": _machine_file,
    "root": _root,
    "bundle": _bundle,
    "license-key": _license_key,
}
"""What shows each kind that `formats.detect` tells."""
