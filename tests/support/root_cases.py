"""
Root updates that a client must take, and those that it must not: modelled on the TUF conformance suite (SEC-21).

Each case is a vendor's embedded root, what is offered after it, and at which version the client must then be. What the
server signs is signed with the keys of the second root on, so that an answer is taken if, and only if, the client got
to a root that names them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Literal

from carnet.core._base import Struct
from carnet.core.instant import DAY
from carnet.formats.encoding import b64_encode
from carnet.formats.keys import Ed25519Signer
from carnet.formats.strict_json import dump_json
from support.issuing import NOW
from support.root_worlds import (
    ANNA,
    BERT,
    CARA,
    DORA,
    EVE,
    MALLORY,
    NEW,
    NEWER,
    OLD,
    STOLEN,
    enveloped,
    key_entry,
    listed,
    payload_of,
    root_file,
    signer,
)

Outcome = Literal["taken", "answer_not_authentic", "root_expired"]


class Case(Struct):
    """
    One update.

    Attributes:
        name: What happens.
        offered: Root files that the server hands out, in this order.
        version: Where the client must be afterwards.
        embedded: What the app embeds.
        forks: What the log must say of other roots of known versions.
        outcome: Of an answer that is signed with `NEW`.
        keeps: Whether what was stored before grants on; it was signed with `OLD`.
        in_order: Whether the nth file that is new would also be served as version n.
    """

    name: str
    offered: tuple[str, ...]
    version: int
    embedded: str
    forks: tuple[str, ...] = ()
    outcome: Outcome = "taken"
    keeps: bool = False
    in_order: bool = True


CONTACT = NOW + 5
"""When the update is offered."""

ONE = root_file(1)
TWO = root_file(2)
THREE = root_file(3)
TRIO = (ANNA, BERT, CARA)
ONE_OF_TRIO = root_file(1, holders=TRIO, threshold=2)
_VOUCHED, _FOREIGN = "signed_by_root_keys", "signed_by_others"
_MEMBERS = payload_of(TWO)
_TRIO_MEMBERS = payload_of(root_file(2, holders=TRIO, threshold=2))


def _signed(payload: object, *by: Ed25519Signer) -> str:
    data = payload if isinstance(payload, bytes) else dump_json(payload)
    return enveloped(data, [(each.kid, each) for each in by or (ANNA,)])


def _changed(text: str, change: Callable[[dict[str, object]], object]) -> str:
    envelope = json.loads(text)
    change(envelope)
    return dump_json(envelope).decode()


def _spoilt(text: str, at: int = 0) -> str:
    """With one bit changed in one signature."""

    def spoil(envelope: dict[str, object]) -> None:
        signatures = envelope["signatures"]
        assert isinstance(signatures, list)
        sig = signatures[at]["sig"]
        signatures[at]["sig"] = ("B" if sig[0] == "A" else "A") + sig[1:]

    return _changed(text, spoil)


def _case(name: str, *offered: str, to: int, **more: object) -> Case:
    outcome = "taken" if to > 1 else "answer_not_authentic"
    given: dict[str, object] = {"embedded": ONE, "outcome": outcome, "keeps": to == 1, **more}
    return Case(name=name, offered=offered, version=to, **given)  # type: ignore[arg-type]


def _order() -> Iterator[Case]:
    yield _case("the next version", TWO, to=2)
    yield _case("two in a row", TWO, THREE, to=3)
    yield _case("twenty in a row", *(root_file(number) for number in range(2, 22)), to=21)
    yield _case("the embedded one once more, and then the next", ONE, TWO, to=2)
    yield _case("each one twice", TWO, TWO, THREE, THREE, to=3)
    yield _case("nothing but the embedded one: a freeze", ONE, to=1)
    yield _case("a version is skipped", THREE, to=1)
    yield _case("a gap after the next", TWO, root_file(4), to=2)
    yield _case("the newest first", THREE, TWO, to=2, in_order=False)
    yield _case("garbage first", "garbage", TWO, to=2, in_order=False)
    yield _case("garbage in between ends it", TWO, "garbage", THREE, to=2)
    yield _case("a stranger's root before the genuine one", root_file(2, holders=(MALLORY,)), TWO, to=2, in_order=False)
    yield _case("the largest version there is", root_file(2**53 - 1), to=1)
    yield _case("version 0", root_file(0), to=1)
    yield _case("a version as text", root_file(2, change={"version": "2"}), to=1)
    yield _case(
        "a version with a fraction", _signed(dump_json(_MEMBERS).replace(b'"version":2', b'"version":2.0')), to=1
    )


def _forks() -> Iterator[Case]:
    other = root_file(1, online=STOLEN)
    yield _case("another version 1, by its own keys", other, TWO, to=2, forks=(_VOUCHED,))
    mine = root_file(1, holders=(MALLORY,), online=STOLEN)
    yield _case("another version 1, by strangers", mine, TWO, to=2, forks=(_FOREIGN,))
    rival = root_file(2, online=STOLEN)
    yield _case("two versions 2, both signed by the root keys", TWO, rival, to=2, forks=(_VOUCHED,))
    yield _case("two versions 2, then the third", TWO, rival, THREE, to=3, forks=(_VOUCHED,))
    yield _case("a rollback to another version 2", TWO, THREE, rival, to=3, forks=(_VOUCHED,))
    foreign = root_file(2, holders=(MALLORY,))
    yield _case("a rollback to a stranger's version 2", TWO, THREE, foreign, to=3, forks=(_FOREIGN,))
    yield _case("a rollback to the very same version 2", TWO, THREE, TWO, to=3)
    yield _case("the same version 2 with blanks around it", TWO, f"  {TWO}\r\n", THREE, to=3, in_order=False)
    yield _case("a spoilt version 1, which vouches for nothing", _spoilt(ONE), TWO, to=2, in_order=False)


def _signatures() -> Iterator[Case]:
    yield _case("not signed", _changed(TWO, lambda envelope: envelope.update(signatures=[])), to=1)
    yield _case("signed by strangers", _signed(_MEMBERS, MALLORY, EVE), to=1)
    yield _case("signed by a signing key", _signed(_MEMBERS, OLD["token"]), to=1)
    yield _case("a spoilt signature", _spoilt(TWO), to=1)
    yield _case(
        "another root's signature", _changed(TWO, lambda e: e.update(signatures=json.loads(THREE)["signatures"])), to=1
    )
    yield _case("a stranger's signature beside the genuine one", _signed(_MEMBERS, ANNA, MALLORY), to=2)
    by_three = root_file(2, holders=TRIO, threshold=2)
    yield _case("one spoilt signature of three, where two are needed", _spoilt(by_three), to=2, embedded=ONE_OF_TRIO)
    by_two = root_file(2, holders=TRIO, threshold=2, by=(ANNA, BERT))
    yield _case("one spoilt signature of two, where two are needed", _spoilt(by_two), to=1, embedded=ONE_OF_TRIO)
    kids = [ANNA.kid, BERT.kid]
    twice = enveloped(dump_json(_TRIO_MEMBERS), [(kid, ANNA) for kid in kids])
    yield _case("one key signs under two ids", twice, to=1, embedded=ONE_OF_TRIO)
    same = enveloped(dump_json(_TRIO_MEMBERS), [(ANNA.kid, ANNA), (ANNA.kid, ANNA)])
    yield _case("one signature stands there twice", same, to=1, embedded=ONE_OF_TRIO)
    turned = _changed(by_two, lambda envelope: envelope.update(signatures=json.loads(by_two)["signatures"][::-1]))
    yield _case("signatures in another order", turned, to=1, embedded=ONE_OF_TRIO)
    crowd = [signer(number) for number in range(100, 131)]
    yield _case("32 signatures", _signed(_MEMBERS, ANNA, *crowd), to=2)
    yield _case("33 signatures", _signed(_MEMBERS, ANNA, *crowd, signer(131)), to=1)
    yield _case(
        "a signature of 63 bytes",
        _changed(TWO, lambda e: e.update(signatures=[{"keyid": ANNA.kid, "sig": b64_encode(bytes(63))}])),
        to=1,
    )


def _thresholds() -> Iterator[Case]:
    two_of_three = root_file(2, holders=TRIO, threshold=2, by=(BERT, CARA))
    yield _case("two of three", two_of_three, to=2, embedded=ONE_OF_TRIO)
    yield _case(
        "one of three, where two are needed",
        root_file(2, holders=TRIO, threshold=2, by=(BERT,)),
        to=1,
        embedded=ONE_OF_TRIO,
    )
    yield _case("the threshold rises from one to two", root_file(2, holders=TRIO, threshold=2, by=(ANNA, CARA)), to=2)
    yield _case("it rises, and only the old one signed", root_file(2, holders=TRIO, threshold=2, by=(ANNA,)), to=1)
    yield _case("it rises, and only new ones signed", root_file(2, holders=TRIO, threshold=2, by=(BERT, CARA)), to=1)
    yield _case("it falls from two to one, by two", root_file(2, by=(ANNA, BERT)), to=2, embedded=ONE_OF_TRIO)
    yield _case("it falls from two to one, by one", root_file(2, by=(ANNA,)), to=1, embedded=ONE_OF_TRIO)
    after = (two_of_three, root_file(3, holders=TRIO, threshold=2, by=(ANNA,)))
    yield _case("the one after is by one again", *after, to=2, embedded=ONE_OF_TRIO)
    yield _case("a threshold of nothing", root_file(2, change={"threshold": 0}), to=1)
    yield _case("a negative threshold", root_file(2, change={"threshold": -1}), to=1)
    yield _case("a threshold that is true", root_file(2, change={"threshold": True}), to=1)
    yield _case("a threshold that nobody can reach", root_file(2, change={"threshold": 2}), to=1)
    doubled = listed(*_TRIO_MEMBERS["keys"], key_entry(ANNA, "root"))
    yield _case(
        "a root key is listed twice",
        _signed({**_TRIO_MEMBERS, "keys": doubled}, ANNA, BERT),
        to=1,
        embedded=ONE_OF_TRIO,
    )


def _root_keys() -> Iterator[Case]:
    yield _case("all root keys change, signed by both", root_file(2, holders=(BERT,), by=(ANNA, BERT)), to=2)
    yield _case("all root keys change, signed by the old", root_file(2, holders=(BERT,), by=(ANNA,)), to=1)
    yield _case("all root keys change, signed by the new", root_file(2, holders=(BERT,)), to=1)
    swapped = root_file(2, holders=(ANNA, BERT, DORA), threshold=2, by=(ANNA, BERT))
    yield _case("one of three changes", swapped, to=2, embedded=ONE_OF_TRIO)
    leaver = root_file(3, holders=(ANNA, BERT, DORA), threshold=2, by=(ANNA, CARA))
    yield _case("one who left signs on", swapped, leaver, to=2, embedded=ONE_OF_TRIO)
    first, second = root_file(2, holders=(BERT,), by=(ANNA, BERT)), root_file(3, holders=(CARA,), by=(BERT, CARA))
    yield _case("they change twice", first, second, to=3)
    yield _case("they change and change back", first, root_file(3, holders=(ANNA,), by=(ANNA, BERT)), to=3)
    yield _case("the key of before makes the third", first, root_file(3, holders=(ANNA,), by=(ANNA,)), to=2)
    yield _case("the third skips over the change", second, to=1)
    no_root = [each for each in _MEMBERS["keys"] if each["roles"] != ["root"]]
    yield _case("no root key any more", _signed({**_MEMBERS, "keys": no_root}), to=1)
    yield _case(
        "arbitrary software: a stranger's whole chain",
        root_file(1, holders=(EVE,)),
        root_file(2, holders=(EVE,)),
        to=1,
        forks=(_FOREIGN,),
    )
    yield _case("mix and match: another installation's, by the same keys", root_file(2, issuer="installation-2"), to=1)


def _signing_keys() -> Iterator[Case]:
    yield _case("all signing keys change twice", root_file(2, online=NEWER), THREE, to=3)
    yield _case(
        "the signing keys stay the old ones", root_file(2, online=OLD), to=2, outcome="answer_not_authentic", keeps=True
    )
    no_answer = root_file(2, online={"token": NEW["token"], "machine-file": NEW["machine-file"]})
    yield _case("nobody may sign answers any more", no_answer, to=2, outcome="answer_not_authentic")
    mixed = root_file(2, online={"token": NEW["answer"], "machine-file": NEW["token"], "answer": NEW["machine-file"]})
    yield _case("the same keys in other roles", mixed, to=2, outcome="answer_not_authentic")
    yield _case(
        "fast-forward: dropped keys do not come back by an older root",
        TWO,
        root_file(3, online=NEWER),
        TWO,
        to=3,
        outcome="answer_not_authentic",
    )
    yield _case("fast-forward recovery: the next root names the keys again", root_file(2, online=STOLEN), THREE, to=3)


def _times() -> Iterator[Case]:
    past = {"issued_at": NOW - 900 * DAY, "expires_at": NOW - 1}
    yield _case("one on the way has ended", root_file(2, **past), THREE, to=3)  # type: ignore[arg-type]
    yield _case("the newest has ended", root_file(2, **past), to=2, outcome="root_expired")  # type: ignore[arg-type]
    yield _case("the newest ends in this second", root_file(2, expires_at=CONTACT), to=2, outcome="root_expired")
    yield _case("the newest ends in the next second", root_file(2, expires_at=CONTACT + 1), to=2)
    yield _case("one that was made in the future", root_file(2, issued_at=NOW + 9 * DAY), to=2)
    yield _case("it ends before it begins", root_file(2, change={"exp": NOW - DAY}), to=1)
    yield _case("it would live eleven years", root_file(2, change={"exp": NOW + 4015 * DAY}), to=1)
    yield _case("it never ends", root_file(2, change={"exp": ...}), to=1)


def _forms() -> Iterator[Case]:
    keys = _MEMBERS["keys"]
    yield _case("members of a later version", root_file(2, change={"later": {"x": [1]}}), to=2)
    yield _case(
        "a key with members of a later version",
        _signed({**_MEMBERS, "keys": [{**each, "later": 1} for each in keys]}),
        to=2,
    )
    roles = listed(*keys, key_entry(signer(60), "a-later-role"))
    yield _case("a role of a later version", _signed({**_MEMBERS, "keys": roles}), to=2)
    yield _case(
        "a key of a later algorithm",
        _signed({**_MEMBERS, "keys": [*keys, {"alg": "ML-DSA-65", "x": "AAAA", "roles": ["root"]}]}),
        to=2,
    )
    yield _case("a member of the envelope that is not ours", root_file(2, envelope={"later": 1}), to=1)
    yield _case("another type", root_file(2, envelope={"payloadType": "application/vnd.tuf+json"}), to=1)
    yield _case(
        "a payload that was changed",
        root_file(2, envelope={"payload": b64_encode(dump_json({**_MEMBERS, "exp": NOW + DAY}))}),
        to=1,
    )
    yield _case("a payload with blanks", _signed(json.dumps(_MEMBERS).encode()), to=1)
    yield _case("an envelope with blanks", json.dumps(json.loads(TWO)), to=1)
    yield _case(
        "a member twice", _signed(dump_json(_MEMBERS).replace(b'"version":2', b'"version":2,"version":2')), to=1
    )
    yield _case("keys in another order", _signed({**_MEMBERS, "keys": keys[::-1]}), to=1)
    many = [key_entry(signer(number), "checkpoint") for number in range(100, 100 + 65 - len(keys))]
    yield _case("64 keys", _signed({**_MEMBERS, "keys": listed(*keys, *many[1:])}), to=2)
    yield _case("65 keys", _signed({**_MEMBERS, "keys": listed(*keys, *many)}), to=1)
    yield _case("a weak key", _signed({**_MEMBERS, "keys": [{**keys[0], "x": "A" * 43}, *keys[1:]]}), to=1)
    yield _case("an array", "[]", to=1)
    yield _case("nothing at all", "", to=1)
    yield _case("JSON that is nested 10,000 deep", "[" * 10_000, to=1)
    largest = root_file(2, change={"later": ["x" * 16_000] * 23})
    yield _case("nearly as large as may be", largest, to=2)
    yield _case("larger than may be", root_file(2, change={"later": ["x" * 16_000] * 24}), to=1)
    yield _case("a page from a proxy", "<!DOCTYPE html><title>Log in</title>", to=1)


CASES: tuple[Case, ...] = tuple(
    case
    for group in (_order, _forks, _signatures, _thresholds, _root_keys, _signing_keys, _times, _forms)
    for case in group()
)
