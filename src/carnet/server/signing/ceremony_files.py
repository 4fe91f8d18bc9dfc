"""
Where a ceremony lies: `ceremony/pending.json` in the data directory, one file that is replaced whole (R-18).

It holds the sealed private halves of the keys that the ceremony makes, so that a key and the root that names it are
never apart. They come into `keys/` when the root is signed, and before the database knows of them. So does a copy,
`ceremony/root-<n>.json`, which stays: what a database that was put back has lost is finished again. While both files
are there and the database does not know the root, nobody can tell whether it was in force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from carnet.core._base import replace
from carnet.core.errors import CarnetError, StateError, UsageError
from carnet.core.instant import Instant
from carnet.formats.dsse import EnvelopeSignature
from carnet.formats.encoding import b64_decode, b64_encode, b64url_decode, b64url_encode
from carnet.formats.keys import ROLES, PublicKey, Role, load_ed25519
from carnet.formats.root import root_of_payload, root_payload
from carnet.formats.root_draft import MAX_DRAFT, draft_of, with_signatures
from carnet.formats.strict_json import dump_json, parse_object
from carnet.server.domain.trust.desk import Ceremony, KeyFileContent
from carnet.server.domain.trust.plan import Intent, NewKey, RootKeys
from carnet.server.files import Files
from carnet.server.ports import Random
from carnet.server.records import SigningKey
from carnet.server.signing.file_store import make_key_file, read_file
from carnet.server.signing.opening import KeyPlaces, check_long_enough, file_location, open_signer

PENDING: Final = "pending.json"
_FORMAT: Final = "carnet-ceremony/1"


class CeremonyFiles:
    """
    `domain.trust.desk.Desk` over files.

    Args:
        folder: The `ceremony` directory; made when it is needed.
        places: Where keys are opened.
        roots: Every root file now in force.
        random: The randomness of new keys.
        files: Who writes.
    """

    def __init__(
        self,
        folder: Path,
        places: KeyPlaces,
        roots: Callable[[], tuple[str, ...]],
        random: Random,
        files: Files | None = None,
    ) -> None:
        self._folder = folder
        self._places = places
        self._roots = roots
        self._random = random
        self._files = files or Files()

    def read(self) -> Ceremony | None:
        """See `Desk`."""
        lost = self._load(self._kept(len(self._roots()) + 1))
        pending = self._load(self._folder / PENDING)
        if lost is None:
            return pending
        if pending is not None and pending.draft.root == lost.draft.root:
            return replace(pending, may_be_in_force=True)
        return replace(lost, was_in_force=True)

    def _load(self, path: Path) -> Ceremony | None:
        if not path.exists():
            return None
        try:
            return self._read(read_file(path, max_bytes=MAX_DRAFT))
        except (KeyError, TypeError, ValueError, CarnetError) as error:
            if path.name == PENDING:
                raise StateError(
                    "bad_ceremony_file",
                    f"{path} is damaged.",
                    "Remove it and begin the ceremony again: nothing of it is in force.",
                ) from error
            raise StateError(
                "bad_ceremony_file",
                f"{path} is damaged.",
                "Put it back from a copy of the data directory: clients may know the root that is in it.",
            ) from error

    def write(self, ceremony: Ceremony) -> None:
        """See `Desk`."""
        self._write(self._folder / PENDING, ceremony)

    def _write(self, path: Path, ceremony: Ceremony) -> None:
        content = {
            "format": _FORMAT,
            "issued_at": int(ceremony.issued_at),
            "intent": _intent_to_json(ceremony.intent),
            "key_files": [{"name": file.name, "content": b64_encode(file.content)} for file in ceremony.files],
            "payload": b64_encode(root_payload(ceremony.draft.root)),
            "signatures": [{"keyid": s.kid, "sig": b64_encode(s.signature)} for s in ceremony.draft.signatures],
        }
        self._files.make_folder(self._folder)
        self._files.write(path, dump_json(content) + b"\n")

    def put_keys(self, ceremony: Ceremony) -> None:
        """See `Desk`."""
        for file in ceremony.files:
            path = self._places.folder / file.name
            if not path.exists():
                self._files.write(path, file.content)

    def keep(self, ceremony: Ceremony) -> None:
        """See `Desk`."""
        if not self._is_of(self._kept(ceremony.version), ceremony):
            self._write(self._kept(ceremony.version), ceremony)

    def forget(self, ceremony: Ceremony) -> None:
        """See `Desk`."""
        self._files.remove(self._kept(ceremony.version))

    def end(self, ceremony: Ceremony) -> None:
        """See `Desk`."""
        self.keep(ceremony)
        if self._is_of(self._folder / PENDING, ceremony):
            self._files.remove(self._folder / PENDING)

    def drop(self, ceremony: Ceremony, locations: Iterable[str]) -> None:
        """See `Desk`."""
        known = set(locations)
        for file in ceremony.files:
            if f"file:{file.name}" not in known:
                self._files.remove(self._places.folder / file.name)
        self._files.remove(self._folder / PENDING)  # last: it says which key files there may be

    def _is_of(self, path: Path, ceremony: Ceremony) -> bool:
        try:
            found = self._load(path)
        except StateError:
            return False
        return found is not None and found.draft.root == ceremony.draft.root

    def make_key(self, roles: tuple[Role, ...], now: Instant) -> tuple[NewKey, KeyFileContent]:
        """See `Desk`."""
        name, content, signer = make_key_file(roles, kek=self._places.kek, created_at=now, random=self._random)
        made = NewKey(roles=roles, public_key=signer.public_key, location=file_location(signer.kid))
        return made, KeyFileContent(name=name, content=content)

    def look_at(self, roles: tuple[Role, ...], location: str) -> NewKey:
        """See `Desk`."""
        signer = open_signer(location, self._places)
        check_long_enough(signer, roles)
        public = signer.public_key
        if public.alg != "Ed25519":
            raise UsageError(
                "bad_root",
                f"At {location} lies an {public.alg} key, and a root names Ed25519 keys only.",
                "Make an Ed25519 key there; compatibility keys are another matter: carnet key create --help",
            )
        # Whatever a service calls it: in a root, a key's id is its thumbprint (specs/root.md §3).
        return NewKey(roles=roles, public_key=load_ed25519(public.raw), location=location)

    def prove(self, key: SigningKey) -> None:
        """See `Desk`."""
        open_signer(key.location, self._places, public_key=load_ed25519(key.public_key))

    def _kept(self, version: int) -> Path:
        return self._folder / f"root-{version}.json"

    def _read(self, data: bytes) -> Ceremony:
        content = parse_object(data.strip(), max_bytes=MAX_DRAFT, what="The ceremony", max_string=MAX_DRAFT)
        if content.get("format") != _FORMAT:
            raise ValueError(_FORMAT)
        root = root_of_payload(b64_decode(content["payload"], "The next root"))
        roots = self._roots()[: root.version - 1]
        signatures = [
            EnvelopeSignature(kid=each["keyid"], signature=b64_decode(each["sig"], "A signature"))
            for each in content["signatures"]
        ]
        return Ceremony(
            intent=_intent_from_json(content["intent"]),
            issued_at=Instant(content["issued_at"]),
            files=tuple(
                KeyFileContent(name=Path(file["name"]).name, content=b64_decode(file["content"], "A key file"))
                for file in content["key_files"]
            ),
            draft=with_signatures(draft_of(roots, root), signatures),
        )


def _intent_to_json(intent: Intent) -> dict[str, Any]:
    top = intent.root_keys
    return {
        "announce": [_key_to_json(made) for made in intent.announce],
        "retire": list(intent.retire),
        "compromise": list(intent.compromise),
        "replace": [_key_to_json(made) for made in intent.replace],
        "root_keys": None
        if top is None
        else {"keys": [b64url_encode(key.raw) for key in top.keys], "threshold": top.threshold},
    }


def _intent_from_json(plain: dict[str, Any]) -> Intent:
    top = plain["root_keys"]
    return Intent(
        announce=tuple(map(_key_from_json, plain["announce"])),
        retire=tuple(map(str, plain["retire"])),
        compromise=tuple(map(str, plain["compromise"])),
        replace=tuple(map(_key_from_json, plain["replace"])),
        root_keys=None
        if top is None
        else RootKeys(keys=tuple(map(_public_key, top["keys"])), threshold=int(top["threshold"])),
    )


def _key_to_json(made: NewKey) -> dict[str, Any]:
    return {"roles": list(made.roles), "x": b64url_encode(made.public_key.raw), "location": made.location}


def _key_from_json(plain: dict[str, Any]) -> NewKey:
    return NewKey(
        roles=tuple(role for role in ROLES if role in plain["roles"]),
        public_key=_public_key(plain["x"]),
        location=str(plain["location"]),
    )


def _public_key(x: str) -> PublicKey:
    return load_ed25519(b64url_decode(x, "A public key"))
