"""SEC-24 over HTTP: whether a file was issued here, and the list of what came that was not."""

from __future__ import annotations

import gzip
from typing import Any

import httpx2
import pytest

from carnet.core._base import replace
from carnet.core.instant import Instant
from carnet.formats.bundle import Bundle, write_bundle
from carnet.formats.encoding import b64url_encode
from carnet.formats.keys import Ed25519Signer
from carnet.formats.license_token import issue_license_token, verify_license_token
from carnet.formats.limits import MAX_BUNDLE
from carnet.server.ports.never_issued import Stranger
from support.drills import stolen
from support.vendor import Vendor, fingerprint


def judged(vendor: Vendor, content: str | bytes, **headers: str) -> httpx2.Response:
    headers |= {"Authorization": f"Bearer {vendor.admin_token}"}
    return vendor.http.post("/v1/admin/artifacts/check", content=content, headers=headers)


def activated(vendor: Vendor) -> Any:
    return vendor.ask("activate", vendor.license(policy="professional"), fingerprint()).json()


def forged(vendor: Vendor, token: str, **changes: Any) -> str:
    return issue_license_token(
        replace(verify_license_token(token, vendor.ring), **changes), stolen(vendor.installation, "token")
    )


def test_sec_24_what_was_issued_is_told_as_issued(vendor: Vendor) -> None:
    seat = activated(vendor)
    before = vendor.admin("GET", "/never-issued").text
    bundle = write_bundle(Bundle(token=seat["token"], machine_file=seat["machine_file"]))
    for content, kinds in ((seat["token"], ["token"]), (f"{seat['token']}\r\n", ["token"]), (bundle, ["token", "machine-file"])):  # noqa: E501 # fmt: skip
        answer = judged(vendor, content).json()
        assert (answer["verdict"], answer["reasons"]) == ("issued", []), answer
        assert [each["kind"] for each in answer["items"]] == kinds
        assert {(each["verdict"], each["key_state"]) for each in answer["items"]} == {("as_issued", "active")}
        assert {each["activation_id"] for each in answer["items"]} == {seat["activation"]["id"]}
    assert vendor.admin("GET", "/never-issued").text == before


def test_sec_24_what_was_never_issued_is_told_and_stands_in_the_list(vendor: Vendor) -> None:
    seat = activated(vendor)
    unknown = forged(vendor, seat["token"], id=f"forged-{seat['activation']['id']}")
    differs = forged(vendor, seat["token"], customer="somebody else")
    answers = [judged(vendor, each).json() for each in (unknown, differs)]
    assert [each["verdict"] for each in answers] == ["never_issued", "never_issued"]
    items = [each["items"][0] for each in answers]
    assert [(each["verdict"], each["differs"]) for each in items] == [("unknown", []), ("differs", ["customer"])]
    listed = vendor.admin("GET", f"/never-issued?product={items[0]['product']}").json()["items"]
    assert {(each["jti"], each["reason"], each["proved"], each["times"]) for each in listed} == {
        (items[0]["jti"], "unknown", True, 1),
        (items[1]["jti"], "differs", True, 1),
    }
    assert {each["license_id"] for each in listed} == {seat["license"]["id"]}
    audit = vendor.admin("GET", f"/audit?object_id={items[0]['jti']}").json()["items"]
    assert [each["action"] for each in audit] == ["artifact.never_issued"]


def test_sec_24_what_cannot_be_known_is_said_with_its_reason_and_worries_nobody(vendor: Vendor) -> None:
    seat = activated(vendor)
    other = issue_license_token(verify_license_token(seat["token"], vendor.ring), Ed25519Signer(b"z" * 32))
    closed = write_bundle(Bundle(token=seat["token"], machine_file=activated(vendor)["machine_file"]))
    before = vendor.admin("GET", "/never-issued").text
    for content, code, items in (
        (other, "unknown_key", 0),
        (seat["token"][:-4] + "AAAA", "bad_signature", 0),
        (seat["machine_file"], "artifact_unreadable", 0),
        (write_bundle(Bundle(machine_file=seat["machine_file"])), "artifact_unreadable", 0),
        ("", "unknown_artifact", 0),
        (b"\xff\x00\n" * 100, "unknown_artifact", 0),
        (b"x" * MAX_BUNDLE, "unknown_artifact", 0),
        (closed, "machine_file_closed", 1),
    ):
        answer = judged(vendor, content)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["verdict"], [each["code"] for each in told["reasons"]]) == ("cannot_know", [code])
        assert [each["verdict"] for each in told["items"]] == ["as_issued"] * items
    assert vendor.admin("GET", "/never-issued").text == before


def test_sec_36_support_has_files_checked_and_who_reads_sees_the_list(vendor: Vendor) -> None:
    token = activated(vendor)["token"]
    may = {"support": (200, 403), "read": (403, 200), "issue": (403, 403), "keys": (403, 403)}
    for scope, statuses in may.items():
        bearer = vendor.made("/apikeys", {"name": scope, "scopes": [scope]})["token"]
        headers = {"Authorization": f"Bearer {bearer}"}
        check = vendor.http.post("/v1/admin/artifacts/check", content=token, headers=headers)
        listed = vendor.admin("GET", "/never-issued", token=bearer)
        assert (check.status_code, listed.status_code) == statuses, scope


def test_a_forged_token_beside_a_file_that_stays_closed_is_never_issued(vendor: Vendor) -> None:
    token = forged(vendor, activated(vendor)["token"], id="forged-beside")
    told = judged(vendor, write_bundle(Bundle(token=token, machine_file=activated(vendor)["machine_file"]))).json()
    assert (told["verdict"], [each["code"] for each in told["reasons"]]) == ("never_issued", ["machine_file_closed"])


def test_sec_49_what_is_too_large_or_compressed_is_refused(vendor: Vendor) -> None:
    packed = judged(vendor, gzip.compress(b"x" * 1000), **{"Content-Encoding": "gzip"})
    assert packed.json()["code"] == "compressed_body"
    headers = {"Authorization": f"Bearer {vendor.admin_token}"}
    with httpx2.Client(base_url=vendor.live.url, timeout=30) as http:  # its connection is not used again
        large = http.post("/v1/admin/artifacts/check", content=b"x" * (MAX_BUNDLE + 1), headers=headers)
    assert (large.status_code, large.json()["code"]) == (413, "too_large")


def test_sec_24_what_was_found_is_counted_for_those_who_watch(vendor: Vendor) -> None:
    def counted(name: str) -> float:
        lines = vendor.http.get("/metrics").text.splitlines()
        return float(next(line.rpartition(" ")[2] for line in lines if line.startswith(f"carnet_{name} ")))

    def counts() -> list[float]:
        return [counted(f'artifacts_never_issued_total{{proved="{proved}"}}') for proved in ("yes", "no")]

    yes, no = counts()
    product = vendor.product()
    told = stranger(product, "counted", 1_800_000_000)
    recorded(vendor, told, stranger(product, "counted too", 1_800_000_000))
    assert counts() == [yes, no + 2]
    recorded(vendor, told)
    assert counts() == [yes, no + 2], "seen again is not found again"
    recorded(vendor, replace(told, proved=True))
    assert counts() == [yes + 1, no + 2]
    judged(vendor, forged(vendor, activated(vendor)["token"], id="forged-for-the-count"))
    assert counts() == [yes + 2, no + 2]
    dropped = counted("held_artifacts_dropped_total")
    vendor.installation.seen.dropped += 3
    assert counted("held_artifacts_dropped_total") == dropped + 3


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def recorded(vendor: Vendor, *strangers: Stranger) -> None:
    vendor.on_the_servers_loop(vendor.installation.seen.record(strangers))


def stranger(product: str, jti: str, at: int, **changes: Any) -> Stranger:
    made = Stranger(
        jti=jti,
        kid="k" * 43,
        expires_at=Instant(4_000_000_000),
        kind="token",
        issued_at=Instant(1_700_000_000),
        reason="unknown",
        proved=False,
        product=product,
        license_id=None,
        activation_id=None,
        first_seen_at=Instant(at),
        last_seen_at=Instant(at),
    )
    return replace(made, **changes)


def pages(vendor: Vendor, query: str, limit: int) -> list[list[str]]:
    """The ids on each page, along `next_cursor`, which the `Link` header says as well."""
    found, cursor = [], ""
    while True:
        answer = vendor.admin("GET", f"/never-issued?{query}&limit={limit}{cursor}")
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found.append([each["jti"] for each in page["items"]])
        assert (page["next_cursor"] is not None) is page["has_more"] is ("link" in answer.headers)
        if not page["has_more"]:
            return found
        cursor = f"&cursor={page['next_cursor']}"
        assert page["next_cursor"] in answer.headers["link"]


def test_the_list_is_paged_by_the_first_sight_whatever_is_seen_again_meanwhile(vendor: Vendor) -> None:
    product = vendor.product()
    # Of one second, of one id, of ids with every kind of character: the place of each is its own.
    made = [stranger(product, f"of-one-second-{number}", 1_800_000_000) for number in range(3)]
    made += [stranger(product, "one-id", 1_800_000_001, kid=kid * 43) for kid in "ab"]
    made += [stranger(product, "one-id", 1_800_000_001, kid="a" * 43, expires_at=Instant(9))]
    made += [stranger(product, "ä€🔑 \"'%_&=" + "ß" * 240, 1_800_000_002)]
    recorded(vendor, *made)
    whole = pages(vendor, f"product={product}", 500)[0]
    assert len(whole) == 7
    assert whole[0].startswith("ä€🔑")
    assert whole[-3:] == ["of-one-second-2", "of-one-second-1", "of-one-second-0"]
    for limit in (1, 2, 6, 7):
        turned = pages(vendor, f"product={product}", limit)
        assert [jti for page in turned for jti in page] == whole
        assert len(turned) == -(-7 // limit)
    first = vendor.admin("GET", f"/never-issued?product={product}&limit=3").json()
    recorded(vendor, *(replace(each, last_seen_at=Instant(1_900_000_000)) for each in made))
    rest = vendor.admin("GET", f"/never-issued?product={product}&cursor={first['next_cursor']}").json()
    assert [each["jti"] for each in (*first["items"], *rest["items"])] == whole
    assert {(each["times"], each["last_seen_at"]) for each in rest["items"]} == {(2, "2030-03-17T17:46:40Z")}


def test_the_list_is_narrowed_by_key_product_and_proof(vendor: Vendor) -> None:
    product, other = vendor.product(), vendor.product()
    recorded(
        vendor,
        stranger(product, "told", 1_800_000_000),
        stranger(product, "proved", 1_800_000_001, proved=True),
        stranger(product, "of-another-key", 1_800_000_002, kid="q" * 43),
        stranger(other, "of-another-product", 1_800_000_003),
    )

    def ids(query: str) -> list[str]:
        return pages(vendor, query, 500)[0]

    assert ids(f"product={product}") == ["of-another-key", "proved", "told"]
    assert ids(f"product={product}&proved=true") == ["proved"]
    assert ids(f"product={product}&proved=false&kid={'k' * 43}") == ["told"]
    assert ids(f"kid={'q' * 43}") == ["of-another-key"]
    assert ids("kid=no-such-key") == []
    assert ids(f"product={vendor.product()}") == []
    unknown = vendor.admin("GET", "/never-issued?product=no-such-product")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "product_not_found")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "äöü",
        b64url_encode(b"{}"),
        b64url_encode(b"[1]"),
        b64url_encode(b'["1","j","k",1]'),
        b64url_encode(b'[1,"j","k",-1]'),
        b64url_encode(b'[1,"j","k",253402300800]'),
        b64url_encode(b'[1,"j","k",1,1]'),
        "A" * 2048,
    ],
)
def test_a_cursor_that_is_none_is_refused(vendor: Vendor, cursor: str) -> None:
    answer = vendor.admin("GET", f"/never-issued?cursor={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
