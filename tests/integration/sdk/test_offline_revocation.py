"""Revocation that needs no connection, from a real vendor to a device that never comes back (R-15, R-83, SEC-26…28)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from carnet import Carnet
from carnet.client.list_operations import recheck
from carnet.core.instant import DAY
from carnet.formats.bundle import Bundle, write_bundle
from carnet.server.domain.status.allocation import SHARD_SIZE
from carnet.testing import FakeClock
from support.cli_runs import carnet
from support.status_lists import begin_shard, publish
from support.vendor import Vendor, vendor_at

AGE = 10 * DAY


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    with vendor_at(tmp_path_factory.mktemp("vendor")) as made:
        yield made


class Customer:
    """A license that minds revocations, and the device that holds its seat."""

    def __init__(self, vendor: Vendor, state: Path) -> None:
        self.vendor = vendor
        self.state = state
        self.sold = vendor.license(overrides={"max_revocation_age_seconds": AGE, "refresh_after_seconds": 30 * DAY})
        self.clock = FakeClock(vendor.clock.now())
        self.activation_id = ""

    def activate(self) -> None:
        with self.app() as app:
            assert app.activate(self.sold["key"]).state == "active"
            self.activation_id = app.info().activation_id or ""

    def app(self, *, online: bool = True, **settings: Any) -> Carnet:
        """The app as started anew."""
        return Carnet(
            product=self.sold["product"],
            server=self.vendor.live.url if online else None,
            root=self.vendor.installation.roots[0],
            state=self.state,
            device_id=f"device of {self.sold['id']}",
            clock=self.clock,
            timeout_seconds=120,
            **settings,
        )

    def told(self, *, online: bool = False, **settings: Any) -> list[str]:
        """State and reasons of a check."""
        decision = self.app(online=online, **settings).check()
        return [decision.state, *(reason.code for reason in decision.reasons)]

    def pass_time(self, seconds: int) -> None:
        self.clock.advance(seconds)

    def do(self, what: str) -> None:
        """What the vendor does to the license."""
        assert self.vendor.admin("POST", f"/licenses/{self.sold['id']}/{what}").is_success


@pytest.fixture
def customer(vendor: Vendor, tmp_path: Path) -> Customer:
    made = Customer(vendor, tmp_path / "state")
    made.activate()
    return made


@pytest.fixture
def traveller(tmp_path: Path) -> Iterator[Customer]:
    """A customer whose vendor's clock may be moved: an installation of its own, since a clock does not go back."""
    with vendor_at(tmp_path / "vendor") as vendor:
        made = Customer(vendor, tmp_path / "state")
        made.activate()
        yield made


def lists(vendor: Vendor) -> dict[int, str]:
    """Every list, as the job has published it now."""
    vendor.on_the_servers_loop(publish(vendor.installation))
    return {each.shard: each.token for each in vendor.installation.lists.all()}


def file_of(vendor: Vendor) -> bytes:
    return "\n".join(lists(vendor).values()).encode()


@pytest.mark.parametrize(
    ("what", "told"),
    [("revoke", ["revoked", "license_revoked"]), ("suspend", ["suspended", "license_suspended"])],
)
def test_r_15_a_device_that_is_offline_learns_it_from_a_file(customer: Customer, what: str, told: list[str]) -> None:
    before = file_of(customer.vendor)
    assert customer.told(status_lists=before) == ["active"]
    customer.do(what)
    assert customer.told() == ["active"]
    assert customer.told(status_lists=file_of(customer.vendor)) == told
    assert customer.told(status_lists=before) == told  # rolled back: no
    assert customer.told() == told


def test_r_83_a_bundle_carries_it_with_the_roots_it_needs(customer: Customer) -> None:
    customer.do("revoke")
    bundle = write_bundle(
        Bundle(roots=tuple(customer.vendor.installation.roots), status_lists=tuple(lists(customer.vendor).values()))
    )
    assert customer.told(status_lists=bundle.encode()) == ["revoked", "license_revoked"]


def exported(vendor: Vendor, folder: Path) -> Path:
    """What `carnet status-list export` writes for an update of the app, beside the running server."""
    settings = vendor.installation.settings
    env = {"CARNET_DATA": str(settings.data), "CARNET_PORT": str(settings.port), "CARNET_PUBLIC_URL": settings.base_url}
    if settings.postgres is not None:
        env["CARNET_DATABASE_URL"] = settings.postgres.url
    lists(vendor)
    run = carnet("status-list", "export", folder, env=env)
    assert run.code == 0, run.err
    return folder / "status-lists.carnet"


def test_r_83_what_the_vendor_exports_is_what_an_app_ships(customer: Customer, tmp_path: Path) -> None:
    before = exported(customer.vendor, tmp_path / "before")
    customer.do("revoke")
    after = exported(customer.vendor, tmp_path / "after")
    assert customer.told(status_lists=before) == ["active"]
    assert customer.told(status_lists=after) == ["revoked", "license_revoked"]
    assert customer.told(status_lists=before) == ["revoked", "license_revoked"]


def test_r_83_a_stick_with_the_bundle_tells_an_air_gapped_device(customer: Customer, tmp_path: Path) -> None:
    customer.do("suspend")
    with customer.app(online=False) as app:
        assert app.install(exported(customer.vendor, tmp_path / "stick")).state == "suspended"
    assert customer.told() == ["suspended", "license_suspended"]
    customer.do("reinstate")
    with customer.app(online=False) as app:
        assert app.install(exported(customer.vendor, tmp_path / "next")).state == "active"


def test_sec_28_the_public_list_tells_it_to_whoever_asks(traveller: Customer) -> None:
    traveller.do("revoke")
    traveller.pass_time(6 * DAY)
    with traveller.vendor.later(6 * DAY), traveller.app() as app:
        lists(traveller.vendor)
        app._contact(lambda: recheck(app._device))
        assert app.check().state == "revoked"
    log = (traveller.state / traveller.sold["product"] / "log.jsonl").read_text()
    assert '"event":"status_lists","outcome":"kept"' in log
    assert '"event":"refresh"' not in log


def test_a_suspension_that_ended_is_taken_back_by_the_next_list(customer: Customer) -> None:
    customer.do("suspend")
    assert customer.told(status_lists=file_of(customer.vendor)) == ["suspended", "license_suspended"]
    customer.do("reinstate")
    assert customer.told(status_lists=file_of(customer.vendor)) == ["active"]


def test_a_refresh_after_the_list_outranks_it(traveller: Customer) -> None:
    traveller.do("suspend")
    suspended = file_of(traveller.vendor)
    assert traveller.told(status_lists=suspended) == ["suspended", "license_suspended"]
    traveller.do("reinstate")
    with traveller.vendor.later(5):
        traveller.pass_time(5)
        with traveller.app() as app:
            assert app.refresh().state == "active"
    assert traveller.told() == traveller.told(status_lists=suspended) == ["active"]


def test_sec_27_a_list_that_lags_behind_says_nothing_to_a_device_that_was_answered_since(customer: Customer) -> None:
    """All in one second: the list still says suspended, although the license was reinstated before the answer."""
    customer.do("suspend")
    suspended = file_of(customer.vendor)
    assert customer.told(status_lists=suspended) == ["suspended", "license_suspended"]
    customer.do("reinstate")
    with customer.app() as app:
        assert app.refresh().state == "active"
    assert customer.told() == customer.told(status_lists=suspended) == ["active"]
    assert customer.told(status_lists=file_of(customer.vendor)) == ["active"]
    customer.do("suspend")  # what comes later counts as ever, within the same second too
    assert customer.told(status_lists=file_of(customer.vendor)) == ["suspended", "license_suspended"]


@pytest.mark.parametrize(("what", "state"), [("suspend", "suspended"), ("revoke", "revoked")])
def test_sec_28_what_is_stopped_in_the_second_of_the_answer_is_believed(
    customer: Customer, what: str, state: str
) -> None:
    customer.do("suspend")
    suspended = file_of(customer.vendor)
    customer.do("reinstate")
    with customer.app() as app:
        assert app.refresh().state == "active"
    customer.do(what)
    stopped = file_of(customer.vendor)
    assert customer.told(status_lists=stopped)[0] == state
    assert customer.told(status_lists=suspended)[0] == state  # rolled back: no


def test_a_seat_that_was_taken_back_is_over_and_a_new_one_is_not(customer: Customer) -> None:
    assert customer.vendor.admin("POST", f"/activations/{customer.activation_id}/deactivate").is_success
    ended = file_of(customer.vendor)
    assert customer.told(status_lists=ended) == ["not_activated", "deactivated"]
    customer.activate()
    assert customer.told(status_lists=ended) == ["active"]
    assert customer.told(status_lists=file_of(customer.vendor)) == ["active"]


def test_sec_27_artifacts_name_the_least_and_older_lists_are_nothing(customer: Customer) -> None:
    old = file_of(customer.vendor)
    for what in ("suspend", "reinstate"):
        customer.do(what)
        file_of(customer.vendor)
    with customer.app() as app:
        app.refresh()
        (grant,) = app._device.stored(app._device.look())[-1:]
        assert grant.license_status_ref is not None
        assert grant.license_status_ref.minimum == customer.vendor.installation.lists.all()[0].version
        kept = app._device.look().state.status_lists
    assert kept  # the answer brought it
    customer.told(status_lists=old)
    assert customer.app()._device.look().state.status_lists == kept


class Holder(Customer):
    """Who has a signed license key, and no server."""

    def __init__(self, vendor: Vendor, state: Path, **asked: Any) -> None:
        super().__init__(vendor, state)
        self.key = vendor.made(f"/licenses/{self.sold['id']}/signed-key", asked)["text"]

    def app(self, *, online: bool = False, **settings: Any) -> Carnet:
        return super().app(online=online, **settings)


@pytest.mark.parametrize(
    ("what", "told"),
    [("revoke", ["revoked", "license_revoked"]), ("suspend", ["suspended", "license_suspended"])],
)
def test_r_83_a_signed_key_is_revoked_by_a_list_and_stays_so(
    vendor: Vendor, tmp_path: Path, what: str, told: list[str]
) -> None:
    holder = Holder(vendor, tmp_path)
    with holder.app() as app:
        assert app.activate(holder.key).state == "active"
    before = file_of(vendor)
    assert holder.told(status_lists=before) == ["active"]
    holder.do(what)
    assert holder.told() == ["active"]
    after = file_of(vendor)
    assert holder.told(status_lists=after) == told
    assert holder.told(status_lists=before) == told  # rolled back: no
    assert holder.told() == told


def test_r_83_a_key_in_the_settings_minds_what_the_app_brings_and_a_stick(vendor: Vendor, tmp_path: Path) -> None:
    holder = Holder(vendor, tmp_path / "one")
    before = file_of(vendor)
    holder.do("revoke")
    after = file_of(vendor)
    assert holder.told(license_key=holder.key, status_lists=before) == ["active"]
    assert holder.told(license_key=holder.key, status_lists=after) == ["revoked", "license_revoked"]
    kept = Holder(vendor, tmp_path / "two")
    with kept.app() as app:
        app.activate(kept.key)
    kept.do("suspend")
    lists(vendor)
    with kept.app() as app:
        assert app.install(exported(vendor, tmp_path / "stick")).state == "suspended"
    assert kept.told() == ["suspended", "license_suspended"]
    kept.do("reinstate")
    with kept.app() as app:
        assert app.install(exported(vendor, tmp_path / "next")).state == "active"


def test_a_signed_key_that_names_no_list_minds_none(vendor: Vendor, tmp_path: Path) -> None:
    holder = Holder(vendor, tmp_path, revocable=False)
    holder.do("revoke")
    assert holder.told(license_key=holder.key, status_lists=file_of(vendor)) == ["active"]


def test_another_installation_s_list_says_nothing(customer: Customer, tmp_path: Path) -> None:
    with vendor_at(tmp_path / "another") as other:
        theirs = Customer(other, tmp_path / "their-state")
        theirs.do("revoke")
        foreign = file_of(other)
    assert customer.told(status_lists=foreign) == ["active"]


def test_sec_27_of_a_license_and_its_seat_in_two_shards_the_older_list_says_how_far(
    traveller: Customer, tmp_path: Path
) -> None:
    vendor, customer = traveller.vendor, Customer(traveller.vendor, tmp_path / "another-state")
    begin_shard(vendor.installation.settings, 7, 7 * SHARD_SIZE - 1)
    customer.activate()
    of_license, of_seat = (int(uri.rpartition("/")[2]) for uri in _uris(customer))
    assert (of_license, of_seat) == (0, 7)
    customer.pass_time(6 * DAY)
    with vendor.later(6 * DAY):
        early = lists(vendor)
    customer.pass_time(6 * DAY)
    with vendor.later(12 * DAY):
        late = lists(vendor)
        assert early[of_license] != late[of_license]
    mixed = "\n".join((early[of_license], late[of_seat])).encode()
    assert customer.told(status_lists=mixed) == ["active"]
    customer.pass_time(5 * DAY)
    assert customer.told() == ["needs_refresh", "needs_refresh"]
    assert customer.told(status_lists="\n".join(late.values()).encode()) == ["active"]
    assert customer.told(status_lists=mixed) == ["active"]


def _uris(customer: Customer) -> list[str]:
    """The lists of the license and of its seat."""
    device = customer.app()._device
    refs = [
        ref
        for grant in device.stored(device.look())
        for ref in (grant.license_status_ref, grant.activation_status_ref)
        if ref is not None
    ]
    return list(dict.fromkeys(ref.uri for ref in refs))


class _Cdn:
    """A host of its own that has copies of the lists and of nothing else."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.copies: dict[str, bytes] = {}
        cdn = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                cdn.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                body = cdn.copies.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._http = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/copies"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join(120)
        self._http.server_close()


@pytest.fixture
def cdn() -> Iterator[_Cdn]:
    made = _Cdn()
    yield made
    made.close()


def test_r_83_any_cdn_will_do_and_learns_the_number_of_a_shard(customer: Customer, cdn: _Cdn) -> None:
    customer.do("revoke")
    cdn.copies = {f"/copies/v1/status/{shard}": token.encode() for shard, token in lists(customer.vendor).items()}
    customer.pass_time(6 * DAY)
    with customer.app(status_mirror=cdn.url) as app:
        app._contact(lambda: recheck(app._device))
        assert app.check().state == "revoked"
    told = " ".join(f"{path} {headers}" for path, headers in cdn.asked)
    assert {path for path, _ in cdn.asked} == {f"/copies/v1/status/{uri.rpartition('/')[2]}" for uri in _uris(customer)}
    for secret in (customer.sold["key"], customer.sold["id"], customer.activation_id, customer.sold["product"]):
        assert secret not in told


def test_a_mirror_that_has_nothing_leaves_it_to_the_server(traveller: Customer, cdn: _Cdn) -> None:
    traveller.pass_time(6 * DAY)
    with traveller.vendor.later(6 * DAY), traveller.app(status_mirror=cdn.url) as app:
        app._contact(lambda: recheck(app._device))
        assert app.last_problem is None
        assert app.check().state == "active"
    assert cdn.asked
    assert (
        '"event":"refresh","outcome":"granted"'
        in (traveller.state / traveller.sold["product"] / "log.jsonl").read_text()
    )
