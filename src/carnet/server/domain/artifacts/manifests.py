"""
App manifests: the vendor seals which files a release of an app consists of (R-42, specs/app-manifest.md).
"""

from __future__ import annotations

from carnet.core.errors import CarnetError
from carnet.core.instant import Instant
from carnet.core.model import BACKDATE_SECONDS
from carnet.formats.app_manifest import ROLE, AppManifest, issue_app_manifest, verify_app_manifest
from carnet.formats.keys import KeyRing
from carnet.server.domain.activations.issuing import signing_failed
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.products.service import product_not_found
from carnet.server.domain.signing import sign_off_the_loop
from carnet.server.ports import Clock, SigningKeys, Storage
from carnet.server.records import Actor


class ManifestService:
    """
    Seals manifests.

    Args:
        storage: For the product and the audit.
        clock: Dates them.
        keys: The signing keys.
        ring: The public keys of the newest root, to check what was made.
        issuer: The installation's id.
    """

    def __init__(self, storage: Storage, clock: Clock, keys: SigningKeys, ring: KeyRing, issuer: str) -> None:
        self._storage = storage
        self._clock = clock
        self._keys = keys
        self._ring = ring
        self._issuer = issuer

    async def seal(self, product: str, version: str, files: tuple[tuple[str, str], ...], actor: Actor) -> bytes:
        """
        The manifest of a release, audited before it is handed out.

        Args:
            product: The product's id.
            version: Of the app, 1 to 64 printable characters.
            files: Path and SHA-256 of each file.
            actor: Who.

        Raises:
            UsageError: ``product_not_found``, ``bad_manifest``.
            StateError: ``signing_failed``, ``no_signing_key``.
        """
        if await self._storage.product(product) is None:
            raise product_not_found(product)
        now = self._clock.now()
        manifest = AppManifest(
            issuer=self._issuer,
            product=product,
            version=version,
            issued_at=Instant(max(now - BACKDATE_SECONDS, 0)),
            files=tuple(sorted(files, key=lambda file: file[0].encode("utf-8", "surrogatepass"))),
        )
        signer = self._keys.signer(ROLE)
        sealed = await sign_off_the_loop(signer, lambda: issue_app_manifest(manifest, signer))
        try:
            is_sound = verify_app_manifest(sealed, self._ring, product=product) == manifest
        except CarnetError as error:
            raise signing_failed() from error
        if not is_sound:
            raise signing_failed()
        await self._storage.add_audit(
            entry(now, actor, "product.manifest_sealed", product, version=version, files=len(files))
        )
        return sealed
