"""
A signing key that was lost, for tests of the drill: another one takes its place, and the next root names it no more.

By the parts themselves: what `carnet key compromise` does around them (asking, guiding, resuming) has tests of its own.
"""

from __future__ import annotations

import os
from pathlib import Path

from carnet.core._base import replace
from carnet.core.instant import DAY, Instant
from carnet.formats.encoding import b64url_decode
from carnet.formats.keys import Ed25519Signer, PublicKey, Role
from carnet.formats.root import build_root, read_root, sign_root
from carnet.server.installation import Installation
from carnet.server.layout import Layout
from carnet.server.ports import TrustChange, TrustFacts
from carnet.server.records import RootFile, SigningKey
from carnet.server.signing.file_store import make_key_file, open_key_file, open_store
from carnet.server.signing.opening import file_location
from carnet.server.signing.root_keys import read_root_key


def stolen(installation: Installation, role: Role) -> Ed25519Signer:
    """The signer of *role*, as a thief has it who read the sealed file and what opens it."""
    layout = Layout(data=installation.settings.data)
    store = open_store(layout.keys, passphrase=None, key_file=layout.signing)
    facts = {file.signer.kid: file.signer for file in store.files()}
    active = read_root(installation.roots[-1]).role(role)
    assert active is not None
    return next(facts[kid] for kid in active.kids if kid in facts)


async def compromised(installation: Installation, root_keys: Path, role: Role, *, now: Instant) -> str:
    """
    Take the key of *role* out of the root and put another in its place; the id of the one that is lost.

    Args:
        installation: Open; it follows at once, as other processes do in some seconds.
        root_keys: The folder with the root key files, without passphrase.
        role: Whose key.
        now: When.
    """
    layout = Layout(data=installation.settings.data)
    kek = b64url_decode(layout.signing.read_text().strip(), "The key")
    root = read_root(installation.roots[-1])
    lost = stolen(installation, role)
    roles = tuple(each.role for each in root.roles if lost.kid in each.kids)
    name, content, signer = make_key_file(roles, kek=kek, created_at=now, random=os.urandom)
    (layout.keys / name).write_bytes(content)
    assert open_key_file(layout.keys / name, kek).signer.kid == signer.kid
    keys: dict[Role, list[PublicKey]] = {
        each.role: [signer.public_key if key.kid == lost.kid else key for key in root.role_keys(each.role)]
        for each in root.roles
    }
    signers = _root_signers(root_keys)
    following = sign_root(
        build_root(
            version=root.version + 1,
            issuer=root.issuer,
            issued_at=now,
            expires_at=Instant(now + 3650 * DAY),
            keys=keys,
            root_threshold=1,
        ),
        signers,
    )

    def decide(facts: TrustFacts) -> TrustChange:
        before = next(key for key in facts.keys if key.kid == lost.kid)
        after = SigningKey(
            kid=signer.kid,
            alg="Ed25519",
            roles=before.roles,
            public_key=signer.public_key.raw,
            location=file_location(signer.kid),
            state="active",
            announced_at=now,
            activated_at=now,
        )
        return TrustChange(
            root=RootFile(version=root.version + 1, file=following.decode(), installed_at=now),
            keys=(replace(before, state="compromised", ended_at=now), after),
            audit=(),
        )

    await installation.store.change_trust(decide)
    await installation.follow()
    return lost.kid


def _root_signers(root_keys: Path) -> list[Ed25519Signer]:
    return [read_root_key(path.read_bytes(), None) for path in sorted(root_keys.glob("*.json"))]
