"""Who may hold a floating seat is judged before anything is sent: a server that cannot read it signs nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from carnet.errors import UsageError
from support.issuing import LICENSE_KEY
from support.sdk import Desk


@pytest.mark.parametrize(
    "holder",
    [
        {"kind": "user"},
        {"kind": "user", "holder_id": ""},
        {"kind": "user", "holder_id": " bob"},
        {"kind": "process", "holder_id": "two\nlines"},
        {"kind": "device", "holder_id": ""},
        {"kind": "device", "holder_id": "x" * 256},
        {"kind": "team", "holder_id": "a"},
    ],
)
def test_what_cannot_hold_a_seat_is_said_before_anything_is_sent(desk: Desk, holder: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        desk.app().lease(license_key=LICENSE_KEY, **holder)
    assert caught.value.code == "bad_holder"
    assert desk.transport.requests == []


@pytest.mark.parametrize(
    "holder",
    [{}, {"kind": "process"}, {"kind": "user", "holder_id": "x" * 255}, {"kind": "device", "holder_id": "機械 4"}],
)
def test_who_can_hold_a_seat_asks_for_one(desk: Desk, holder: dict[str, Any]) -> None:
    with desk.app().lease(license_key=LICENSE_KEY, name="a host name\n" * 9, **holder) as seat:
        assert not seat, "this vendor's server knows no floating seats"
    assert desk.transport.requests[-1].path == "/v1/leases"
    asked = json.loads(desk.transport.requests[-1].body)["holder"]
    assert asked["name"] == ("a host name " * 9)[:64].rstrip()
    assert asked["kind"] == holder.get("kind", "device")
    assert asked["id"] == holder.get("holder_id", asked["id"])
