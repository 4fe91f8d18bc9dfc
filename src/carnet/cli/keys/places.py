"""
`carnet key try`: whether the key at a location outside signs for us, before anybody announces it (R-63).

Needs no installation: it can be run as the server's user, with the server's environment, on the server's machine.
"""

from __future__ import annotations

import argparse
import os
import time
from contextlib import closing
from typing import TYPE_CHECKING

from carnet.cli import exits
from carnet.cli.output import Output, facts
from carnet.cli.vendor import server_extra

if TYPE_CHECKING:
    from carnet.formats.keys import Algorithm

_ALGORITHMS: dict[str, Algorithm] = {"EdDSA": "Ed25519", "ES256": "ES256", "RS256": "RS256"}
_MESSAGE = b"carnet/v1/key-location-try"


def try_location(options: argparse.Namespace, out: Output) -> int:
    """Open the key at the location, let it sign once, and say which it is; with ``--generate``, make it first."""
    with server_extra():
        from carnet.server.signing.services import generate, open_remote
    if options.generate:
        generate(options.location, os.environ, alg=_ALGORITHMS[options.alg])
        out.say("The key pair was made there. Its private half cannot be read, copied or backed up from here.")
    with closing(open_remote(options.location, os.environ)) as signer:
        began = time.perf_counter()
        signer.sign(_MESSAGE)
        milliseconds = round((time.perf_counter() - began) * 1000, 1)
    key = signer.public_key
    document = {"kid": key.kid, "alg": key.to_jwk()["alg"], "location": options.location, "milliseconds": milliseconds}
    rows = [("Key", key.kid), ("Algorithm", document["alg"]), ("Place", options.location)]
    out.data(document, facts([*rows, ("Signed in", f"{milliseconds} ms")]))
    if key.alg == "Ed25519":
        out.say(
            "It signs, and what it signs verifies. To let it sign for a role: carnet key announce ROLE --location …"
        )
    else:
        out.say("It signs, and what it signs verifies; but signing keys of an installation are Ed25519 keys.")
    return exits.OK
