"""docs/how-to/floating-leases.md: its code runs against a real server, and its table of terms is the terms' own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from carnet import Carnet
from carnet.core.instant import parse_instant
from carnet.core.lease_terms import LeaseTerms, lease_terms_to_json
from support.vendor import Vendor

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "floating-leases.md"
TEXT = PAGE.read_text(encoding="utf-8")
DAY = 86400


@pytest.fixture
def page() -> dict[str, Any]:
    """Everything that the page defines."""
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(block, names)  # noqa: S102 - the page's own code
    return names


def app_of(vendor: Vendor, license_: Any, state: Path, **changes: Any) -> Carnet:
    given: dict[str, Any] = {
        "product": license_["product"],
        "server": vendor.live.url,
        "root": vendor.installation.roots[0],
        "license_key": license_["key"],
        "state": state,
        "device_id": "line-4",
        "timeout_seconds": 20,
    }
    return Carnet(**{**given, **changes})


def sold(vendor: Vendor, **terms: Any) -> Any:
    license_ = vendor.license()
    answer = vendor.admin("PUT", f"/licenses/{license_['id']}/lease-terms", {"terms": {"limit": 1, **terms}})
    assert answer.status_code == 200, answer.text
    return license_


def test_the_editor_opens_with_a_seat_and_says_why_it_does_not(
    vendor: Vendor, tmp_path: Path, page: dict[str, Any]
) -> None:
    license_ = sold(vendor)
    said: list[str] = []
    with app_of(vendor, license_, tmp_path) as app:

        def editor(seat: Any) -> str:
            page["edit"](app, editor, said.append)  # a second window asks for a seat of its own
            return "saved" if seat.held else "lost"

        assert page["edit"](app, editor, said.append) == "saved"
        assert len(said) == 1
        assert "in use" in said[0]
        assert page["edit"](app, lambda seat: seat.held, said.append) is True  # it was given back


def test_work_goes_on_until_the_seat_is_lost(vendor: Vendor, tmp_path: Path, page: dict[str, Any]) -> None:
    license_ = sold(vendor, default_ttl_seconds=2)
    saved: list[Any] = []
    steps = iter(range(3))
    with app_of(vendor, license_, tmp_path) as app:
        assert page["work_until_lost"](app, lambda: next(steps, None) is not None, saved.append) is True
        assert saved == []

        def taken_back() -> bool:
            for each in vendor.admin("GET", f"/leases?license_id={license_['id']}").json()["items"]:
                vendor.admin("POST", f"/leases/{each['id']}/end", {"reason": "maintenance"})
            return True

        assert page["work_until_lost"](app, taken_back, saved.append) is False
    assert [reason.code for reason in saved[0]] == ["lease_released"]


def test_a_seat_is_taken_along_and_returned(vendor: Vendor, tmp_path: Path, page: dict[str, Any]) -> None:
    license_ = sold(vendor, max_borrow_seconds=7 * DAY)

    def holders() -> list[Any]:
        items: list[Any] = vendor.admin("GET", f"/leases?license_id={license_['id']}").json()["items"]
        return items

    with app_of(vendor, license_, tmp_path) as app:
        until = page["before_the_flight"](app, 7)
    assert [parse_instant(each["expires_at"]) for each in holders()] == [until]
    with app_of(vendor, license_, tmp_path, server="http://127.0.0.1:9") as app:
        assert page["on_the_plane"](app) is True
    assert len(holders()) == 1
    with app_of(vendor, license_, tmp_path) as app:
        page["back_at_the_office"](app)
    assert holders() == []


def test_the_table_says_every_term_and_what_it_is_unless_set() -> None:
    rows = re.findall(r"^\| (`[^|]*) \| [^|]* \| ([^|]*) \|$", TEXT, re.MULTILINE)
    told = {name: said.strip() for names, said in rows for name in re.findall(r"`(\w+)`", names)}
    plain = lease_terms_to_json(LeaseTerms(limit=10))
    assert told.keys() == plain.keys()
    times = [str(plain[name]) for name in ("default_ttl_seconds", "min_ttl_seconds", "max_ttl_seconds")]
    assert told["default_ttl_seconds"] == ", ".join(times)
    assert told["cool_down_seconds"] == str(plain["cool_down_seconds"])
