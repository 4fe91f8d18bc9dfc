"""SEC-35 over HTTP, on a real server: wrong keys end in 429s, right keys still work, and nothing can be claimed."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from carnet.server.domain.limits.addresses import networks_from_text
from carnet.server.domain.limits.rules import Limit, RateLimits, rate_limits_from_text
from support.databases import KINDS, Kind, on
from support.installations import give_back, query
from support.served import served
from support.vendor import Vendor, fingerprint

LOOPBACK = networks_from_text("127.0.0.0/8")
_claims = itertools.count(1)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    give_back()


def coming_from(vendor: Vendor, address: str) -> httpx2.Client:
    """A client on this machine whose connections come from *address*; all of 127.0.0.0/8 is this machine."""
    return httpx2.Client(base_url=vendor.live.url, transport=httpx2.HTTPTransport(local_address=address), timeout=120)


def wrong_key(product: str) -> dict[str, Any]:
    return {"license_key": f"WRONG-{next(_claims):05}-00000-00000-00000", "product": product}


def test_sec_35_ten_thousand_wrong_keys_from_one_address_end_in_429(folder: Path, record_property: Any) -> None:
    with served(folder) as vendor:
        made = vendor.license()
        right = {"license_key": made["key"], "product": made["product"]}
        with coming_from(vendor, "127.0.0.66") as attacker, coming_from(vendor, "127.0.0.2") as customer:
            answers = [attacker.post("/v1/validate", json=wrong_key(made["product"])) for _ in range(10_000)]
            counted = Counter(answer.status_code for answer in answers)
            assert set(counted) == {404, 429}
            assert 1_000 <= counted[404] <= 1_000 + 60  # what drained meanwhile
            assert answers[-1].json()["code"] == "rate_limited"
            assert attacker.post("/v1/validate", json=right).status_code == 429  # or a hit would show
            assert customer.post("/v1/validate", json=right).status_code == 200
            assert customer.post("/v1/activate", json={**right, "device": {"fingerprint": fingerprint()}}).is_success
            record_property("of 10,000 wrong keys from one address, refused with 429", counted[429])
            assert attacker.get("/livez").status_code == attacker.get("/readyz").status_code == 200


def test_sec_35_a_thousand_claimed_addresses_gain_nothing(folder: Path) -> None:
    with served(folder, rate_limits=rate_limits_from_text("misses=50/1000")) as vendor:
        product = vendor.product()
        counted: Counter[int] = Counter()
        for number in range(1_000):
            claimed = f"203.0.{number % 250}.{number // 250 + 1}"
            headers = {"X-Forwarded-For": claimed, "Forwarded": f"for={claimed}", "X-Real-IP": claimed}
            counted[vendor.http.post("/v1/validate", json=wrong_key(product), headers=headers).status_code] += 1
        assert counted[404] <= 52
        assert counted[404] + counted[429] == 1_000


def test_sec_35_behind_our_proxy_each_customer_counts_alone(folder: Path) -> None:
    limits = rate_limits_from_text("misses=5/1000")
    with served(folder, rate_limits=limits, trusted_proxies=LOOPBACK) as vendor:
        made = vendor.license()

        def ask(claimed: str, body: dict[str, Any]) -> int:
            return vendor.http.post("/v1/validate", json=body, headers={"X-Forwarded-For": claimed}).status_code

        right = {"license_key": made["key"], "product": made["product"]}
        tried = [ask("203.0.113.9", wrong_key(made["product"])) for _ in range(8)]
        assert tried == [404] * 5 + [429] * 3
        assert ask(f"198.51.100.{next(_claims) % 250}, 203.0.113.9", right) == 429  # what it claims itself is nothing
        assert ask("203.0.113.10", right) == 200
        tried = [ask(f"2001:db8:1:1::{number:x}", wrong_key(made["product"])) for number in range(8)]
        assert tried == [404] * 5 + [429] * 3  # one /64 is one customer
        assert ask("2001:db8:1:2::1", right) == 200


@pytest.mark.parametrize("kind", KINDS)
def test_sec_35_limits_survive_a_restart(folder: Path, kind: Kind) -> None:
    limits = rate_limits_from_text("misses=20/1000")
    with on(kind):
        with served(folder, rate_limits=limits) as vendor:
            made = vendor.license()
            for _ in range(25):
                last = vendor.http.post("/v1/validate", json=wrong_key(made["product"]))
            assert last.status_code == 429
        assert len(query(folder, "SELECT 1 FROM rate_limits")) == 1
        with served(folder, rate_limits=limits) as vendor:
            right = {"license_key": made["key"], "product": made["product"]}
            assert vendor.http.post("/v1/validate", json=right).status_code == 429
            assert vendor.http.get("/livez").status_code == 200
        if kind == "sqlite":
            rows = repr(query(folder, "SELECT * FROM rate_limits"))
            assert "127.0" not in rows


def test_sec_35_each_limit_is_answered_as_the_contract_says(folder: Path) -> None:
    limits = RateLimits(
        address=Limit(name="address", count=60, seconds=3600),
        misses=None,
        key=Limit(name="key", count=3, seconds=3600),
        product=Limit(name="product", count=8, seconds=3600),
    )
    with served(folder, rate_limits=limits) as vendor:
        made, other = vendor.license(), vendor.license()

        def ask(license_: Any) -> httpx2.Response:
            return vendor.http.post(
                "/v1/validate", json={"license_key": license_["key"], "product": license_["product"]}
            )

        assert [ask(made).status_code for _ in range(4)] == [200, 200, 200, 429]
        refused = ask(made)
        problem = refused.json()
        assert refused.headers["content-type"] == "application/problem+json"
        assert (problem["code"], problem["retryable"]) == ("rate_limited", True)
        assert 1 <= int(refused.headers["retry-after"]) <= 1200
        assert refused.headers["ratelimit-policy"] == '"key";q=3;w=3600'
        assert refused.headers["ratelimit"].startswith('"key";r=0;t=')
        assert refused.headers["x-request-id"] == problem["instance"]
        assert made["key"] not in refused.text
        assert ask(other).status_code == 200
        while (last := vendor.http.get("/v1/root")).status_code == 200:
            continue
        assert last.headers["ratelimit-policy"] == '"address";q=60;w=3600'
        assert vendor.http.head("/v1/root").status_code == 429
        metrics = vendor.http.get("/livez")
        assert metrics.status_code == 200


def test_sec_35_guessing_an_admin_token_is_guessing(folder: Path) -> None:
    with served(folder, rate_limits=rate_limits_from_text("misses=5/1000")) as vendor:
        tried = [vendor.admin("GET", "/products", token=f"wrong-{number}").status_code for number in range(8)]
        assert tried == [401] * 5 + [429] * 3
        assert vendor.admin("GET", "/products").status_code == 429


def test_one_who_is_limited_writes_nothing_for_each_request(folder: Path) -> None:
    """design.md §2 rule 9: nothing shared is written per request."""
    with served(folder, rate_limits=rate_limits_from_text("misses=5/1000"), flush_seconds=3600) as vendor:
        product = vendor.product()
        before = vendor.installation.storage_stats().jobs
        for _ in range(200):
            vendor.http.post("/v1/validate", json=wrong_key(product))
        assert vendor.installation.storage_stats().jobs == before
