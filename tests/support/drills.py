"""
A signing key that was lost, for tests of the drill.
"""

from __future__ import annotations

from pathlib import Path

from carnet.formats.keys import Ed25519Signer, Role
from carnet.formats.root import read_root
from carnet.server.installation import Installation
from carnet.server.layout import Layout
from carnet.server.records import OPERATOR
from carnet.server.signing.file_store import open_store
from carnet.server.signing.root_keys import read_root_key


def stolen(installation: Installation, role: Role) -> Ed25519Signer:
    """The signer of *role*, as a thief has it who read the sealed file and what opens it."""
    layout = Layout(data=installation.settings.data)
    store = open_store(layout.keys, passphrase=None, key_file=layout.signing)
    facts = {file.signer.kid: file.signer for file in store.files()}
    active = read_root(installation.roots[-1]).role(role)
    assert active is not None
    return next(facts[kid] for kid in active.kids if kid in facts)


async def compromised(installation: Installation, root_keys: Path, role: Role) -> str:
    """
    Take the key of *role* out of the root and put another in its place, as `carnet key compromise` does before the
    drill; the id of the one that is lost.

    Args:
        installation: Open; it follows at once, as other processes do in some seconds.
        root_keys: The folder with the root key files, without passphrase.
        role: Whose key.
    """
    lost, ceremonies = stolen(installation, role), installation.ceremonies
    ceremony = await ceremonies.begin(await ceremonies.compromise(lost.kid))
    await ceremonies.sign(ceremony, root_signers(root_keys))
    await ceremonies.finish(OPERATOR)
    return lost.kid


def root_signers(root_keys: Path) -> list[Ed25519Signer]:
    """The root keys in *root_keys*, which have no passphrase."""
    return [read_root_key(path.read_bytes(), None) for path in sorted(root_keys.glob("*.json"))]
