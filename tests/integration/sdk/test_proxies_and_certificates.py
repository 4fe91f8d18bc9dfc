"""Through proxies and past firewalls that inspect TLS, with real sockets and real certificates (users-ask 54, 55)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from carnet import AsyncCarnet, Carnet
from carnet.core.errors import UsageError
from support.issuing import LICENSE_KEY
from support.sdk import Desk
from support.tls_world import Authority, ConnectProxy, https_server

NAME = "license.example.com"


@pytest.fixture(autouse=True)
def _no_settings_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "CARNET_PROXY", "CARNET_CA_FILE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("PRODUCT", "SERVER", "ROOT", "LICENSE_KEY", "DEVICE_ID", "STATE"):
        monkeypatch.delenv(f"CARNET_{name}", raising=False)
    monkeypatch.setattr("carnet.client.flows._PAUSE_SECONDS", 0.001)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "state")


@pytest.fixture
def office() -> Authority:
    return Authority()


@pytest.fixture
def trusted(office: Authority, tmp_path: Path) -> str:
    return str(office.save(tmp_path / "office.pem"))


@pytest.fixture
def proxy() -> Iterator[ConnectProxy]:
    made = ConnectProxy()
    yield made
    made.close()


def settings_of(desk: Desk, **settings: Any) -> dict[str, Any]:
    app = desk.app()._config
    given = {"product": app.product, "root": app.root, "state": desk.state, "device_id": "line-4", "clock": desk.clock}
    return {**given, "timeout_seconds": 20, **settings}


def outcome(desk: Desk, **settings: Any) -> tuple[str, str | None]:
    """State and problem of an activation, the same with both faces."""

    async def on_loop() -> tuple[str, str | None]:
        async with AsyncCarnet(**settings_of(desk, **settings)) as app:
            state = (await app.activate(LICENSE_KEY)).state
            return state, None if app.last_problem is None else app.last_problem.code

    with Carnet(**settings_of(desk, **settings)) as app:
        state = app.activate(LICENSE_KEY).state
        said = state, None if app.last_problem is None else app.last_problem.code
        if state == "active":
            app.deactivate()
    assert asyncio.run(on_loop()) == said
    return said


GRANTED = ("active", None)
UNREACHABLE = ("not_activated", "server_unreachable")


def test_a_certificate_of_an_authority_that_nobody_named_is_no_answer(
    desk: Desk, office: Authority, tmp_path: Path
) -> None:
    with https_server(desk.vendor.answer, office.server_context(tmp_path)) as (address, asked):
        assert outcome(desk, server=address) == UNREACHABLE
    assert asked == [], "the license key was not shown to it"


def test_users_ask_55_an_authority_may_be_named_beside_the_systems(
    desk: Desk, office: Authority, trusted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with https_server(desk.vendor.answer, office.server_context(tmp_path)) as (address, _):
        assert outcome(desk, server=address, ca_file=trusted) == GRANTED
        assert outcome(desk, server=address, ca_file=Path(trusted)) == GRANTED
        monkeypatch.setenv("CARNET_CA_FILE", trusted)
        assert outcome(desk, server=address) == GRANTED


def test_users_ask_55_an_authority_of_the_systems_store_needs_no_setting(
    desk: Desk, office: Authority, trusted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", trusted)
    with https_server(desk.vendor.answer, office.server_context(tmp_path)) as (address, _):
        assert outcome(desk, server=address) == GRANTED
        assert outcome(desk, server=address, proxy="") == GRANTED


@pytest.mark.parametrize(("host", "days"), [("license.example.org", 1), ("127.0.0.1", -1)], ids=["name", "over"])
def test_a_certificate_for_another_name_or_one_that_is_over_is_no_answer(
    *, desk: Desk, office: Authority, trusted: str, tmp_path: Path, host: str, days: int
) -> None:
    with https_server(desk.vendor.answer, office.server_context(tmp_path, host=host, days=days)) as (address, asked):
        assert outcome(desk, server=address, ca_file=trusted) == UNREACHABLE
    assert asked == []


def test_sec_30_a_trusted_certificate_is_not_enough_to_say_no(
    desk: Desk, office: Authority, trusted: str, tmp_path: Path
) -> None:
    """A man in the middle with a certificate that is trusted changes nothing: only a proof counts."""
    from carnet.client.wire import HttpAnswer

    desk.app().activate(LICENSE_KEY)
    before = desk.files()
    lie = HttpAnswer(status=403, body=b'{"code":"license_revoked","reasons":[{"code":"license_revoked"}]}')
    with (
        https_server(lambda _: lie, office.server_context(tmp_path)) as (address, asked),
        Carnet(**settings_of(desk, server=address, ca_file=trusted)) as app,
    ):
        assert app.refresh().state == "active"
        assert app.deactivate().state == "active"
        assert app.last_problem is not None
        assert app.last_problem.code == "answer_not_authentic"
    assert asked == ["/v1/refresh", "/v1/deactivate"]
    assert desk.files() == before


@pytest.mark.parametrize("named", ["argument", "CARNET_PROXY", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_users_ask_55_a_proxy_may_be_named_by_the_app_the_operator_or_the_system(
    *,
    desk: Desk,
    office: Authority,
    trusted: str,
    proxy: ConnectProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: str,
) -> None:
    """The server's name is known to the proxy alone, as in an office without a name service for outside."""
    if named != "argument":
        monkeypatch.setenv(named, proxy.address)
    with https_server(desk.vendor.answer, office.server_context(tmp_path, host=NAME)) as (address, _):
        proxy.route[f"{NAME}:443"] = address.removeprefix("https://")
        settings = {"server": f"https://{NAME}", "ca_file": trusted}
        if named == "argument":
            settings["proxy"] = proxy.address
        assert outcome(desk, **settings) == GRANTED
    assert set(proxy.asked) == {f"{NAME}:443"}


def test_a_proxy_with_a_password_gets_it_and_one_that_does_not_like_it_is_no_answer(
    desk: Desk, office: Authority, trusted: str, proxy: ConnectProxy, tmp_path: Path
) -> None:
    proxy.password = "anna:s3cret"
    with https_server(desk.vendor.answer, office.server_context(tmp_path)) as (address, _):
        right = proxy.address.replace("//", "//anna:s3cret@")
        assert outcome(desk, server=address, ca_file=trusted, proxy=right) == GRANTED
        with Carnet(**settings_of(desk, server=address, ca_file=trusted, proxy=proxy.address)) as app:
            app.refresh()
            problem = app.last_problem
    assert problem is not None
    assert problem.code == "server_unreachable"
    assert "s3cret" not in f"{problem}{problem.__cause__}"


def test_an_empty_proxy_goes_around_the_systems_and_no_proxy_is_respected(
    *,
    desk: Desk,
    office: Authority,
    trusted: str,
    proxy: ConnectProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with https_server(desk.vendor.answer, office.server_context(tmp_path)) as (address, _):
        assert outcome(desk, server=address, ca_file=trusted) == UNREACHABLE
        assert outcome(desk, server=address, ca_file=trusted, proxy="") == GRANTED
        assert outcome(desk, server=address, ca_file=trusted, proxy=proxy.address) == GRANTED
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert outcome(desk, server=address, ca_file=trusted) == GRANTED


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:9", "nonsense://x"])
def test_users_ask_54_a_proxy_setting_of_the_system_that_is_of_no_use_stops_no_app(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", value)
    assert outcome(desk, server="https://license.example.com") == ("not_activated", "proxy_unusable")


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"proxy": "office:3128"}, "bad_proxy"),
        ({"proxy": "ftp://office"}, "bad_proxy"),
        ({"proxy": "http://user:s3cret@"}, "bad_proxy"),
        ({"proxy": "http://office:port"}, "bad_proxy"),
        ({"ca_file": "/nonexistent/office.pem"}, "bad_ca_file"),
        ({"ca_file": __file__}, "bad_ca_file"),
    ],
)
def test_a_setting_of_the_app_that_is_wrong_is_a_usage_error(desk: Desk, settings: dict[str, str], code: str) -> None:
    with Carnet(**settings_of(desk, server="https://license.example.com", **settings)) as app:
        with pytest.raises(UsageError) as caught:
            app.activate(LICENSE_KEY)
        assert caught.value.code == code
        assert caught.value.fix
        assert "s3cret" not in str(caught.value)


def test_without_tls_a_private_server_is_reached_as_ever(desk: Desk) -> None:
    with https_server(desk.vendor.answer, None) as (address, asked):
        assert outcome(desk, server=address) == GRANTED
    assert asked == ["/v1/activate", "/v1/deactivate", "/v1/activate"]
