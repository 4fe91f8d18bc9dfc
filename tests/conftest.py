"""What every test shares: where support code is found, and how long a property campaign runs."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

from support.campaigns import LONG
from support.databases import KINDS, Kind, on

settings.register_profile("ci", max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", max_examples=20_000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("long" if LONG else "ci")


def pytest_configure(config: pytest.Config) -> None:
    _reach_this_machine_without_a_proxy()
    _let_programs_be_interrupted()
    config.addinivalue_line("markers", "sqlite_file: is about the file carnet.db itself; runs once, on SQLite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if not (item.get_closest_marker("sqlite_file") and _is_on(item, "postgres"))]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests counted, each by its name: races, kills, histories."""
    counted = [each for each in terminalreporter.getreports("passed") if each.user_properties]
    if counted:
        terminalreporter.section("counts")
    for each in sorted(counted, key=lambda report: report.nodeid):
        said = "; ".join(f"{name}: {value}" for name, value in each.user_properties)
        terminalreporter.write_line(f"{each.nodeid.rpartition('/')[2]}: {said}")


def _reach_this_machine_without_a_proxy() -> None:
    """Where the environment names a proxy, for the internet: the servers that tests start are not behind it."""
    if any(name.lower() in {"http_proxy", "https_proxy", "all_proxy"} for name in os.environ):
        for name in ("NO_PROXY", "no_proxy"):
            os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1", "localhost")))


def _let_programs_be_interrupted() -> None:
    """What was started in the background of a script ignores Ctrl-C, and so would every program that a test starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_on(item: pytest.Item, kind: Kind) -> bool:
    call = getattr(item, "callspec", None)
    return call is not None and call.params.get("database") == kind


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest) -> Iterator[Kind]:
    """
    Runs a test twice, with installations on SQLite and on PostgreSQL: the same suite on both (design.md §9).

    A folder's conftest makes it `autouse` where every test of the folder opens installations; the marker `sqlite_file`
    takes out those that are about the file.
    """
    from support.installations import give_back

    with on(request.param) as kind:
        yield kind
    give_back()
