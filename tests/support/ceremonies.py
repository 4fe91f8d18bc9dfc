"""Root keys of test installations, and ceremonies done in one go."""

from __future__ import annotations

from pathlib import Path

from carnet.formats.keys import Ed25519Signer, Role
from carnet.server.domain.trust.desk import Ceremony, Installed
from carnet.server.installation import Installation
from carnet.server.records import OPERATOR, SigningKey
from carnet.server.signing.root_keys import read_root_key
from support.databases import kind
from support.installations import _template


def root_key_file() -> Path:
    """The one root key of the installations of `support.installations`, on the database in use."""
    return _template(kind()).data.parent / "root" / "root-key-1-of-1.json"


def root_signer() -> Ed25519Signer:
    """Its signer."""
    return read_root_key(root_key_file().read_bytes(), None)


async def installed(installation: Installation, ceremony: Ceremony) -> Installed:
    """Bring *ceremony* to its end."""
    service = installation.ceremonies
    await service.sign(await service.begin(ceremony), [root_signer()])
    return await service.finish(OPERATOR)


async def announced(installation: Installation, *roles: Role) -> Installed:
    """New keys for *roles*, or for all, announced."""
    return await installed(installation, await installation.ceremonies.announce(roles or None))


def key_of(installation: Installation, role: Role) -> SigningKey:
    """The key that signs as *role* in this process."""
    key = installation._keys.state.active(role)
    assert key is not None
    return key
