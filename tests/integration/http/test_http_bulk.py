"""Many licenses at once: issue, change all or none, import keys verbatim, export without formulas; both databases."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from carnet.formats.license_key import canonical_license_key
from carnet.server.domain.bulk.lines import guarded, unguarded
from carnet.server.installation import Installation
from support.campaigns import LONG
from support.databases import KINDS, on
from support.installations import give_back
from support.served import served
from support.vendor import Vendor, fingerprint

MANY = 100_000 if LONG else 4_500
KEYS = [f"OTHER-{number:05d}-Xq7Zp-Lm3Rt-Vb8Ns" for number in range(40)]


@pytest.fixture(scope="module", params=KINDS)
def vendor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    with on(request.param):
        with served(tmp_path_factory.mktemp("vendor")) as ready:
            ready.http.timeout = httpx2.Timeout(300)
            yield ready
        give_back()


def licenses_of(vendor: Vendor, product: str) -> list[Any]:
    answer = vendor.admin("GET", f"/licenses?product={product}&limit=500")
    items: list[Any] = answer.json()["items"]
    return items


def token_for(vendor: Vendor, scope: str) -> str:
    token: str = vendor.made("/apikeys", {"name": "t", "scopes": [scope]})["token"]
    return token


# ── issue ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_many_licenses_are_issued_lot_by_lot_and_every_key_works(vendor: Vendor) -> None:
    product = vendor.product()
    answer = vendor.admin("POST", "/licenses/bulk", {"product": product, "policy": "consumer", "count": MANY})
    assert answer.status_code == 201
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines.pop() == {"done": True, "count": MANY}
    assert len({each["id"] for each in lines}) == len({each["key"] for each in lines}) == MANY
    for each in (lines[0], lines[MANY // 2], lines[-1]):
        assert canonical_license_key(each["key"]) == each["key"]
        assert vendor.ask("activate", {**each, "product": product}, fingerprint()).status_code == 201


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"count": 0}, 400),
        ({"count": 100_001}, 400),
        ({"policy": "none"}, 404),
        ({"product": "none"}, 404),
        ({"x": 1}, 400),
    ],
)
def test_what_is_wrong_with_a_bulk_issue_is_a_problem_and_makes_nothing(
    vendor: Vendor, changes: dict[str, Any], status: int
) -> None:
    product = vendor.product()
    answer = vendor.admin("POST", "/licenses/bulk", {"product": product, "policy": "consumer", "count": 3, **changes})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert licenses_of(vendor, product) == []


# ── change ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def some(vendor: Vendor, count: int = 4, **members: Any) -> tuple[str, list[str]]:
    product = vendor.product()
    made = [vendor.license(product, **members)["id"] for _ in range(count)]
    return product, made


def change(vendor: Vendor, **body: Any) -> Any:
    answer = vendor.admin("POST", "/licenses/bulk-change", body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def statuses(vendor: Vendor, product: str) -> set[str]:
    return {each["status"] for each in licenses_of(vendor, product)}


def test_all_of_a_product_are_suspended_and_a_dry_run_says_so_before(vendor: Vendor) -> None:
    product, made = some(vendor)
    planned = change(vendor, action="suspend", product=product, dry_run=True, reason="unpaid")
    assert (planned["done"], planned["chosen"], planned["changed"]) == (False, 4, 4)
    assert statuses(vendor, product) == {"active"}
    done = change(vendor, action="suspend", product=product, reason="unpaid")
    assert {**done, "done": False} == planned
    assert done["done"] is True
    assert statuses(vendor, product) == {"suspended"}
    again = change(vendor, action="suspend", product=product)
    assert (again["done"], again["changed"], again["unchanged"]) == (True, 0, 4)
    audited = vendor.admin("GET", f"/audit?object_id={made[0]}&action=license.suspended").json()["items"]
    assert [each["details"]["reason"] for each in audited] == ["unpaid"]


def test_one_that_refuses_stops_all(vendor: Vendor) -> None:
    product, made = some(vendor)
    vendor.admin("POST", f"/licenses/{made[1]}/revoke")
    answer = change(vendor, action="suspend", product=product)
    assert (answer["done"], answer["changed"], answer["refused_total"]) == (False, 0, 1)
    assert [(each["license_id"], each["code"]) for each in answer["refused"]] == [(made[1], "conflict")]
    assert statuses(vendor, product) == {"active", "revoked"}


def test_ids_that_do_not_exist_stop_all_and_are_named(vendor: Vendor) -> None:
    product, made = some(vendor)
    answer = change(vendor, action="revoke", ids=[*made[:2], "no-such-license"])
    assert (answer["done"], answer["missing"]) == (False, ["no-such-license"])
    assert statuses(vendor, product) == {"active"}
    assert change(vendor, action="revoke", ids=made[:2])["changed"] == 2


def test_filters_choose_together(vendor: Vendor) -> None:
    product = vendor.product()
    for policy in ("consumer", "consumer", "enterprise"):
        vendor.license(product, policy=policy)
    assert change(vendor, action="suspend", product=product, policy="consumer", status="active")["changed"] == 2
    assert change(vendor, action="reinstate", product=product, status="suspended", dry_run=True)["chosen"] == 2
    assert change(vendor, action="reinstate", product=product, policy="enterprise")["unchanged"] == 1


def test_many_are_renewed_once_whatever_is_sent_again(vendor: Vendor) -> None:
    product, _ = some(vendor, type="timed", duration_seconds=86_400)
    before = {each["expires_at"] for each in licenses_of(vendor, product)}
    headers = {"Authorization": f"Bearer {vendor.admin_token}", "Idempotency-Key": f"renew-{product}"}
    body = {"action": "renew", "product": product, "duration_seconds": 1_000}
    first, again = (
        vendor.http.post("/v1/admin/licenses/bulk-change", json=body, headers=headers).json() for _ in range(2)
    )
    assert first == again
    after = {each["expires_at"] for each in licenses_of(vendor, product)}
    assert len(before) <= 2
    assert max(after) > max(before)
    assert change(vendor, action="renew", product=product, duration_seconds=1_000)["changed"] == 4


@pytest.mark.parametrize(
    "body",
    [
        {"action": "suspend"},
        {"action": "suspend", "ids": []},
        {"action": "suspend", "ids": ["a"], "product": "p"},
        {"action": "suspend", "product": "p", "duration_seconds": 5},
        {"action": "delete", "product": "p"},
        {"action": "renew", "product": "p", "duration_seconds": 5, "expires_at": "2099-01-01T00:00:00Z"},
        {"action": "suspend", "ids": ["a"] * 10_001},
    ],
)
def test_sec_37_a_change_that_makes_no_sense_is_refused(vendor: Vendor, body: dict[str, Any]) -> None:
    assert vendor.admin("POST", "/licenses/bulk-change", body).status_code == 400


def test_rel_02_a_batch_sent_again_is_the_same_batch(vendor: Vendor) -> None:
    product = vendor.product()
    headers = {"Authorization": f"Bearer {vendor.admin_token}", "Idempotency-Key": f"batch-{product}"}
    body = {"product": product, "policy": "consumer", "count": 5}
    first, again = (vendor.http.post("/v1/admin/licenses/batch", json=body, headers=headers) for _ in range(2))
    assert again.json() == first.json()
    assert len(licenses_of(vendor, product)) == 5


# ── import ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def send(vendor: Vendor, text: str | bytes, query: str, *, token: str | None = None) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {token or vendor.admin_token}", "Content-Type": "text/csv"}
    return vendor.http.post(f"/v1/admin/licenses/import?{query}", content=text, headers=headers)


def prefixed(product: str) -> list[str]:
    """Keys that no other test has, and that are strong enough."""
    return [key.replace("OTHER", product.replace("product-", "P").upper() + "x") for key in KEYS]


def test_keys_are_taken_over_as_they_stand_and_work(vendor: Vendor) -> None:
    product = vendor.product()
    keys = prefixed(product)[:3]
    rows = [
        "key,policy,type,duration_seconds,seat_limit,status,metadata",
        f'{keys[0]},consumer,timed,86400,7,active,"{{""order"": ""A-17""}}"',
        f"{keys[1]},enterprise,,,,suspended,",
        f"{keys[2]},consumer,,,,,",
    ]
    answer = send(vendor, "\ufeff" + "\r\n".join(rows) + "\r\n", f"format=csv&product={product}").json()
    assert answer == {
        "done": True, "lines": 3, "imported": 3, "skipped": 0, "bad": [], "bad_total": 0, "stopped": "",
    }  # fmt: skip
    one, two, three = (vendor.made("/licenses/find", {"license_key": key}) for key in keys)
    assert (one["type"], one["rules"]["seat_limit"], one["metadata"]) == ("timed", 7, {"order": "A-17"})
    assert (two["status"], two["policy"]) == ("suspended", "enterprise")
    assert vendor.ask("activate", {"key": keys[0], "product": product}, fingerprint()).status_code == 201
    assert vendor.ask("activate", {"key": keys[1], "product": product}, fingerprint()).json()["code"] == (
        "license_suspended"
    )
    assert vendor.admin("POST", f"/licenses/{three['id']}/reveal-key").json()["key"] == keys[2]


def test_json_lines_say_the_same(vendor: Vendor) -> None:
    product = vendor.product()
    lines = [json.dumps({"key": key, "policy": "consumer", "metadata": {"n": 1}}) for key in prefixed(product)[:5]]
    answer = send(vendor, "\n".join([*lines, "", ""]), f"format=jsonl&product={product}").json()
    assert (answer["done"], answer["imported"]) == (True, 5)


BAD = [
    ("weak", "weak_license_key"),
    ("{known}", "already_exists"),
    ("{first}", "already_exists"),
    ("", "missing_member"),
    ("has blank inside 123456", "bad_license_key"),
    ("{good},no-such-policy", "policy_not_found"),
    ("{good},consumer,timed", "invalid_argument"),
    ("{good},consumer,lifetime", "bad_member"),
    ("{good},consumer,,yesterday", "bad_time"),
    ("{good},consumer,timed,2001-01-01T00:00:00Z", "invalid_argument"),
    ("{good},consumer,,,nothing,extra", "bad_import"),
]


@pytest.mark.parametrize("skip_bad", [False, True])
def test_every_bad_line_is_told_with_its_number_and_nothing_is_imported_silently(
    vendor: Vendor,
    skip_bad: bool,  # noqa: FBT001
) -> None:
    product = vendor.product()
    keys = prefixed(product)
    known = vendor.license(product)["key"]
    rows = [f"{keys[0]},consumer,,"]
    expected = []
    for number, (row, code) in enumerate(BAD, 1):
        cells = row.format(known=known, first=keys[0], good=keys[number]).split(",")
        rows.append(",".join(cells + ["consumer", "", ""][len(cells) - 1 :]))
        expected.append((number + 2, code))
    rows.append(f"{keys[30]},consumer,,")
    text = "key,policy,type,expires_at\n" + "\n".join(rows)
    answer = send(vendor, text, f"format=csv&product={product}&skip_bad={str(skip_bad).lower()}").json()
    assert [(each["line"], each["code"]) for each in answer["bad"]] == expected
    assert (answer["done"], answer["bad_total"], answer["lines"]) == (False, len(BAD), len(BAD) + 2)
    assert answer["imported"] == (2 if skip_bad else 0)
    assert len(licenses_of(vendor, product)) == 1 + answer["imported"]
    assert known not in json.dumps(answer)


def test_an_import_is_repeated_safely(vendor: Vendor) -> None:
    product = vendor.product()
    text = "key\n" + "\n".join(prefixed(product)[:10])
    query = f"format=csv&product={product}&policy=consumer"
    assert send(vendor, text, f"{query}&dry_run=true").json()["imported"] == 0
    assert send(vendor, text, query).json()["imported"] == 10
    again = send(vendor, text, f"{query}&skip_known=true").json()
    assert (again["done"], again["imported"], again["skipped"]) == (True, 0, 10)
    assert send(vendor, text, query).json()["bad_total"] == 10


@pytest.mark.parametrize(
    ("text", "form", "code"),
    [
        ("name\nx", "csv", "bad_import"),
        ("key,key\nx,y", "csv", "bad_import"),
        ("key,colour\nx,y", "csv", "bad_import"),
        ("", "csv", "bad_import"),
        (b"key\n\xff\xfe", "csv", "bad_utf8"),
        ('key\n"open', "csv", None),
        ("[1]", "jsonl", None),
        ('{"key": "a", "key": "b"}', "jsonl", None),
        ('{"key": 5}', "jsonl", None),
        ('{"key": "x", "colour": "y"}', "jsonl", None),
    ],
)
def test_what_is_no_file_of_licenses_is_refused(vendor: Vendor, text: str | bytes, form: str, code: str | None) -> None:
    answer = send(vendor, text, f"format={form}&product=p&policy=consumer")
    if code is not None:
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    else:
        assert (answer.json()["done"], answer.json()["bad_total"], answer.json()["imported"]) == (False, 1, 0)


def two_policies(product: str, count: int) -> str:
    policies = itertools.cycle(("consumer", "enterprise"))
    lines = (f"{product}-{number:05d}-Zt5Wq-Kx9Lm-Pv3Rb,{next(policies)}" for number in range(count))
    return "\n".join(["key,policy", *lines])


def test_a_file_in_several_lots_is_imported_whole(vendor: Vendor) -> None:
    product = vendor.product()
    text = "key,policy\n" + "".join(
        f"{product}-{number:05d}-Zt5Wq-Kx9Lm-Pv3Rb,{('consumer', 'enterprise')[number % 2]}\n"
        for number in range(2_300)
    )
    answer = send(vendor, text, f"format=csv&product={product}").json()
    assert (answer["done"], answer["imported"]) == (True, 2_300)


# ── export ────────────────────────────────────────────────────────────────────────────────────────────────────────────

HOSTILE = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "\t=1", "'=1", 'a,b"c\r\nd', "<script>", "normal"]


def test_sec_39_an_export_holds_no_formula_and_no_key(vendor: Vendor) -> None:
    product = vendor.product()
    made = [vendor.license(product, metadata={text: text}) for text in HOSTILE]
    answer = vendor.admin("GET", f"/licenses/export?format=csv&product={product}")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    records = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [each["id"] for each in records] == [each["id"] for each in made[::-1]]
    for record in records:
        assert not any(str(cell).startswith(("=", "+", "-", "@", "\t", "\r")) for cell in record.values())
    assert not any(each["key"] in answer.text for each in made)
    lines = vendor.admin("GET", f"/licenses/export?format=jsonl&product={product}").text.splitlines()
    assert [json.loads(line)["metadata"] for line in lines] == [{text: text} for text in HOSTILE[::-1]]


@pytest.mark.parametrize("cell", [*HOSTILE, "", "''", "'", "'x", "''=1", "\r", "\n1"])
def test_sec_39_what_is_defused_is_read_back_as_it_was(cell: str) -> None:
    assert not guarded(cell).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert unguarded(guarded(cell)) == cell


def test_keys_leave_only_by_their_own_call_with_its_scope_and_the_audit_knows(vendor: Vendor) -> None:
    product = vendor.product()
    text = "key\n" + "\n".join(prefixed(product)[:6])
    send(vendor, text, f"format=csv&product={product}&policy=consumer")
    path = f"/licenses/export-keys?format=csv&product={product}"
    for scope in ("read", "issue", "support"):
        assert vendor.admin("POST", path, token=token_for(vendor, scope)).status_code == 403
    answer = vendor.admin("POST", path, token=token_for(vendor, "keys"))
    records = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert {each["key"] for each in records} == set(prefixed(product)[:6])
    assert answer.headers["cache-control"] == "no-store"
    audited = vendor.admin("GET", "/audit?action=license.keys_exported").json()["items"]
    assert audited[0]["details"] == {"product": product}


@pytest.mark.parametrize("filters", ["product=%00", "product=", "customer=%0A", "product=%ED%A0%80", "format=xml"])
@pytest.mark.parametrize("call", [("GET", "export"), ("POST", "export-keys")])
def test_a_filter_that_nothing_is_called_is_a_problem_and_no_broken_file(
    vendor: Vendor, call: tuple[str, str], filters: str
) -> None:
    answer = vendor.admin(call[0], f"/licenses/{call[1]}?{filters}")
    assert answer.status_code in {200, 400}
    if answer.status_code == 400:
        assert answer.json()["code"] in {"invalid_argument", "bad_request"}


def test_an_export_of_many_comes_in_pieces_and_whole(vendor: Vendor) -> None:
    product = vendor.product()
    made = vendor.admin("POST", "/licenses/bulk", {"product": product, "policy": "consumer", "count": 1_200})
    assert made.status_code == 201
    text = vendor.admin("GET", f"/licenses/export?format=jsonl&product={product}").text
    assert len({json.loads(line)["id"] for line in text.splitlines()}) == 1_200


def test_a_storage_that_fails_in_the_middle_is_told(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    from carnet.core.errors import StateError

    installation: Installation = vendor.installation
    product = vendor.product()
    real, calls = installation.imports._store, []

    async def failing(lot: Any, actor: Any, batch: str) -> int:
        calls.append(len(lot))
        if len(calls) == 2:
            raise StateError("storage_unavailable", "The disk is full.", "")
        return await real(lot, actor, batch)

    monkeypatch.setattr(installation.imports, "_store", failing)
    text = two_policies(product, 20)
    answer = send(vendor, text, f"format=csv&product={product}").json()
    assert (answer["done"], answer["imported"]) == (False, 10)
    assert "The disk is full." in answer["stopped"]
    monkeypatch.undo()
    rest = send(vendor, text, f"format=csv&product={product}&skip_known=true").json()
    assert (rest["done"], rest["imported"], rest["skipped"]) == (True, 10, 10)
