"""SEC-24 over HTTP: what devices say that they hold, and how little it can do to anybody."""

from __future__ import annotations

from typing import Any

import pytest

from carnet import Carnet
from carnet.core._base import replace
from carnet.core.instant import Instant
from carnet.formats.license_token import issue_license_token, verify_license_token
from support.drills import stolen
from support.vendor import Vendor, fingerprint


def held(**changes: Any) -> dict[str, Any]:
    """One thing that a device says it holds."""
    times = {"issued_at": "2026-01-01T00:00:00Z", "expires_at": "2030-01-01T00:00:00Z"}
    return {"kind": "token", "jti": "some-id", "kid": "A" * 43, **times, **changes}


@pytest.mark.parametrize(
    ("listed", "status"),
    [
        ([], 201),
        ([held()] * 4, 201),
        ([held()] * 5, 400),
        ([held(jti="x" * 255)], 201),
        ([held(jti="x" * 256)], 400),
        ([held(jti="")], 400),
        ([held(kid="x" * 64)], 201),
        ([held(kid="x" * 65)], 400),
        ([held(kind="something-newer")], 201),
        ([held(expires_at="2030-01-01")], 400),
        ([held(more=1)], 201),
        ([{"kind": "token"}], 400),
        ("token", 400),
    ],
)
def test_the_member_is_bounded_and_an_older_server_turns_no_newer_sdk_away(
    vendor: Vendor, listed: Any, status: int
) -> None:
    answer = vendor.ask("activate", vendor.license(), fingerprint(), held=listed)
    assert answer.status_code == status, answer.text
    if status != 201:
        assert answer.json()["code"] in {"bad_member", "missing_member"}


def test_sec_24_a_device_of_the_sdk_tells_of_a_forgery_and_recovers_in_one_contact(
    vendor: Vendor, tmp_path: Any
) -> None:
    license_ = vendor.license()
    app = Carnet(
        product=license_["product"],
        server=vendor.live.url,
        root=vendor.installation.roots[0],
        state=tmp_path,
        device_id="line-4",
        timeout_seconds=120,
    )
    assert app.activate(license_["key"])
    device = app._device
    state = device.look().state
    genuine = verify_license_token(str(state.token), vendor.ring)
    long_id = "forged-" + "x" * 248
    forged = issue_license_token(
        replace(genuine, id=long_id, issued_at=Instant(genuine.issued_at - 3600), not_before=genuine.issued_at),
        stolen(vendor.installation, "token"),
    )
    anchors = device.look().identity.anchors
    device.store.update(anchors, lambda found: replace(found.state, token=forged, machine_file=None))
    assert app.check().evidence_ids == (long_id,), "before it is known, it is accepted"

    assert app.refresh()
    assert long_id not in app.check().evidence_ids
    found: tuple[Any, ...] = ()
    while not found:  # the server's own flush may be about it already, and this one then finds nothing to do
        vendor.on_the_servers_loop(vendor.installation.seen.flush())
        found = tuple(vendor.on_the_servers_loop(vendor.installation.store.strangers(kid=None, limit=10)))
    assert [(each.jti, each.license_id, each.proved) for each in found] == [(long_id, license_["id"], False)]
