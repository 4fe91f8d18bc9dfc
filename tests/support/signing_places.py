"""Ceremonies for tests: whose private keys move from sealed files to somewhere else, by the services' own ways."""

from __future__ import annotations

from collections.abc import Mapping

from carnet.formats.keys import Role
from carnet.server.records import OPERATOR
from carnet.server.signing.remote import RemoteSigner
from carnet.server.signing.root_keys import read_root_key
from support.installations import root_keys
from support.vendor import Vendor


def move_keys(vendor: Vendor, places: Mapping[Role, str]) -> None:
    """
    Let the keys at *places* sign from now on; the ones before only verify.

    Args:
        vendor: Its installation wants no time between announcing and signing (`key_announce_seconds=0`).
        places: A location by role.
    """

    async def ceremony() -> None:
        desk = vendor.installation.ceremonies
        people = [read_root_key(path.read_bytes(), None) for path in sorted(root_keys().iterdir()) if path.is_file()]
        for role, location in places.items():
            begun = await desk.begin(await desk.announce((role,), location=location))
            await desk.sign(begun, people)
            await desk.finish(OPERATOR)
        await desk.rotate(None, OPERATOR)

    vendor.on_the_servers_loop(ceremony())


def signer_of(vendor: Vendor, role: Role) -> RemoteSigner:
    """What signs as *role* in the server's process."""
    signer = vendor.installation._keys.signer(role)
    assert isinstance(signer, RemoteSigner), role
    return signer
