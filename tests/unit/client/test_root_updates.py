"""SEC-21: root updates through the client's own code and its state on the disk, after the TUF conformance suite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from carnet import Carnet
from support.issuing import LICENSE_KEY, NOW
from support.root_cases import CASES, CONTACT, Case
from support.root_worlds import NEW
from support.sdk import Desk

NAMES = [case.name for case in CASES]


def enrolled(desk: Desk, case: Case) -> Carnet:
    """The app of a device that was activated under the embedded root."""
    desk.vendor.published = (case.embedded,)
    app = desk.app(root=case.embedded)
    assert app.activate(LICENSE_KEY).access == "full"
    desk.pass_time(CONTACT - NOW)
    return app


def forks_in(desk: Desk) -> tuple[str, ...]:
    """Why other roots were refused, by the device's log."""
    entries = [json.loads(line) for line in desk.journal()]
    return tuple(each["why"] for each in entries if (each["event"], each["code"]) == ("root", "root_forked"))


def judged(app: Carnet, desk: Desk, case: Case) -> None:
    """Contact the server, and compare with what must be; then again as started anew."""
    decision = app.refresh()
    problem = app.last_problem
    assert (None if problem is None else problem.code) == (None if case.outcome == "taken" else case.outcome)
    again = desk.app(root=case.embedded)
    assert (app.info().root_version, again.info().root_version) == (case.version, case.version)
    assert bool(decision) == bool(again.check()) == (case.outcome == "taken" or case.keeps)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_sec_21_root_files_in_an_answer(tmp_path: Path, case: Case) -> None:
    desk = Desk(tmp_path)
    app = enrolled(desk, case)
    desk.vendor.roots, desk.vendor.signers = case.offered, NEW
    judged(app, desk, case)
    assert forks_in(desk) == case.forks


ONE_BY_ONE = [case for case in CASES if case.in_order and not case.forks]


@pytest.mark.parametrize("case", ONE_BY_ONE, ids=[case.name for case in ONE_BY_ONE])
def test_sec_21_root_files_fetched_one_by_one(tmp_path: Path, case: Case) -> None:
    """What answers to `GET /v1/root/{n}` is the nth of what is offered, whatever it is."""
    desk = Desk(tmp_path)
    app = enrolled(desk, case)
    published = tuple(dict.fromkeys((case.embedded, *case.offered)))
    desk.vendor.published, desk.vendor.signers = published, NEW
    before = len(desk.transport.requests)
    judged(app, desk, case)
    asked = [request.path for request in desk.transport.requests[before:]]
    assert asked == ["/v1/refresh", *(f"/v1/root/{number}" for number in range(2, case.version + 2))]


def test_there_are_as_many_cases_as_asked_for(record_property: pytest.FixtureRequest) -> None:
    record_property("root updates", len(CASES))  # type: ignore[operator]
    assert len(set(NAMES)) == len(CASES) >= 60
