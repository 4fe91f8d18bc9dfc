"""`carnet lease` on a real installation, by transcript."""

from __future__ import annotations

import asyncio
from typing import Any

from carnet.cli import exits
from carnet.core.lease_terms import LeaseHolder
from carnet.server.domain.leases.commands import ClaimLease, LeaseResult
from carnet.server.installation import open_installation
from carnet.server.settings import Settings
from support.shop import Shop


def claimed(office: Shop, key: str) -> LeaseResult:
    """A lease, as a server would give it."""

    async def work() -> Any:
        async with open_installation(Settings(data=office.stage.data)) as installation:
            holder = LeaseHolder(kind="device", id="render-07")
            command = ClaimLease(license_key=key, product="hustl", holder=holder, name="Render 7", ttl_seconds=600)
            return (await installation.leases.claim(command)).result

    result = asyncio.run(work())
    assert isinstance(result, LeaseResult)
    return result


def test_users_ask_11_the_vendor_lists_the_holders_and_takes_a_seat_back(office: Shop) -> None:
    license_ = office.license()
    assert office.vendor("lease", "terms", "--policy", "consumer")["terms"] is None
    terms = office.vendor(
        "lease", "terms", "--license", license_["id"], "--set", "limit=2", "--set", 'kinds=["device"]'
    )
    assert (terms["terms"]["limit"], terms["terms"]["kinds"]) == (2, ["device"])
    lease = claimed(office, license_["key"])
    (item,) = office.vendor("lease", "list", license_["id"])["items"]
    assert (item["id"], item["holder"]["name"]) == (lease.lease_id, "Render 7")
    shown = office.run("lease", "list", license_["id"])
    assert "Render 7" in shown.out
    assert "LAST SEEN" in shown.out
    ended = office.vendor("lease", "end", lease.lease_id, "--reason", "The machine is gone.")
    assert ended["released_at"] is not None
    assert office.vendor("lease", "list", license_["id"])["items"] == []
    assert office.vendor("lease", "terms", "--license", license_["id"], "--remove")["terms"] is None


def test_lease_terms_that_contradict_themselves_are_refused_and_change_nothing(office: Shop) -> None:
    license_ = office.license()
    for words, code in (
        ((), "bad_usage"),
        (("--license", license_["id"], "--policy", "consumer"), "bad_usage"),
        (("--license", license_["id"], "--set", "limit=0"), "bad_lease_terms"),
        (("--license", license_["id"], "--set", "limit=1", "--remove"), "bad_usage"),
        (("--license", license_["id"], "--set", "colour=blue"), "bad_lease_terms"),
    ):
        refused = office.run("lease", "terms", *words, "--json")
        assert (refused.code, refused.problem["code"]) == (exits.USAGE, code)
    assert office.vendor("lease", "terms", "--license", license_["id"])["terms"] is None
