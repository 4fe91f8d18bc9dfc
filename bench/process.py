"""
What `check()` costs an app at start: whole processes, CPU above an empty Python, against a bare signature check.

The state on disk is real: a server process on loopback issued it, and is stopped before anything is measured. The
baseline is a script that imports `cryptography` and verifies one Ed25519 signature; PyJWT doing the same stands beside.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.measure import process_ratios
from bench.report import Row
from carnet.cli.demo.stage import Stage, free_port
from carnet.formats.keys import Ed25519Signer

CHECK = """
import sys
from carnet import Carnet
carnet = Carnet(product="hustl", server="http://127.0.0.1:9", root={root!r}, state={state!r}, device_id="bench")
sys.exit(carnet.check().state != "active")
"""

BARE = """
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
Ed25519PublicKey.from_public_bytes({key!r}).verify({signature!r}, {message!r})
"""

PYJWT = """
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
key = Ed25519PublicKey.from_public_bytes({key!r})
jwt.decode({token!r}, key, algorithms=["EdDSA"])
"""


def rows(rounds: int) -> list[Row]:
    """The whole process of an offline check, and PyJWT's, against the bare verify process."""
    stage = Stage(free_port())
    try:
        stage.vendor("init", "--data", str(stage.data), "--root-keys", str(stage.root_keys))
        stage.start_server()
        stage.vendor("product", "create", "hustl")
        license_key = stage.vendor("license", "create", "--product", "hustl", "--policy", "professional")["key"]
        device = stage.device("bench", "bench")
        activated = stage.on(device, "activate", "--license-key-stdin", stdin=license_key)
        assert activated.data.get("state") == "active", activated
        stage.stop_server()
        return _compare(stage.root_path, device.state, rounds)
    finally:
        stage.close()


def _compare(root_path: Path, state: Path, rounds: int) -> list[Row]:
    import jwt
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    signer = Ed25519Signer(bytes(range(32)))
    message = b"m" * 600
    token = jwt.encode({"sub": "x" * 300}, Ed25519PrivateKey.from_private_bytes(bytes(range(32))), algorithm="EdDSA")
    python = sys.executable
    check = CHECK.format(root=root_path.read_text(encoding="utf-8"), state=str(state))
    bare = BARE.format(key=signer.public_key.raw, signature=signer.sign(message), message=message)
    environment = {"PATH": "/usr/bin:/bin"}
    measured = process_ratios(
        {
            "floor": [python, "-c", "pass"],
            "bare": [python, "-c", bare],
            "check": [python, "-c", check],
            "PyJWT": [python, "-c", PYJWT.format(key=signer.public_key.raw, token=token)],
        },
        floor="floor",
        base="bare",
        environment=environment,
        rounds=rounds,
    )
    bare_ms = measured["bare"][0] * 1e3
    return [
        Row(
            name="whole process: check() from disk ÷ a bare verify process",
            value=measured["check"][1],
            reach=1.6,
            aim=1.3,
            detail=f"{measured['check'][0] * 1e3:.1f} ms against {bare_ms:.1f} ms of CPU above an empty Python",
        ),
        Row(
            name="    for comparison: PyJWT doing only the verify",
            value=measured["PyJWT"][1],
            detail=f"{measured['PyJWT'][0] * 1e3:.1f} ms",
        ),
    ]
