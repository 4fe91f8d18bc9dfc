"""SEC-21: a device that was away for many roots catches up, is cut anywhere on the way, and goes on where it was."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet import Carnet
from carnet.client.roots import MAX_STORED_BYTES, MAX_STORED_ROOTS, Chain, Trust, embedded, follow, stored_after
from carnet.client.wire import HttpAnswer, HttpRequest
from carnet.core.errors import TransportError
from carnet.formats.root import read_root
from carnet.testing import MemoryTransport
from support.issuing import LICENSE_KEY, NOW
from support.root_worlds import ANNA, NEW, chain_to, root_file
from support.sdk import Desk

LONG = 600


def problem_of(app: Carnet) -> str | None:
    """Why the last contact brought nothing."""
    return None if app.last_problem is None else app.last_problem.code


class Away:
    """A device that was activated under the first root, and a vendor who made others since."""

    def __init__(self, state: Path, newest: int, *, batch: int | None = 64) -> None:
        self.desk = Desk(state)
        self.files = chain_to(newest)
        self.desk.vendor.published = self.files[:1]
        assert self.app().activate(LICENSE_KEY).access == "full"
        self.desk.pass_time(10)
        self.desk.vendor.published, self.desk.vendor.signers = self.files, NEW
        self.batch = batch
        self.desk.transport = MemoryTransport(self.answer)

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """As a server does that puts so many roots at most into an answer."""
        if request.method == "POST":
            known = json.loads(request.body)["root_version"]
            self.desk.vendor.roots = self.files[known:][: self.batch]
        return self.desk.vendor.answer(request)

    def app(self, **settings: Any) -> Carnet:
        return self.desk.app(root=self.files[0], timeout_seconds=60, **settings)

    def version(self) -> int:
        """Where the device is, by its disk."""
        return self.app().info().root_version

    def asked(self) -> list[str]:
        return [request.path for request in self.desk.transport.requests]


def test_sec_21_a_device_that_missed_256_roots_catches_up_in_one_contact(tmp_path: Path) -> None:
    away = Away(tmp_path, 258)
    app = away.app()
    app.refresh()
    assert problem_of(app) == "catching_up", "257 are one too many"
    assert away.version() == 257
    assert away.asked() == ["/v1/refresh"] * 4
    app.refresh()
    assert problem_of(app) is None
    assert app.check().access == "full"
    assert away.version() == 258
    exact = Away(tmp_path / "exact", 257)
    assert exact.app().refresh().access == "full"
    assert exact.asked() == ["/v1/refresh"] * 4


def test_sec_21_batches_are_asked_for_at_once(tmp_path: Path) -> None:
    away = Away(tmp_path, 200)
    app = away.app()
    assert app.refresh().access == "full"
    assert app.last_problem is None
    assert away.asked() == ["/v1/refresh"] * 4
    assert away.version() == 200
    assert [json.loads(each.body)["root_version"] for each in away.desk.transport.requests] == [1, 65, 129, 193]


def test_a_server_that_sends_all_of_them_at_once_is_asked_once_more_at_most(tmp_path: Path) -> None:
    away = Away(tmp_path, 200, batch=None)
    assert away.app().refresh().access == "full"
    assert away.asked() == ["/v1/refresh"] * 2
    assert away.version() == 200


def test_sec_21_a_refusal_carries_no_roots_and_counts_all_the_same(tmp_path: Path) -> None:
    away = Away(tmp_path, 40, batch=0)
    away.desk.vendor.status = "license_revoked"
    decision = away.app().refresh()
    assert {reason.code for reason in decision.reasons} == {"license_revoked", "unknown_key"}
    assert away.app().last_problem is None
    assert away.asked() == ["/v1/refresh", *(f"/v1/root/{number}" for number in range(2, 42))]
    assert away.version() == 40


@pytest.mark.parametrize(("requests", "batch"), [(10, 0), (40, 0), (100, 0), (1, 64), (2, 64), (30, 64)])
def test_sec_21_a_contact_that_is_cut_goes_on_where_it_was(tmp_path: Path, requests: int, batch: int) -> None:
    away = Away(tmp_path, 90, batch=batch)
    rest = requests

    def cut(request: HttpRequest) -> HttpAnswer:
        nonlocal rest
        if rest == 0:
            raise TransportError("server_unreachable", "The cable is cut.")
        rest -= 1
        return away.answer(request)

    got = [1]
    app = away.app()
    while got[-1] < 90 and len(got) < 100:
        app = away.app(transport=MemoryTransport(cut))
        rest = requests
        app.refresh()
        got.append(away.version())
    assert app.last_problem is None
    assert got == sorted(set(got)), "each contact got further"
    assert len(got) - 1 <= (2 if batch else 1 + 90 // (requests - 1))
    assert app.check().access == "full"


@pytest.mark.parametrize("batch", [0, 64])
def test_sec_21_a_process_killed_between_any_two_requests_goes_on(tmp_path: Path, batch: int) -> None:
    away = Away(tmp_path, 120, batch=batch)
    versions = [1]
    for count in (1, 2, 18, 40, 60, 120):
        child = os.fork()
        if child == 0:

            def die(request: HttpRequest, left: list[int] = [count]) -> HttpAnswer:  # noqa: B006 - this child's own
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1
                return away.answer(request)

            away.app(transport=MemoryTransport(die)).refresh()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        (tmp_path / "hustl" / "attempts.json").unlink(missing_ok=True)  # or the dead one's turn would be waited for
        versions.append(away.version())
        if os.WIFEXITED(status):
            break
    assert versions == sorted(versions)
    assert versions[-1] == 120, versions
    assert len(set(versions)) > 2, "some of them died on the way"
    assert away.app().check().access == "full"


def test_what_was_followed_stays_where_the_answer_is_no_answer(tmp_path: Path) -> None:
    away = Away(tmp_path, 30)
    away.desk.vendor.before_sending = lambda members: {**members, "proof": members["proof"][:-2] + "AA"}
    app = away.app()
    app.refresh()
    assert app.last_problem is not None
    assert away.version() == 30


# ── hostile ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("first", [lambda files: files[0], lambda _: "x" * 600_000, lambda _: "garbage"])
def test_sec_21_a_server_of_somebody_else_gets_one_request_more(tmp_path: Path, first: Any) -> None:
    away = Away(tmp_path, 2)
    away.desk.vendor.published = (away.files[0], first(away.files), *away.files[2:])
    away.files = away.files[:1]
    app = away.app()
    app.refresh()
    assert app.last_problem is not None
    assert app.last_problem.code == "answer_not_authentic"
    assert away.asked() == ["/v1/refresh", "/v1/root/2"]


def test_sec_21_thousands_of_files_that_lead_nowhere(tmp_path: Path) -> None:
    away = Away(tmp_path, 2)
    away.desk.vendor.published = ()
    forks = [root_file(1, holders=(ANNA,), expires_at=NOW + number) for number in range(1, 601)]
    away.desk.vendor.before_sending = lambda members: {**members, "roots": ["x"] * 3000 + forks}
    away.app().refresh()
    assert away.version() == 1
    assert not [line for line in away.desk.journal() if "root_forked" in line], "what is too much is not looked at"
    away.desk.vendor.before_sending = lambda members: {**members, "roots": forks}
    away.app().refresh()
    assert len([line for line in away.desk.journal() if "root_forked" in line]) == 1, "each version is told once"


def test_an_endless_chain_takes_no_more_than_256_steps_of_a_contact(tmp_path: Path) -> None:
    away = Away(tmp_path, LONG, batch=0)
    app = away.app()
    app.refresh()
    assert app.last_problem is not None
    assert app.last_problem.code == "catching_up"
    assert len(away.asked()) == 257
    assert away.version() == 257


# ── what is kept ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_device_whose_state_is_lost_gets_the_chain_again(tmp_path: Path) -> None:
    away = Away(tmp_path, 100)
    assert away.app().refresh().access == "full"
    for path in (tmp_path / "hustl").iterdir():
        path.unlink()
    assert away.app().activate(LICENSE_KEY).access == "full"
    assert away.version() == 100


def test_apps_of_different_age_beside_each_other_do_not_take_roots_from_each_other(tmp_path: Path) -> None:
    away = Away(tmp_path, 6)
    older, newer = away.files[0], away.files[3]
    for root in (newer, older, newer, older):
        assert away.desk.app(root=root).refresh().access == "full"
        assert away.desk.app(root=older).info().root_version in {1, 6}
        assert away.desk.app(root=newer).info().root_version == 6
    assert away.desk.app(root=older).info().root_version == 6
    before = len(away.asked())
    away.desk.app(root=older).refresh()
    assert len(away.asked()) == before + 1, "nothing has to come again"


def test_what_is_stored_of_a_chain_is_bounded() -> None:
    files = chain_to(LONG)
    chain = follow(embedded(files[0].encode()), files[1:400], most=400).chain
    chain = follow(chain, files[400:], most=400).chain
    assert chain.root.version == LONG
    kept = stored_after((), chain)
    assert len(kept) == MAX_STORED_ROOTS
    assert follow(embedded(files[0].encode()), kept, most=600).chain.root.version == MAX_STORED_ROOTS + 1
    large = [root_file(number, change={"later": ["x" * 16_000] * 20}) for number in range(1, 9)]
    held = follow(embedded(large[0].encode()), large[1:]).chain
    kept = stored_after((), held)
    assert sum(map(len, kept)) <= MAX_STORED_BYTES < sum(map(len, held.later))
    assert follow(embedded(large[0].encode()), kept).chain.root.version == 1 + len(kept)


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 8), st.integers(0, 9))
def test_what_is_stored_leads_every_app_to_the_newest_that_any_knew(
    mine: int, theirs: int, base: int, bad: int
) -> None:
    files = chain_to(8)
    base = min(base, mine)
    stored = list(files[1:theirs])
    if bad < len(stored):
        stored[bad] = "damaged"
    chain = Chain(root=read_root(files[mine - 1]), files=files[base - 1 : mine])
    kept = stored_after(tuple(stored), chain)
    found = follow(embedded(files[base - 1].encode()), kept).chain.root.version
    assert found >= mine
    if bad >= len(stored):
        assert found >= max(mine, theirs if base <= theirs else mine)
        assert follow(embedded(files[0].encode()), kept).chain.root.version >= min(theirs, mine) or base > theirs


def test_a_chain_is_verified_once_for_as_long_as_it_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    away = Away(tmp_path, 30)
    app = away.app()
    app.refresh()
    app.check()
    monkeypatch.setattr("carnet.client.device.follow", lambda *_, **__: pytest.fail("verified again"))
    assert app.check().access == "full"
    with pytest.raises(pytest.fail.Exception):
        away.app().check()


def test_sec_31_the_time_of_a_dropped_key_does_not_end_the_root_that_drops_it() -> None:
    files = (root_file(1), root_file(2))
    trust = Trust(
        chain=embedded(files[0].encode()), wall=NOW, trusted_at=read_root(files[1]).expires_at, signed_by=None
    )
    assert trust.now == trust.root.expires_at
    named = Trust(chain=trust.chain, wall=NOW, trusted_at=trust.trusted_at, signed_by=ANNA.kid)
    assert named.now == trust.now, "a root key is a key of the root too"
    dropped = Trust(chain=trust.chain, wall=NOW, trusted_at=trust.trusted_at, signed_by=NEW["answer"].kid)
    assert dropped.now == NOW
