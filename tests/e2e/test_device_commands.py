"""The device's commands against a real server process: what they print, exit with, and leave behind."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from carnet import Carnet
from carnet.cli import exits
from carnet.formats.license_key import ALPHABET
from support.cli_runs import carnet, environment
from support.shop import Shop

DECISION_MEMBERS = [
    "state",
    "access",
    "reasons",
    "product",
    "license_id",
    "device",
    "license_expires_at",
    "offline_until",
    "grace_until",
    "days_left",
    "renew_after",
    "entitlements",
    "notice",
    "evidence_ids",
    "checked_at",
]


def mistyped(key: str, *positions: int) -> str:
    """*key* with another symbol at each of *positions* (of its 29 characters)."""
    symbols = list(key)
    for position in positions:
        symbols[position] = ALPHABET[(ALPHABET.index(symbols[position]) + 1) % len(ALPHABET)]
    return "".join(symbols)


def test_activate_then_decide_then_give_back(shop: Shop) -> None:
    device, made = shop.activated()
    status = shop.on(device, "status", "--json")
    assert (status.code, status.err) == (exits.OK, "")
    assert list(status.json) == DECISION_MEMBERS
    assert (status.json["state"], status.json["license_id"]) == ("active", made["id"])
    (seat,) = shop.vendor("activation", "list", made["id"])["items"]
    assert seat["device"] == status.json["device"]
    refreshed = shop.on(device, "refresh", "--json")
    assert refreshed.code == exits.OK
    assert refreshed.json["evidence_ids"] != status.json["evidence_ids"]
    given_back = shop.on(device, "deactivate", "--json")
    assert (given_back.code, given_back.json["state"]) == (exits.OK, "not_activated")
    assert shop.vendor("activation", "list", made["id"])["items"] == []
    assert shop.on(device, "deactivate", "--json").code == exits.OK
    assert shop.on(device, "status").code == exits.DENIED


def test_activating_again_takes_no_second_seat(shop: Shop) -> None:
    device, made = shop.activated()
    assert shop.on(device, "activate", "--license-key-stdin", stdin=made["key"]).code == exits.OK
    assert shop.vendor("license", "show", made["id"])["seats"]["used"] == 1


@pytest.mark.parametrize("way", ["environment", "file", "stdin"])
def test_the_key_comes_in_every_safe_way(shop: Shop, tmp_path: Path, way: str) -> None:
    made, device = shop.license(), shop.device()
    if way == "environment":
        run = shop.on(device, "activate", "--json", CARNET_LICENSE_KEY=made["key"])
    elif way == "file":
        file = tmp_path / "key.txt"
        file.write_text(f"\ufeff{made['key']}\r\n", encoding="utf-8")
        run = shop.on(device, "activate", "--license-key-file", file, "--json")
    else:
        run = shop.on(device, "activate", "--license-key-stdin", "--json", stdin=f"  {made['key'].lower()}\n")
    assert (run.code, run.json["state"]) == (exits.OK, "active")
    assert made["key"] not in run.out + run.err


def test_sec_33_a_key_on_the_command_line_is_not_sent(shop: Shop) -> None:
    made, device = shop.license(), shop.device()
    for words in (("activate", made["key"]), ("activate", "--license-key", made["key"])):
        run = shop.on(device, *words)
        assert run.code == exits.USAGE
        assert "every process" in run.err
        assert made["key"] not in run.err
    assert shop.vendor("license", "show", made["id"])["seats"]["used"] == 0


def test_without_a_key_and_a_terminal_it_says_how_to_give_one(shop: Shop) -> None:
    run = shop.on(shop.device(), "activate", "--json")
    assert (run.code, run.problem["code"]) == (exits.USAGE, "license_key_required")


def test_r_80_a_typing_error_is_shown_with_its_correction_and_nothing_is_activated(shop: Shop) -> None:
    made, device = shop.license(), shop.device()
    typed = mistyped(made["key"], 3, 16)
    run = shop.on(device, "activate", "--license-key-stdin", "--json", stdin=typed)
    assert (run.code, run.json["state"]) == (exits.NOT_FOUND, "not_activated")
    assert run.problem["proposal"]["key"] == made["key"]
    assert [change["position"] for change in run.problem["proposal"]["changes"]] == [4, 15]
    text = shop.on(device, "activate", "--license-key-stdin", stdin=typed)
    assert text.code == exits.NOT_FOUND
    assert "symbol 4:" in text.err
    assert shop.vendor("license", "show", made["id"])["seats"]["used"] == 0


def test_r_80_three_typing_errors_are_never_corrected(shop: Shop) -> None:
    made, device = shop.license(), shop.device()
    run = shop.on(device, "activate", "--license-key-stdin", "--json", stdin=mistyped(made["key"], 0, 9, 20))
    assert (run.code, run.err) == (exits.NOT_FOUND, "")
    assert run.json["reasons"][0]["code"] == "license_not_found"


def _in_a_terminal(words: list[str], env: dict[str, str], answers: list[str]) -> tuple[int, str]:
    """Run a command on a pseudo-terminal, answering each question (a line that waits) with the next answer."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "carnet.cli", *words],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=environment(env),
        close_fds=True,
    )
    os.close(follower)
    shown, asked = "", 0
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if not select.select([leader], [], [], 1)[0]:
            continue
        try:
            chunk = os.read(leader, 4096)
        except OSError:  # the other side closed
            break
        if not chunk:
            break
        shown += chunk.decode("utf-8", "replace")
        if asked < len(answers) and shown.endswith(("License key: ", "[Y/n] ")):
            os.write(leader, f"{answers[asked]}\n".encode())
            asked += 1
    code = process.wait(120)
    os.close(leader)
    return code, shown


def test_r_80_at_a_terminal_the_correction_is_confirmed(shop: Shop) -> None:
    made, device = shop.license(), shop.device()
    env = {k: v for k, v in shop.stage.device_environment(device).items() if k.startswith("CARNET_")}
    env |= {"TERM": "xterm", "NO_COLOR": ""}
    code, shown = _in_a_terminal(["activate"], env, [mistyped(made["key"], 6), "y"])
    assert code == exits.OK, shown
    assert "Use the corrected key?" in shown
    assert "active · full access" in shown
    assert "\x1b[32" in shown or "\x1b[1;32" in shown or "\x1b[32;1" in shown


def test_an_offline_server_changes_nothing_and_is_exit_6(shop: Shop) -> None:
    device, _ = shop.activated()
    nobody = "http://127.0.0.1:9"
    run = shop.on(device, "refresh", "--timeout", "5", "--json", CARNET_SERVER=nobody)
    assert (run.code, run.json["state"]) == (exits.OFFLINE, "active")
    assert (run.problem["code"], run.problem["retryable"]) == ("server_unreachable", True)
    fresh = shop.on(shop.device(), "activate", "--license-key-stdin", "--json", CARNET_SERVER=nobody, stdin="x" * 12)
    assert (fresh.code, fresh.json["state"]) == (exits.OFFLINE, "not_activated")
    assert shop.on(device, "deactivate", "--timeout", "5", CARNET_SERVER=nobody).code == exits.OFFLINE
    assert shop.on(device, "status").code == exits.OK


def test_a_full_license_refuses_and_names_the_reason(shop: Shop) -> None:
    made = shop.license("--set", "seat_limit=1")
    shop.on(shop.device(), "activate", "--license-key-stdin", stdin=made["key"])
    run = shop.on(shop.device(), "activate", "--license-key-stdin", "--json", stdin=made["key"])
    assert (run.code, run.json["reasons"][0]["code"]) == (exits.DENIED, "seat_limit_reached")
    (seat,) = shop.vendor("activation", "list", made["id"])["items"]
    assert shop.vendor("activation", "deactivate", seat["id"], "--reason", "lost")["deactivated_at"] is not None


@pytest.mark.parametrize(("verb", "state"), [("suspend", "suspended"), ("revoke", "revoked")])
def test_what_the_vendor_stops_is_refused_at_the_next_contact(shop: Shop, verb: str, state: str) -> None:
    device, made = shop.activated()
    shop.vendor("license", verb, made["id"])
    assert shop.on(device, "status", "--json").json["state"] == "active"
    refused = shop.on(device, "refresh", "--json")
    assert (refused.code, refused.json["state"]) == (exits.DENIED, state)
    assert shop.on(device, "status", "--json").json["state"] == state
    if verb == "suspend":
        shop.vendor("license", "reinstate", made["id"])
        assert shop.on(device, "refresh").code == exits.OK


def test_prepare_offline_takes_what_the_policy_allows(shop: Shop) -> None:
    device, _ = shop.activated("--set", "max_offline_ttl_seconds=5184000")
    before = shop.on(device, "status", "--json").json
    longer = shop.on(device, "prepare-offline", "--json")
    assert longer.code == exits.OK
    assert longer.json["days_left"] == 60 > before["days_left"]
    assert shop.on(device, "prepare-offline", "--for", "45d", "--json").json["days_left"] == 45
    assert shop.on(device, "prepare-offline", "--for", "soon").code == exits.USAGE


def test_a_copied_state_directory_is_another_devices(shop: Shop) -> None:
    device, _ = shop.activated()
    other = shop.device()
    shutil.copytree(device.state, other.state, dirs_exist_ok=True)
    run = shop.on(other, "status", "--json")
    assert (run.code, run.json["state"]) == (exits.DENIED, "wrong_device")
    assert shop.on(device, "status").code == exits.OK


def test_what_status_shows_a_person(shop: Shop) -> None:
    device, made = shop.activated()
    run = shop.on(device, "status")
    assert run.out.startswith("active · full access\n")
    assert made["id"] in run.out
    assert "then grace until" in run.out
    assert "\x1b" not in run.out
    assert str(device.state) in run.err


def test_users_ask_35_command_and_library_agree_on_the_fingerprint(shop: Shop) -> None:
    device = shop.device()
    run = shop.on(device, "fingerprint", "--json")
    library = Carnet(product="hustl", root=shop.stage.root_path, state=device.state, device_id=device.id)
    assert run.json["fingerprint"] == library.info().fingerprint
    assert shop.on(device, "fingerprint").out.strip() == run.json["fingerprint"]
    without_root = carnet("fingerprint", "--product", "hustl", "--device-id", device.id)
    assert without_root.out == f"{run.json['fingerprint']}\n"
    assert list(device.state.iterdir()) == []


def test_users_ask_37_every_byte_of_an_activation_can_be_seen_and_is_not_sent(shop: Shop) -> None:
    made, device = shop.license(), shop.device()
    run = shop.on(device, "fingerprint", "--show", "--json", CARNET_SERVER="https://license.example.com")
    assert run.json["url"] == "https://license.example.com/v1/activate"
    body = json.loads(run.json["body"])
    assert set(body) == {"license_key", "product", "device", "nonce", "root_version"}
    assert set(body["device"]) == {"fingerprint", "platform", "public_key", "components"}
    # A declared identity is all that such a device says of itself.
    assert [component["kind"] for component in body["device"]["components"]] == ["declared"]
    assert int(run.json["headers"]["content-length"]) == len(run.json["body"])
    assert device.id not in run.out
    assert list(device.state.iterdir()) == []
    text = shop.on(device, "fingerprint", "--show").out
    assert text.startswith("POST http://127.0.0.1")
    assert shop.vendor("license", "show", made["id"])["seats"]["used"] == 0


def test_the_device_commands_say_which_setting_is_missing() -> None:
    for words, variable in (
        (("status",), "CARNET_PRODUCT"),
        (("status", "--product", "hustl"), "CARNET_ROOT"),
        (("refresh", "--product", "hustl"), "CARNET_SERVER"),
        (("fingerprint",), "CARNET_PRODUCT"),
    ):
        run = carnet(*words)
        assert run.code == exits.USAGE
        assert variable in run.err


def test_a_status_in_a_real_process_is_light(shop: Shop) -> None:
    device, _ = shop.activated()
    script = (
        "import sys; from carnet.cli.main import main; code = main(['status']);"
        "heavy = {'httpx2', 'carnet.server', 'rich', 'sqlalchemy', 'litestar', 'asyncio'} & set(sys.modules);"
        "sys.exit(9 if heavy else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=shop.stage.device_environment(device), check=False, capture_output=True
    )
    assert done.returncode == exits.OK, done.stderr


def test_a_machine_file_from_the_wire_verifies_on_its_device_only(shop: Shop, tmp_path: Path) -> None:
    import httpx2

    made, device = shop.license(), shop.device()
    fingerprint = shop.on(device, "fingerprint").out.strip()
    body = {"license_key": made["key"], "product": "hustl", "device": {"fingerprint": fingerprint}}
    with httpx2.Client(trust_env=False, timeout=120) as client:
        answer = client.post(f"{shop.stage.url}/v1/activate", json=body)
    assert answer.status_code == 201
    for kind, text in (("token", answer.json()["token"]), ("machine-file", answer.json()["machine_file"])):
        file = tmp_path / kind
        file.write_text(text)
        run = shop.on(device, "verify", file, "--license-key-stdin", "--json", stdin=made["key"])
        assert (run.code, run.json["state"], run.json["kind"]) == (exits.OK, "active", kind)
        elsewhere = shop.on(shop.device(), "verify", file, "--license-key-stdin", "--json", stdin=made["key"])
        assert (elsewhere.code, elsewhere.json["state"]) == (exits.DENIED, "wrong_device")
