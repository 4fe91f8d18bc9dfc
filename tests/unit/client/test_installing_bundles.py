"""SEC-22, specs/bundle.md: a device that sees no network lives from bundles, also two roots behind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from carnet import AsyncCarnet, Carnet, Decision
from carnet.core.errors import UsageError
from carnet.core.instant import DAY, Instant
from carnet.formats.bundle import Bundle, write_bundle
from support.issuing import LICENSE_KEY, NOW
from support.root_worlds import NEW, NEWER, OLD, STOLEN, root_file
from support.sdk import Desk

ROOTS = (root_file(1), root_file(2, online=NEWER), root_file(3, online=NEW))
MILES = 5 * DAY


class AirGap:
    """A device that never sees a network, and the vendor who mails bundles to it."""

    def __init__(self, state: Path, *, root: str = ROOTS[0]) -> None:
        self.desk = Desk(state)
        self.desk.transport.online = False
        self.root = root

    def app(self, **settings: Any) -> Carnet:
        return self.desk.app(root=self.root, **settings)

    @property
    def fingerprint(self) -> str:
        found = self.app().info().fingerprint
        assert found is not None
        return found

    def bundle(self, **parts: Any) -> bytes:
        """What the vendor makes now, with the keys in use; parts in place of the usual ones."""
        made: dict[str, Any] = {"roots": ROOTS, **self.desk.vendor.issue(self.fingerprint)}
        return write_bundle(Bundle(**{**made, **parts})).encode()

    def refused(self, device: str | None = None) -> str:
        """A refusal of the license, as a device once got it."""
        body = {"device": {"fingerprint": device or self.fingerprint}, "nonce": "n", "product": "hustl"}
        return self.desk.vendor.proof(body, "refresh", "license_revoked", {})


def codes(decision: Decision) -> list[str]:
    return [reason.code for reason in decision.reasons]


def problem(app: Carnet) -> str | None:
    return None if app.last_problem is None else app.last_problem.code


@pytest.fixture
def gap(tmp_path: Path) -> AirGap:
    return AirGap(tmp_path)


def test_sec_22_an_air_gapped_device_two_roots_behind_works_from_a_bundle_alone(gap: AirGap) -> None:
    gap.desk.vendor.signers = NEW
    app = gap.app()
    assert not app.check()
    assert app.install(gap.bundle(), license_key=LICENSE_KEY).access == "full"
    assert problem(app) is None
    assert (app.info().root_version, gap.app().check().access) == (3, "full")
    gap.desk.pass_time(40 * DAY)
    assert gap.app().check().access != "full"
    assert gap.app().install(gap.bundle()).access == "full", "the key is known by now"
    assert gap.desk.transport.requests == []


def test_sec_22_through_two_rotations_and_one_bundle_for_each(gap: AirGap) -> None:
    app = gap.app()
    assert app.install(gap.bundle(roots=ROOTS[:1]), license_key=LICENSE_KEY).access == "full"
    gap.desk.pass_time(MILES)
    gap.desk.vendor.signers = NEW
    assert app.install(gap.bundle(roots=())).access == "full", "the one from before goes on"
    assert problem(app) == "unknown_key"
    assert app.info().root_version == 1
    assert app.install(gap.bundle(roots=ROOTS[1:])).access == "full"
    assert (problem(app), app.info().root_version) == (None, 3)


def test_sec_23_roots_alone_end_what_dropped_keys_signed(gap: AirGap) -> None:
    app = gap.app()
    app.install(gap.bundle(), license_key=LICENSE_KEY)
    assert problem(app) == "unknown_key", "the bundle's own roots have dropped its keys"
    app = gap.app(state=gap.desk.state / "other")
    app.install(gap.bundle(roots=()), license_key=LICENSE_KEY)
    assert app.check().access == "full"
    app.install(ROOTS[1])
    assert app.info().root_version == 2
    assert codes(app.check())[0] == "unknown_key"


@pytest.mark.parametrize("way", ["bytes", "text", "path", "asynchronous"])
def test_every_way_to_give_a_bundle(gap: AirGap, tmp_path: Path, way: str) -> None:
    data = gap.bundle(roots=())
    file = tmp_path / "line-4.carnet"
    file.write_bytes(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"))
    if way == "asynchronous":
        settings: dict[str, Any] = {
            "product": "hustl",
            "root": ROOTS[0],
            "state": gap.desk.state,
            "device_id": "line-4",
        }

        async def story() -> Decision:
            async with AsyncCarnet(**settings, clock=gap.desk.clock) as other:
                return await other.install(file, license_key=LICENSE_KEY)

        assert asyncio.run(story()).access == "full"
        return
    given: Any = {"bytes": data, "text": data.decode(), "path": str(file)}[way]
    assert gap.app().install(given, license_key=LICENSE_KEY).access == "full"


@pytest.mark.parametrize("part", ["token", "machine_file"])
def test_an_artifact_alone(gap: AirGap, part: str) -> None:
    artifacts = gap.desk.vendor.issue(gap.fingerprint)
    decision = gap.app().install(artifacts[part], license_key=LICENSE_KEY)
    assert decision.access == "full"
    assert gap.app().check().access == "full"


def test_what_is_older_replaces_nothing(gap: AirGap) -> None:
    older = gap.bundle(roots=())
    gap.desk.pass_time(MILES)
    app = gap.app()
    assert app.install(gap.bundle(roots=()), license_key=LICENSE_KEY).access == "full"
    until = app.check().offline_until
    files = gap.desk.files()
    assert app.install(older).offline_until == until
    assert problem(app) is None
    assert gap.desk.files() == files


def test_an_expired_bundle_is_not_kept(gap: AirGap) -> None:
    bundle = gap.bundle(roots=())
    gap.desk.pass_time(400 * DAY)
    assert not gap.app().install(bundle, license_key=LICENSE_KEY)
    assert gap.desk.files() == {}


def test_parts_for_others_change_nothing(gap: AirGap) -> None:
    app = gap.app()
    foreign = gap.desk.vendor.issue("ab" * 32)
    assert not app.install(gap.bundle(roots=(), **foreign), license_key=LICENSE_KEY)
    assert problem(app) == "does_not_open"
    assert not app.install(gap.bundle(roots=(), token=foreign["token"], machine_file=None))
    assert problem(app) == "wrong_artifacts"
    mixed = gap.bundle(roots=(), token=foreign["token"])
    assert not app.install(mixed, license_key=LICENSE_KEY)
    assert problem(app) == "wrong_artifacts"
    gap.desk.vendor.signers = STOLEN
    assert not app.install(gap.bundle(), license_key=LICENSE_KEY)
    assert problem(app) == "unknown_key"
    assert app.info().root_version == 3, "roots vouch for themselves"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "unknown_artifact"),
        (b"\x00" * 300, "unknown_artifact"),
        (b"-----BEGIN CARNET BUNDLE-----\nAAAA\n-----END CARNET BUNDLE-----\n", "bad_json"),
        (LICENSE_KEY.encode(), "unknown_artifact"),
    ],
)
def test_what_is_no_bundle_says_so(gap: AirGap, data: bytes, code: str) -> None:
    app = gap.app()
    assert not app.install(data)
    assert problem(app) == code
    assert gap.desk.files() == {}


def test_a_machine_file_without_its_key_and_a_path_that_is_none(gap: AirGap) -> None:
    app = gap.app()
    decision = app.install(gap.bundle(roots=()))
    assert problem(app) == "license_key_required"
    assert "license_key_required" in codes(decision)
    with pytest.raises(UsageError, match="cannot be read"):
        app.install("no-such-file.carnet")
    assert gap.app(license_key=LICENSE_KEY).install(gap.bundle(roots=())).access == "full"


def test_a_refusal_in_a_bundle_counts_by_its_time(gap: AirGap) -> None:
    old = gap.refused()
    gap.desk.pass_time(MILES)
    app = gap.app()
    assert app.install(gap.bundle(roots=(), answer=old), license_key=LICENSE_KEY).access == "full"
    gap.desk.pass_time(MILES)
    for_another = write_bundle(Bundle(answer=gap.refused("ab" * 32))).encode()
    assert app.install(for_another).access == "full"
    assert problem(app) == "answer_not_bound"
    decision = app.install(write_bundle(Bundle(answer=gap.refused())).encode())
    assert codes(decision)[0] == "license_revoked"


# ── a root that has ended ────────────────────────────────────────────────────────────────────────────────────────────

END = Instant(NOW + 100 * DAY)


@pytest.mark.parametrize(("at", "code"), [(END - 1, None), (END, "root_expired"), (END + 1, "root_expired")])
def test_sec_22_an_expired_root_vouches_for_no_new_key(tmp_path: Path, at: int, code: str | None) -> None:
    gap = AirGap(tmp_path, root=root_file(1, expires_at=END))
    gap.desk.pass_time(at - NOW)
    app = gap.app()
    assert bool(app.install(gap.bundle(roots=()), license_key=LICENSE_KEY)) == (code is None)
    assert problem(app) == code


def test_sec_22_what_was_accepted_goes_on_and_so_does_its_key(tmp_path: Path) -> None:
    gap = AirGap(tmp_path, root=root_file(1, expires_at=END))
    app = gap.app()
    gap.desk.pass_time(95 * DAY)
    assert app.install(gap.bundle(roots=()), license_key=LICENSE_KEY).access == "full"
    gap.desk.pass_time(10 * DAY)
    assert app.check().access == "full"
    assert app.install(gap.bundle(roots=())).access == "full"
    assert problem(app) is None
    newer = root_file(2, online=NEW, expires_at=NOW + 900 * DAY)
    gap.desk.vendor.signers = NEW
    app.install(gap.bundle(roots=(newer,)))
    assert (problem(app), app.info().root_version) == (None, 2)


def test_sec_22_online_too_and_a_new_root_heals_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    first = root_file(1, expires_at=END)
    desk.vendor.published = (first,)
    assert desk.app(root=first).activate(LICENSE_KEY).access == "full"
    desk.pass_time(101 * DAY)
    known = desk.app(root=first)
    assert known.refresh().access == "full", "its keys are known"
    assert problem(known) is None
    other = desk.app(root=first, device_id="line-5", state=tmp_path / "other")
    assert codes(other.activate(LICENSE_KEY))[-1] == "root_expired"
    assert problem(other) == "root_expired"
    desk.vendor.published = (first, root_file(2, online=OLD, expires_at=NOW + 900 * DAY))
    assert other.activate(LICENSE_KEY).access == "full"
    assert (problem(other), other.info().root_version) == (None, 2)
