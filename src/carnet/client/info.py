"""What the SDK can tell about itself and this device, for a status page, a support mail, or `carnet fingerprint`."""

from __future__ import annotations

from carnet.client.fingerprint import Identity
from carnet.client.state_file import Condition
from carnet.core._base import Struct
from carnet.core.instant import Instant


class Info(Struct):
    """
    The facts behind a decision. Holds no secret and no raw identifier.

    Attributes:
        product: The product id.
        fingerprint: What the server knows this device by; None where nothing identifies it.
        identity: Where that comes from, what gave nothing and why, and what would make it better.
        state_directory: Where this product's state is.
        condition: What was found there.
        copies: The condition of each of the two copies.
        activation_id: The seat, where there is one.
        license_key_hint: Last four characters of the stored license key.
        root_version: The newest trusted root.
        root_expires_at: From when on it vouches for no keys that are new to this device; None where there is no root.
        last_contact_at: Signed time of the newest authentic answer.
        trusted_at: The proven lower bound of the present time.
        prepared_until: Until when the user prepared to be offline.
    """

    product: str
    fingerprint: str | None
    identity: Identity
    state_directory: str
    condition: Condition
    copies: tuple[Condition, ...]
    activation_id: str | None
    license_key_hint: str | None
    root_version: int
    root_expires_at: Instant | None
    last_contact_at: Instant | None
    trusted_at: Instant | None
    prepared_until: Instant | None
