"""
The private halves of compatibility keys: one sealed file each, beside the signing keys and under the same key (SEC-25).

A file is named by the record's id, so that no two attempts to store a key ever write the same one. It opens only for
the record it was made for: product, key id and algorithm are authenticated with it, and the key must be the record's.
"""

from __future__ import annotations

from pathlib import Path

from carnet.core.errors import CarnetError
from carnet.formats.encoding import b64url_decode, b64url_encode
from carnet.formats.jose_keys import public_key_from_pem, signer_from_pem
from carnet.formats.keys import Signer
from carnet.formats.limits import MAX_PUBLIC_BODY
from carnet.formats.strict_json import dump_json, parse_object
from carnet.server.files import Files
from carnet.server.ports import Random
from carnet.server.records import CompatibilityKey
from carnet.server.signing.file_store import read_file
from carnet.server.signing.sealing import bad_key_file, seal, unseal

_FORMAT = "carnet-compatibility-key/1"


class CompatibilityKeyFiles:
    """
    `ports.PrivateKeys` over files.

    Args:
        folder: The `keys` directory. The files do not end in `.json`, which is the signing keys' own mark there.
        kek: The key-encryption key of the signing keys, 32 bytes.
        random: The randomness of the seals.
    """

    def __init__(self, folder: Path, kek: bytes, random: Random) -> None:
        self._folder = folder
        self._kek = kek
        self._random = random
        self._files = Files()

    def keep(self, key: CompatibilityKey, pem: str) -> None:
        """See `ports.PrivateKeys`."""
        sealed = seal(pem.encode(), self._kek, _context(key), self._random)
        content = {
            "format": _FORMAT,
            "id": key.id,
            "product": key.product,
            "kid": key.kid,
            "alg": key.alg,
            "created_at": str(key.created_at),
            "sealed": b64url_encode(sealed),
        }
        self._files.write(self._path(key), dump_json(content) + b"\n")

    def forget(self, key: CompatibilityKey) -> None:
        """See `ports.PrivateKeys`."""
        self._files.remove(self._path(key))

    def signer(self, key: CompatibilityKey) -> Signer:
        """See `ports.PrivateKeys`."""
        path = self._path(key)
        content = parse_object(read_file(path), max_bytes=MAX_PUBLIC_BODY, what=f"The key file {path.name}")
        if content.get("format") != _FORMAT:
            raise bad_key_file(f"{path.name} is not a compatibility key of this format")
        pem = unseal(b64url_decode(str(content.get("sealed")), "The sealed key"), self._kek, _context(key))
        if pem is None:
            raise bad_key_file(f"{path.name} was changed, or belongs to another key or installation")
        try:
            signer = signer_from_pem(pem, kid=key.kid)
        except CarnetError:
            raise bad_key_file(f"{path.name} holds no usable key") from None
        if signer.public_key != public_key_from_pem(key.public_pem, key.kid):
            raise bad_key_file(f"{path.name} does not hold the key that its record names")
        return signer

    def _path(self, key: CompatibilityKey) -> Path:
        return self._folder / f"compatibility-{key.id}.key"


def _context(key: CompatibilityKey) -> bytes:
    return f"carnet/v1/compatibility-key\0{key.id}\0{key.product}\0{key.kid}\0{key.alg}".encode()
