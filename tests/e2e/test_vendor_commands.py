"""The vendor's commands on a real installation, by transcript."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from carnet.cli import exits
from carnet.formats.license_key import canonical_license_key
from carnet.formats.root import anchor, read_root
from support.cli_runs import carnet
from support.shop import Shop

NOWHERE = "01a20000-0000-7000-8000-000000000000"


def test_init_prints_exactly_what_scripts_rely_on(office: Shop) -> None:
    assert list(office.created) == ["data", "anchor", "root_path", "root_key_paths", "admin_token"]
    root = Path(office.created["root_path"]).read_bytes()
    assert office.created["anchor"] == anchor(root)
    assert read_root(root).version == 1
    assert all(Path(path).is_file() for path in office.created["root_key_paths"])


def test_users_ask_03_init_asks_nothing_and_may_be_repeated(tmp_path: Path, empty: dict[str, str]) -> None:
    words = ("init", "--root-keys", tmp_path / "root", "--json")
    first = carnet(*words, env=empty)
    assert first.code == exits.OK
    again = carnet(*words, env=empty)
    assert (again.code, again.out) == (exits.CONFLICT, "")
    assert again.problem["code"] == "already_initialised"
    needed = carnet(*words, "--if-needed", env=empty)
    assert needed.code == exits.OK
    assert needed.json["anchor"] == first.json["anchor"]
    assert needed.json["admin_token"] is None


def test_users_ask_03_two_installations_are_made_from_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = [carnet("init", "--json", env={"CARNET_DATA": f"data-{number}"}).json for number in (1, 2, 3)]
    folders = [Path(path).parent.name for one in made for path in one["root_key_paths"]]
    assert folders == ["carnet-root", "carnet-root-2", "carnet-root-3"]
    assert all(Path(path).is_file() for one in made for path in one["root_key_paths"])
    named = carnet("init", "--root-keys", "carnet-root", "--json", env={"CARNET_DATA": "data-4"})
    assert (named.code, named.problem["code"]) == (exits.CONFLICT, "root_keys_exist")


def test_users_ask_03_the_data_directory_may_be_the_folder_one_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    made = carnet("init", "--json", env={"CARNET_DATA": "."}).json
    assert made["root_key_paths"] == [str(tmp_path / "data-root" / "root-key-1-of-1.json")]
    assert (tmp_path / "data" / "carnet.db").is_file()
    inside = carnet("init", "--data", tmp_path, "--root-keys", tmp_path / "root", "--json")
    assert (inside.code, inside.problem["code"]) == (exits.USAGE, "root_keys_inside_data")


def test_init_makes_two_of_three_root_keys(tmp_path: Path, empty: dict[str, str]) -> None:
    words = ("init", "--root-keys", tmp_path / "root", "--root-count", "3", "--root-threshold", "2", "--json")
    made = carnet(*words, env=empty).json
    assert len(made["root_key_paths"]) == 3
    role = read_root(Path(made["root_path"]).read_bytes()).role("root")
    assert role is not None
    assert (len(role.kids), role.threshold) == (3, 2)


def test_a_wrong_or_missing_passphrase_is_said_plainly(tmp_path: Path, empty: dict[str, str]) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("correct horse battery staple\n")
    wrong.write_text("incorrect horse\n")
    root_keys = tmp_path / "root"
    made = carnet("init", "--root-keys", root_keys, "--passphrase-file", right, "--json", env=empty)
    assert made.code == exits.OK
    assert carnet("product", "list", "--passphrase-file", right, env=empty).code == exits.OK
    assert carnet("product", "list", "--json", env={**empty, "CARNET_PASSPHRASE_FILE": str(right)}).code == exits.OK
    refused = carnet("product", "list", "--passphrase-file", wrong, "--json", env=empty)
    assert (refused.code, refused.problem["code"]) == (exits.AUTH, "wrong_passphrase")
    missing = carnet("product", "list", "--json", env=empty)
    assert (missing.code, missing.problem["code"]) == (exits.AUTH, "passphrase_needed")
    assert "horse" not in refused.err + missing.err


def test_without_an_installation_every_command_says_what_to_do(empty: dict[str, str]) -> None:
    for words in (("product", "list"), ("license", "list"), ("audit", "list"), ("serve", "--port", "0")):
        run = carnet(*words, env=empty)
        assert run.code in {exits.FAILED, exits.NOT_FOUND}
        assert "carnet init" in run.err
        assert "Traceback" not in run.err


def test_a_name_may_be_a_word_or_an_option(office: Shop) -> None:
    assert office.vendor("product", "create", "--id", "plug-in")["id"] == "plug-in"
    assert office.vendor("product", "show", "plug-in") == office.vendor("product", "show", "--id", "plug-in")
    assert office.run("product", "show").code == exits.USAGE
    assert office.run("product", "show", "a", "--id", "b").code == exits.USAGE
    assert office.run("product", "create", "plug-in").code == exits.CONFLICT
    assert office.run("product", "show", "nothing").code == exits.NOT_FOUND


def test_a_license_prints_exactly_id_key_product_policy_and_end(office: Shop) -> None:
    made = office.license("--expires-at", "2027-05-01T00:00:00Z")
    assert list(made) == ["id", "key", "product", "policy", "expires_at"]
    assert (made["product"], made["policy"], made["expires_at"]) == ("hustl", "consumer", "2027-05-01T00:00:00Z")
    assert canonical_license_key(made["key"]) == made["key"]
    assert office.license()["expires_at"] is None


def test_for_people_the_key_alone_is_data(office: Shop) -> None:
    run = office.run("license", "create", "--product", "hustl", "--policy", "consumer")
    assert canonical_license_key(run.out.strip()) == run.out.strip()


def test_rel_15_a_date_counts_until_it_has_ended_everywhere(office: Shop) -> None:
    assert office.license("--expires-at", "2028-02-29")["expires_at"] == "2028-03-01T12:00:00Z"
    run = office.run("license", "create", "--product", "hustl", "--policy", "consumer", "--expires-at", "2027-02-29")
    assert run.code == exits.USAGE


def test_a_license_lives_its_life(office: Shop) -> None:
    made = office.license("--duration", "365d")
    license_id = made["id"]
    assert office.vendor("license", "suspend", license_id, "--reason", "unpaid")["status"] == "suspended"
    assert office.vendor("license", "reinstate", license_id)["status"] == "active"
    renewed = office.vendor("license", "renew", license_id, "--duration", "30d")
    assert renewed["expires_at"] > made["expires_at"]
    assert office.vendor("license", "reveal-key", license_id) == {"id": license_id, "key": made["key"]}
    assert office.vendor("license", "revoke", license_id)["status"] == "revoked"
    assert office.run("license", "reinstate", license_id).code == exits.CONFLICT
    actions = [entry["action"] for entry in office.vendor("audit", "list", "--object", license_id)["items"]]
    assert actions[0] == "license.revoked"
    assert len(actions) >= 5


def test_a_license_is_found_by_its_key_and_shows_only_its_end(office: Shop) -> None:
    made = office.license()
    run = office.run("license", "show", "--license-key-stdin", "--json", stdin=made["key"].lower())
    assert run.json["id"] == made["id"]
    assert run.json["key_last_four"] == made["key"][-4:]
    assert made["key"] not in run.out + office.run("license", "show", made["id"]).out


def test_overrides_change_one_license_only(office: Shop) -> None:
    made = office.license("--set", "seat_limit=5", "--set", 'entitlements=["export-pdf"]')
    shown = office.vendor("license", "show", made["id"])
    assert shown["seats"] == {"limit": 5, "used": 0}
    assert [entitlement["key"] for entitlement in shown["entitlements"]] == ["export-pdf"]
    words = ("license", "create", "--product", "hustl", "--policy", "consumer", "--set")
    bad = office.run(*words, "seat_limit=0", "--json")
    assert (bad.code, bad.problem["code"]) == (exits.USAGE, "bad_policy")
    assert office.run(*words, "nonsense").code == exits.USAGE


def test_policies_start_from_a_preset(office: Shop) -> None:
    words = ("--product", "hustl", "--from", "professional", "--offline", "60d", "--grace", "14d", "--seats", "7")
    made = office.vendor("policy", "create", "studio", *words, "--feature", "export-pdf", "--essential", "open")
    rules = made["rules"]
    assert (rules["offline_ttl_seconds"], rules["grace_seconds"], rules["seat_limit"]) == (60 * 86400, 14 * 86400, 7)
    assert office.vendor("policy", "show", "studio", "--product", "hustl") == made
    names = [policy["name"] for policy in office.vendor("policy", "list", "--product", "hustl")["items"]]
    assert names == ["consumer", "enterprise", "professional", "studio"]
    presets = office.vendor("policy", "presets")["items"]
    assert [preset["name"] for preset in presets] == ["consumer", "professional", "enterprise"]
    unknown = office.run("policy", "create", "x", "--product", "hustl", "--from", "nothing")
    assert unknown.code == exits.NOT_FOUND


def test_customers_hold_licenses(office: Shop) -> None:
    customer = office.vendor("customer", "create", "Acme Ltd", "--email", "it@acme.example")
    made = office.license("--customer", customer["id"])
    held = office.vendor("license", "list", "--customer", customer["id"])["items"]
    assert [item["id"] for item in held] == [made["id"]]
    assert office.vendor("customer", "show", customer["id"]) == customer
    assert customer["id"] in office.run("customer", "list").out


def test_lists_continue_where_they_ended(office: Shop) -> None:
    for _ in range(3):
        office.license()
    first = office.vendor("license", "list", "--limit", "2")
    assert (len(first["items"]), first["has_more"]) == (2, True)
    rest = office.vendor("license", "list", "--cursor", first["next_cursor"])
    assert not {item["id"] for item in first["items"]} & {item["id"] for item in rest["items"]}
    assert (rest["has_more"], rest["next_cursor"]) == (False, None)
    everything = office.vendor("license", "list", "--limit", "1000")["items"]
    assert everything == [*first["items"], *rest["items"]]


@pytest.mark.parametrize(
    "words",
    [
        ("license", "show", NOWHERE),
        ("license", "revoke", NOWHERE),
        ("license", "renew", NOWHERE),
        ("license", "reveal-key", NOWHERE),
        ("activation", "list", NOWHERE),
        ("activation", "deactivate", NOWHERE),
        ("customer", "show", NOWHERE),
        ("policy", "show", "nothing", "--product", "hustl"),
        ("license", "create", "--product", "nothing", "--policy", "consumer"),
        ("license", "create", "--product", "hustl", "--policy", "nothing"),
    ],
)
def test_what_is_not_there_is_exit_3(office: Shop, words: tuple[str, ...]) -> None:
    run = office.run(*words, "--json")
    assert (run.code, run.out) == (exits.NOT_FOUND, "")
    assert run.problem["code"].endswith("_not_found")


def test_the_database_says_its_version(office: Shop, empty: dict[str, str]) -> None:
    state = office.vendor("db", "current")
    assert state["is_current"]
    assert state["current"] == state["latest"]
    assert office.vendor("db", "upgrade") == state
    assert carnet("db", "current", env=empty).code == exits.NOT_FOUND


def test_users_ask_02_doctor_finds_what_is_wrong_and_says_how_to_fix_it(office: Shop, tmp_path: Path) -> None:
    healthy = office.vendor("doctor")
    assert healthy["ok"]
    assert {check["name"] for check in healthy["checks"]} >= {
        "data",
        "permissions",
        "keys",
        "database",
        "signer",
        "root",
    }
    sick = tmp_path / "sick"
    shutil.copytree(office.stage.data, sick)
    (sick / "secrets" / "pepper").chmod(0o644)
    shutil.copy(next(office.stage.root_keys.iterdir()), sick)
    run = carnet("doctor", "--json", env={"CARNET_DATA": str(sick), "CARNET_PORT": str(office.stage.port)})
    assert run.code == exits.FAILED
    wrong = {check["name"]: check for check in run.json["checks"] if check["health"] == "problem"}
    assert set(wrong) >= {"permissions", "root keys"}
    assert all(check["fix"] for check in wrong.values())
    text = carnet("doctor", env={"CARNET_DATA": str(tmp_path / "nowhere")})
    assert (text.code, "carnet init" in text.out) == (exits.FAILED, True)


def test_sec_33_no_command_of_the_vendor_prints_a_key_unasked(office: Shop) -> None:
    made = office.license()
    listings = [
        office.run(*words).out + office.run(*words, "--json").out
        for words in (("license", "list"), ("license", "show", made["id"]), ("audit", "list"), ("doctor",))
    ]
    assert made["key"] not in "".join(listings)
    assert re.search(rf"…{made['key'][-4:]}", listings[0])


def test_the_json_of_the_commands_is_the_json_of_the_admin_api(shop: Shop) -> None:
    import httpx2

    customer = shop.vendor("customer", "create", "Acme Ltd", "--email", "it@acme.example")
    made = shop.license("--customer", customer["id"], "--duration", "30d", "--set", "seat_limit=5")
    shop.on(shop.device(), "activate", "--license-key-stdin", stdin=made["key"])
    pairs = {
        "/v1/admin/products/hustl": ("product", "show", "hustl"),
        "/v1/admin/products": ("product", "list"),
        "/v1/admin/policies?product=hustl": ("policy", "list", "--product", "hustl"),
        f"/v1/admin/customers/{customer['id']}": ("customer", "show", customer["id"]),
        f"/v1/admin/licenses/{made['id']}": ("license", "show", made["id"]),
        "/v1/admin/licenses?limit=1": ("license", "list", "--limit", "1"),
        f"/v1/admin/activations?license_id={made['id']}": ("activation", "list", made["id"]),
        f"/v1/admin/audit?object_id={made['id']}": ("audit", "list", "--object", made["id"]),
    }
    headers = {"Authorization": f"Bearer {shop.created['admin_token']}"}
    with httpx2.Client(trust_env=False, headers=headers) as client:
        for path, words in pairs.items():
            answer = client.get(shop.stage.url + path)
            assert answer.status_code == 200, path
            assert answer.json() == shop.vendor(*words), path


def test_sec_36_admin_tokens_are_made_with_scopes_and_products_listed_and_revoked(office: Shop) -> None:
    made = office.run(
        "apikey", "create", "--name", "Shop", "--scope", "issue", "--scope", "read", "--product", "hustl", "--json"
    )
    assert made.code == exits.OK, made.err
    token = made.json["token"]
    assert (made.json["scopes"], made.json["products"]) == (["issue", "read"], ["hustl"])
    free = office.run("apikey", "create", "--name", "Everything", "--json").json
    assert (free["scopes"], free["products"]) == (["admin"], None)
    unknown = office.run("apikey", "create", "--name", "x", "--product", "no-such-product", "--json")
    assert (unknown.code, unknown.problem["code"]) == (exits.NOT_FOUND, "product_not_found")
    listed = office.run("apikey", "list")
    assert token not in listed.out
    for shown in ("Shop", "issue, read", "hustl", "Everything", "all"):
        assert shown in listed.out
    revoked = office.vendor("apikey", "revoke", "--id", made.json["id"])
    assert revoked["revoked_at"] is not None
    assert revoked["products"] == ["hustl"]
