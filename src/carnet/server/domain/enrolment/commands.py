"""What can be asked of enrolment tokens, and how they are shown."""

from __future__ import annotations

from carnet.core._base import Struct
from carnet.core.instant import Instant


class CreateEnrolment(Struct):
    """
    Make an enrolment token of a license.

    Attributes:
        license_id: Which license.
        name: For people, 1 to 100 printable characters.
        max_uses: How many devices may enrol with it, at least 1; None for any number that the license has seats for.
        expires_at: First second it enrols nobody; None for no end.
        networks: CIDR ranges that devices must come from, at most 64; empty for anywhere.
        group: Where devices that enrol with it belong, 1 to 100 printable characters; None for nowhere.
    """

    license_id: str
    name: str
    max_uses: int | None = None
    expires_at: Instant | None = None
    networks: tuple[str, ...] = ()
    group: str | None = None


class EnrolmentView(Struct):
    """An enrolment token as people may see it: everything but the token, of which the last four characters stand."""

    id: str
    license_id: str
    name: str
    last_four: str
    max_uses: int | None
    used: int
    networks: tuple[str, ...]
    group: str | None
    created_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None


class CreatedEnrolment(Struct):
    """A new token. It is shown here and never again."""

    enrolment: EnrolmentView
    token: str

    def __repr__(self) -> str:
        return f"CreatedEnrolment(enrolment={self.enrolment!r})"
