"""
A ceremony that goes on, and where it lies meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from carnet.core._base import Struct
from carnet.core.errors import NotGenuineError
from carnet.core.instant import Instant
from carnet.formats.dsse import EnvelopeSignature
from carnet.formats.keys import Role
from carnet.formats.root_draft import Needed, RootDraft, needed
from carnet.server.domain.trust.plan import Intent, NewKey, Replaced
from carnet.server.records import SigningKey


class KeyFileContent(Struct):
    """The sealed file of a new key, to be written into `keys/`."""

    name: str
    content: bytes

    def __repr__(self) -> str:
        return f"KeyFileContent(name={self.name!r})"


class Ceremony(Struct):
    """
    What is going on.

    Attributes:
        intent: What is wanted.
        issued_at: When it began; the root's own date.
        files: Sealed files of the keys that it makes.
        draft: The next root, and who signed it.
        was_in_force: It came to its end once, and a database that was put back does not know of it: clients do, and
            would refuse any other root of that version. So it has to be finished again before anything else.
        may_be_in_force: A run that was to put it in force was cut off, and the database does not know of it: it came to
            nothing, or the database was put back since. Nobody can tell, so it is finished and not dropped, too.
    """

    intent: Intent
    issued_at: Instant
    files: tuple[KeyFileContent, ...]
    draft: RootDraft
    was_in_force: bool = False
    may_be_in_force: bool = False

    @property
    def version(self) -> int:
        """Of the next root."""
        return self.draft.root.version

    @property
    def may_be_known(self) -> bool:
        """Whether clients may know its root, so that no other may get its version."""
        return self.was_in_force or self.may_be_in_force

    @property
    def needed(self) -> Needed:
        """Whose signatures are there, and whose are missing."""
        return needed(self.draft)


class Installed(Struct):
    """
    A change that is in force.

    Attributes:
        version: Of the newest root.
        keys: Every key that is new or in a new state.
        replaced: What signs no more, and what does in its place.
    """

    version: int
    keys: tuple[SigningKey, ...]
    replaced: tuple[Replaced, ...]


class Desk(Protocol):
    """Where a ceremony lies, and where its keys come from."""

    def read(self) -> Ceremony | None:
        """The one whose root a database that was put back has lost, or else the ceremony that goes on; or None."""
        ...

    def write(self, ceremony: Ceremony) -> None:
        """Keep *ceremony*, all of it or nothing, in place of what was there."""
        ...

    def put_keys(self, ceremony: Ceremony) -> None:
        """Write the sealed files of its keys to where they are opened; those that are there stay."""
        ...

    def keep(self, ceremony: Ceremony) -> None:
        """Keep *ceremony* aside under its root's version, from before that is in force; what is there of it stays."""
        ...

    def forget(self, ceremony: Ceremony) -> None:
        """Undo `keep`: its root never was in force."""
        ...

    def end(self, ceremony: Ceremony) -> None:
        """Its root is in force: it is kept aside, and goes on no more."""
        ...

    def drop(self, ceremony: Ceremony, locations: Iterable[str]) -> None:
        """It goes on no more; its key files are gone, but for those at *locations*, which the database knows."""
        ...

    def make_key(self, roles: tuple[Role, ...], now: Instant) -> tuple[NewKey, KeyFileContent]:
        """A new key in a sealed file."""
        ...

    def look_at(self, roles: tuple[Role, ...], location: str) -> NewKey:
        """The key that lies at *location*, proved."""
        ...

    def prove(self, key: SigningKey) -> None:
        """Open *key* where it lies, and see that it signs (SEC-25)."""
        ...


def merged(ceremony: Ceremony, drafts: Iterable[RootDraft]) -> tuple[EnvelopeSignature, ...]:
    """
    The signatures of *drafts* that came back.

    Raises:
        NotGenuineError: ``draft_of_another``: a draft is of another root than the one that goes on.
    """
    found: list[EnvelopeSignature] = []
    for draft in drafts:
        if draft.root != ceremony.draft.root or draft.roots != ceremony.draft.roots:
            raise NotGenuineError(
                "draft_of_another",
                "This draft is of another ceremony than the one that goes on here.",
                "See which one does: carnet key ceremony status",
            )
        found += draft.signatures
    return tuple(found)
