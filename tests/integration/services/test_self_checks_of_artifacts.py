"""A signing key that goes wrong while the server runs: found by the next check, and nothing leaves from then on."""

from __future__ import annotations

from pathlib import Path

import pytest

from carnet.core.errors import NotGenuineError, StateError
from carnet.formats.keys import Role, Signer
from carnet.formats.license_token import verify_license_token
from carnet.server.domain.activations.checking import EVERY
from carnet.server.domain.licenses.commands import CreatedLicense
from carnet.server.installation import Installation
from carnet.server.ports import SigningKeys
from support.installations import Device, HeldClock
from support.stories import granted, tell


class Spoilt:
    """Signing keys whose signatures have one bit wrong from some moment on, as broken memory would."""

    def __init__(self, keys: SigningKeys) -> None:
        self._keys = keys
        self.is_broken = False

    def signer(self, role: Role) -> Signer:
        return _SpoiltSigner(self._keys.signer(role), self)

    def earlier(self, kid: str) -> Signer | None:
        return self._keys.earlier(kid)


class _SpoiltSigner:
    def __init__(self, signer: Signer, keys: Spoilt) -> None:
        self.kid, self.public_key = signer.kid, signer.public_key
        self._signer, self._keys = signer, keys

    def sign(self, message: bytes) -> bytes:
        signature = self._signer.sign(message)
        return bytes([signature[0] ^ 1]) + signature[1:] if self._keys.is_broken else signature


def test_a_signer_that_breaks_is_found_within_sixty_four_artifacts(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, __: HeldClock) -> None:
        issuing = installation.activations._issuing
        keys = Spoilt(issuing._keys)
        issuing._keys = keys
        command = Device().activate(created.key)
        granted(await installation.activations.activate(command))
        keys.is_broken = True
        for _ in range(EVERY - 1):
            result = granted(await installation.activations.activate(command))
            with pytest.raises(NotGenuineError):  # a device refuses it, and asks again
                verify_license_token(result.token, installation.ring)
        for _ in range(3):
            with pytest.raises(StateError) as caught:
                await installation.activations.activate(command)
            assert caught.value.code == "signing_failed"
        keys.is_broken = False
        result = granted(await installation.activations.activate(command))
        assert verify_license_token(result.token, installation.ring).activation_id == result.activation.id

    tell(tmp_path, story)
