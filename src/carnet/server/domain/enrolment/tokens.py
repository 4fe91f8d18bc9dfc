"""The form of enrolment tokens: a prefix that scanners find, 256 random bits, a checksum."""

from __future__ import annotations

import zlib
from typing import Final

from carnet.formats.encoding import b64url_encode
from carnet.server.ports import Random

ENROLMENT_PREFIX: Final = "carnet_enrol_"
"""Public; it tells a token from a license key, so that nothing is looked up twice."""

_TOKEN_BYTES: Final = 32


def new_enrolment_token(random: Random) -> str:
    """
    A fresh enrolment token. It is typed, or deployed, where a license key would be: devices send it as one, and their
    machine files are locked with it, so that a device that has enrolled never learns the license key.
    """
    body = f"{ENROLMENT_PREFIX}{b64url_encode(random(_TOKEN_BYTES))}"
    return f"{body}_{zlib.crc32(body.encode()):08x}"
