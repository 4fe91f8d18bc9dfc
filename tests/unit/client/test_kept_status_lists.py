"""Status lists on a device: what counts, what is kept, what nobody can take back (R-15, R-83, SEC-23, SEC-26…28)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from carnet.client.shipped import Shelf
from carnet.client.status_lists import judged_with_lists, kept_after, kid_of, path_of, tokens_in, uri_of, versions_of
from carnet.core._base import replace
from carnet.core.decision import Evidence
from carnet.core.errors import MalformedError, NotGenuineError
from carnet.core.instant import DAY, Instant
from carnet.core.model import Grant, StatusRef
from carnet.core.rules import decide
from carnet.formats.bundle import Bundle, write_bundle
from carnet.formats.keys import Ed25519Signer, KeyRing, TrustedKey
from carnet.formats.limits import MAX_BUNDLE
from carnet.formats.status_list import StatusList, issue_status_list, pack_statuses
from support.decisions import HOST, at, evidence, grant

SIGNER = Ed25519Signer(b"status list signer" + bytes(14))
LATER = Ed25519Signer(b"the key after that" + bytes(14))
RING = KeyRing.single("status-list", SIGNER.public_key)
BOTH = KeyRing(TrustedKey(role="status-list", key=signer.public_key) for signer in (SIGNER, LATER))
AFTER = KeyRing.single("status-list", LATER.public_key)
URI = "https://license.example.com/v1/status/0"
OTHER_URI = "https://license.example.com/v1/status/1"
SIZE = 1024
LICENSE, SEAT = 7, 4


def listed(
    number: int = 5,
    *,
    epoch: int = 1,
    day: float = 2,
    ended: Iterable[int] = (),
    suspended: Iterable[int] = (),
    uri: str = URI,
    issuer: str = "issuer-1",
    signer: Ed25519Signer = SIGNER,
    size: int = SIZE,
) -> str:
    """List *number*, issued *day* days after the grant."""
    bits, statuses = pack_statuses(size, ended, suspended)
    return issue_status_list(
        StatusList(
            issuer=issuer,
            uri=uri,
            version=(epoch, number),
            issued_at=at(int(day * DAY)),
            expires_at=at(int(day * DAY) + 7 * DAY),
            ttl_seconds=60,
            bits=bits,
            statuses=statuses,
        ),
        signer,
    )


def held(minimum: tuple[int, int] | None = None, *, seat_uri: str = URI, **changes: Any) -> Grant:
    """A grant whose license and seat have their places in the lists."""
    return grant(
        license_status_ref=StatusRef(uri=URI, index=LICENSE, minimum=minimum),
        activation_status_ref=StatusRef(uri=seat_uri, index=SEAT, minimum=minimum),
        **changes,
    )


def state(*tokens: str, ring: KeyRing = RING, of: Grant | None = None, day: float = 3) -> str:
    known = judged_with_lists(evidence(held() if of is None else of), tokens, ring)
    return decide(known, at(int(day * DAY)), HOST).state


def test_r_15_a_list_stops_what_it_names_and_nothing_else() -> None:
    assert state(listed()) == "active"
    assert state(listed(ended=[LICENSE])) == "revoked"
    assert state(listed(suspended=[LICENSE])) == "suspended"
    assert state(listed(ended=[SEAT])) == "not_activated"
    assert state(listed(ended=set(range(SIZE)) - {LICENSE, SEAT})) == "active"


def test_a_token_of_no_kind_says_nothing() -> None:
    revoked = listed(ended=[LICENSE])
    for broken in ("", ".", "a.b.c", revoked[:-1], revoked[1:], revoked + "A", "é.é.é", revoked.replace(".", "..", 1)):
        assert state(broken) == "active"
        assert state(broken, revoked) == "revoked"


def test_sec_23_a_list_counts_under_the_keys_of_now_only() -> None:
    assert state(listed(ended=[LICENSE]), ring=BOTH) == "revoked"
    assert state(listed(ended=[LICENSE]), ring=AFTER) == "active"
    assert state(listed(ended=[LICENSE]), ring=KeyRing.single("answer", SIGNER.public_key)) == "active"


def test_sec_26_every_flipped_bit_of_a_list_makes_it_say_nothing() -> None:
    revoked = listed(ended=[LICENSE, SEAT]).encode()
    known = evidence(held())
    for place in range(len(revoked)):
        for bit in range(8):
            changed = bytearray(revoked)
            changed[place] ^= 1 << bit
            assert judged_with_lists(known, [changed.decode("latin-1")], RING) == known


def test_sec_26_an_index_outside_the_list_is_no_revocation_and_no_check() -> None:
    small = listed(size=LICENSE + 1)
    assert state(small) == "active"
    beyond = replace(held(max_revocation_age_seconds=DAY), license_status_ref=StatusRef(uri=URI, index=LICENSE + 1))
    assert state(small, of=beyond, day=1) == "needs_refresh"
    assert state(listed(), of=beyond, day=2.5) == "active"


def test_sec_26_the_list_of_another_shard_is_not_asked() -> None:
    assert state(listed(ended=[LICENSE, SEAT], uri=OTHER_URI)) == "active"


def test_a_list_of_another_installation_says_nothing_even_under_the_same_key() -> None:
    assert state(listed(ended=[LICENSE], issuer="issuer-2")) == "active"


def test_sec_26_a_bomb_stays_packed() -> None:
    from carnet.formats.encoding import b64url_encode
    from carnet.formats.jws import sign_jws
    from carnet.formats.status_list import TYP, deflate_statuses

    claims = {
        "iss": "issuer-1",
        "sub": URI,
        "iat": int(at(2 * DAY)),
        "exp": int(at(9 * DAY)),
        "ttl": 60,
        "version": [1, 5],
        "size": 131072,
        "status_list": {"bits": 1, "lst": b64url_encode(deflate_statuses(b"\xff" * (16 * 1024 * 1024)))},
    }
    bomb = sign_jws(claims, typ=TYP, signer=SIGNER)
    assert len(bomb) < 64 * 1024
    assert state(bomb) == "active"


def test_sec_27_of_several_lists_the_greatest_version_counts_in_any_order() -> None:
    old, new = listed(5, ended=[LICENSE]), listed(4, day=3)
    assert state(old, new) == state(new, old) == "revoked"
    assert state(listed(5, suspended=[LICENSE]), listed(6, day=3)) == "active"
    assert state(listed(9, ended=[LICENSE]), listed(1, epoch=2, day=3)) == "active"


def test_the_issue_time_of_a_list_raises_the_time_where_the_present_is_judged() -> None:
    known = evidence(held())
    assert judged_with_lists(known, [listed()], RING).trusted_at is None
    assert judged_with_lists(known, [listed()], RING, issue_times_count=True).trusted_at == at(2 * DAY)
    later = replace(known, trusted_at=at(3 * DAY))
    assert judged_with_lists(later, [listed()], RING, issue_times_count=True).trusted_at == at(3 * DAY)
    stranger = listed(signer=LATER, day=400)
    assert judged_with_lists(known, [stranger], RING, issue_times_count=True).trusted_at is None


def kept(before: tuple[str, ...], *offered: str, ring: KeyRing = RING, of: Grant | None = None) -> tuple[str, ...]:
    return kept_after(before, offered, ring, [held() if of is None else of])


def test_sec_27_what_is_kept_never_goes_back() -> None:
    old, new = listed(4), listed(5)
    assert kept((), new) == (new,)
    assert kept((new,), old) == (new,)
    assert kept((old,), new) == (new,)
    assert kept((new,), listed(9, epoch=0, day=5)) == (new,)
    assert kept((new,), new) == (new,)


def test_sec_27_what_the_artifact_asks_for_is_the_least_that_is_kept() -> None:
    bound = held((1, 5))
    assert kept((), listed(4), of=bound) == ()
    assert kept((), listed(5), of=bound) != ()
    assert kept((), listed(9, epoch=0), of=bound) == ()


def test_the_two_shards_of_a_license_and_its_seat_are_kept_side_by_side() -> None:
    apart = held(seat_uri=OTHER_URI)
    first, second = listed(5), listed(3, uri=OTHER_URI)
    assert set(kept((first,), second, of=apart)) == {first, second}
    newer = listed(4, uri=OTHER_URI)
    assert set(kept((first, second), newer, listed(4), of=apart)) == {first, newer}


def test_what_is_kept_is_bounded_in_number() -> None:
    uris = [f"https://license.example.com/v1/status/{number}" for number in range(6)]
    grants = [grant(license_status_ref=StatusRef(uri=uri, index=1)) for uri in uris]
    tokens = [listed(uri=uri) for uri in uris]
    assert kept_after((), tokens, RING, grants) == tuple(tokens[:4])


def test_a_forgery_beside_a_genuine_list_takes_nothing_of_it() -> None:
    forged = listed(9, signer=LATER)
    assert kept((), listed(), forged) == kept((), forged, listed()) == (listed(),)
    assert kept((forged, listed()), listed(6)) == (listed(6),)


def test_a_list_that_nothing_here_names_is_not_kept() -> None:
    assert kept((), listed(uri=OTHER_URI)) == ()
    assert kept((listed(uri=OTHER_URI),), listed()) == (listed(),)
    assert kept_after((listed(),), [listed(6)], RING, [grant()]) == (listed(),)


def test_a_list_that_is_too_large_is_not_kept_and_is_judged_all_the_same() -> None:
    size = 131072 * 8
    ended = [LICENSE, *(place for place in range(SIZE, size) if hash((place, 7)) % 3 == 0)]
    large = listed(ended=ended, size=size)
    assert len(large) > 64 * 1024
    assert kept((), large) == ()
    assert state(large) == "revoked"


def test_sec_27_fast_forward_is_undone_where_the_root_drops_the_key() -> None:
    """Who had the key of the lists made a version that no list of the vendor's would ever reach."""
    forward = listed(2**53 - 1, epoch=2**53 - 1, day=2)
    genuine = listed(6, ended=[LICENSE], signer=LATER, day=3)
    assert kept((forward,), genuine, ring=BOTH) == (forward,)
    assert state(forward, genuine, ring=BOTH) == "active"
    assert kept((forward,), genuine, ring=AFTER) == (genuine,)
    assert state(forward, genuine, ring=AFTER, day=4) == "revoked"


def test_sec_27_an_ordinary_change_of_keys_takes_nothing_back() -> None:
    new = listed(5)
    assert kept((new,), listed(4, signer=LATER, day=4), ring=BOTH) == (new,)
    following = listed(6, signer=LATER, day=4)
    assert kept((new,), following, ring=BOTH) == (following,)


def test_sec_22_a_key_that_the_root_may_not_vouch_for_any_more_brings_no_list() -> None:
    def refuse(kid: str) -> None:
        assert kid == SIGNER.kid
        raise NotGenuineError("root_expired", "It ended.")

    assert kept_after((), [listed()], RING, [held()], check_key=refuse) == ()
    assert kept_after((), [listed()], RING, [held()], check_key=lambda _: None) == (listed(),)
    assert kept_after((listed(),), [], RING, [held()], check_key=refuse) == (listed(),)


def test_versions_are_those_of_the_newest_genuine_lists() -> None:
    tokens = [listed(4), listed(5), listed(9, uri=OTHER_URI), listed(99, signer=LATER), "x"]
    assert versions_of(tokens, RING) == {URI: (1, 5), OTHER_URI: (1, 9)}


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        (URI, "/v1/status/0"),
        ("https://elsewhere.example.org/base/v1/status/76", "/v1/status/76"),
        ("http://169.254.169.254/v1/status/1", "/v1/status/1"),
        ("https://license.example.com/v1/status/", None),
        ("https://license.example.com/v1/status/-1", None),
        ("https://license.example.com/v1/status/1?x=2", None),
        ("https://license.example.com/v1/status/1/../../admin", None),
        ("https://license.example.com/v1/admin/1", None),
        ("https://license.example.com/v1/status/²", None),
        ("https://license.example.com/v1/status/1790000100", "/v1/status/1790000100"),  # after a restored backup
        ("https://license.example.com/v1/status/123456789012345", "/v1/status/123456789012345"),
        ("https://license.example.com/v1/status/1234567890123456", None),
        ("v1/status/0", None),
        ("0", None),
        ("", None),
    ],
)
def test_what_an_artifact_names_is_a_number_and_never_a_host(uri: str, path: str | None) -> None:
    assert path_of(uri) == path


def test_the_address_of_a_list_is_told_without_unpacking_it() -> None:
    assert uri_of(listed()) == URI
    assert [uri_of(text) for text in ("", "a", "a.b", "a.!.c", "a.AAAA.c")] == [None] * 5
    odd = listed(issuer='issuer","sub":"x')
    assert uri_of(odd) == URI


def test_the_key_of_what_is_no_list_is_an_error_of_ours() -> None:
    assert kid_of(listed()) == SIGNER.kid
    for text in ("", "a.b.c", "e30.e30.e30"):
        with pytest.raises(MalformedError):
            kid_of(text)


def test_a_file_holds_lists_in_lines_or_in_a_bundle() -> None:
    one, two = listed(), listed(uri=OTHER_URI)
    assert tokens_in(f"{one}\r\n\n  {two}\n".encode()) == ((one, two), ())
    bundle = write_bundle(Bundle(status_lists=(one,), roots=("{}",))).encode()
    assert tokens_in(bundle) == ((one,), ("{}",))
    assert tokens_in(b"") == tokens_in(b"\xff\x00 nothing") == ((), ())
    with pytest.raises(MalformedError):
        tokens_in(bundle[:-20])


def test_a_shelf_reads_a_file_once_until_it_changes(tmp_path: Path) -> None:
    shelf, path = Shelf(), tmp_path / "lists.jwt"
    assert [shelf.read(str(path))[1] for _ in range(2)] == [True, False]
    path.write_text(listed())
    assert shelf.read(str(path))[1]
    shipped, is_new = shelf.read(str(path))
    assert (shipped.of([URI]), shipped.of([OTHER_URI]), shipped.problem, is_new) == ((listed(),), (), None, False)
    path.write_text(listed(6))
    assert shelf.read(str(path))[0].of([URI]) == (listed(6),)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (b"", "no_status_lists"),
        (b"<!doctype html>", "no_status_lists"),
        (b"-----BEGIN CARNET BUNDLE-----\nAAAA\n-----END CARNET BUNDLE-----", "bad_json"),
        (b"a" * (MAX_BUNDLE + 1), "too_large"),
        ("/nonexistent/lists", "status_lists_unreadable"),
        ("/", "status_lists_unreadable"),
        ("a\0b", "status_lists_unreadable"),
    ],
)
def test_rel_16_a_file_that_is_no_list_is_noted_and_decides_nothing(given: bytes | str, problem: str) -> None:
    shipped, _ = Shelf().read(given)
    assert (shipped.by_uri, shipped.roots, shipped.problem) == ((), (), problem)


def test_a_pipe_in_the_place_of_the_file_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "lists"
    os.mkfifo(path)
    assert Shelf().read(str(path))[0].problem == "no_status_lists"
    writer = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    assert Shelf().read(str(path))[0].problem == "no_status_lists"
    os.close(writer)


def test_evidence_without_grants_asks_no_list() -> None:
    known = Evidence(device="ab" * 32)
    assert judged_with_lists(known, [listed(ended=[LICENSE])], RING, issue_times_count=True) == known


def test_time_is_not_judged_by_the_lists_own_end() -> None:
    assert state(listed(ended=[LICENSE]), day=29) == "revoked"
    assert Instant(at(2 * DAY)) < at(29 * DAY)
