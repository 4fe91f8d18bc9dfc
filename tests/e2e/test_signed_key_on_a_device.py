"""A customer without a network, with nothing but a signed key and the vendor's root: the commands, as processes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from carnet.core.instant import DAY, Instant
from carnet.core.model import Entitlement
from carnet.formats.signed_key import issue_signed_key
from support.cli_runs import Run, carnet, carnet_process
from support.cli_vendor import KEY_SIGNER, STRANGER, root_file, write
from support.signed_keys import key_grant

KEY = issue_signed_key(
    key_grant(
        kid=KEY_SIGNER.kid,
        issued_at=Instant(int(time.time()) - 60),
        expires_at=Instant(int(time.time()) + 365 * DAY),
        entitlements=(Entitlement(key="export-pdf"),),
    ),
    KEY_SIGNER,
)


class Site:
    """A device that has the root file and no server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            "CARNET_PRODUCT": "hustl",
            "CARNET_ROOT": str(write(folder, "root.json", root_file())),
            "CARNET_STATE": str(folder / "state"),
            "CARNET_DEVICE_ID": "line-4",
        }

    def run(self, *words: str | Path, stdin: str = "", **env: str) -> Run:
        return carnet_process(*words, stdin=stdin, env={**self.env, **env})


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_users_ask_51_one_environment_variable_is_enough(site: Site) -> None:
    status = site.run("status", "--json", CARNET_LICENSE_KEY=KEY)
    assert (status.code, status.json["state"], status.json["renew_after"]) == (0, "active", None)
    assert [entry["key"] for entry in status.json["entitlements"]] == ["export-pdf"]
    assert site.run("status", "--json").json["state"] == "not_activated"
    assert not (site.folder / "state" / "hustl").exists()


def test_a_typed_key_is_kept_and_forgotten_without_a_server(site: Site) -> None:
    activated = site.run("activate", "--license-key-stdin", "--json", stdin=f"{KEY.lower()}\n")
    assert (activated.code, activated.json["state"]) == (0, "active")
    assert site.run("status", "--json").json["state"] == "active"
    gone = site.run("deactivate", "--json")
    assert (gone.code, gone.json["state"]) == (0, "not_activated")
    again = site.run("deactivate", "--json")
    assert (again.code, again.problem["code"]) == (2, "server_required")
    short = site.run("activate", "--license-key-stdin", "--json", stdin="01234-56789-ABCDE-FGHJK-DF2MM\n")
    assert (short.code, short.problem["code"]) == (2, "server_required")


def test_support_reads_the_key_and_the_vendor_checks_it(site: Site) -> None:
    file = write(site.folder, "key.txt", f"{KEY}\r\n")
    told = site.run("inspect", file)
    assert told.code == 0
    assert "export-pdf" in told.out
    assert KEY not in told.out + told.err
    assert site.run("verify", file, "--json").json["kind"] == "signed-key"
    forged = issue_signed_key(key_grant(kid=STRANGER.kid), STRANGER)
    assert site.run("verify", "-", "--json", stdin=forged).code == 1
    groups = KEY.split("-")
    mistyped = "-".join([groups[0], groups[2], groups[1], *groups[3:]])
    assert site.run("inspect", "-", stdin=mistyped).code == 1
    refused = site.run("activate", "--license-key-stdin", "--json", stdin=mistyped)
    assert (refused.code, refused.json["reasons"][0]["code"]) == (1, "mistyped_key")


def test_what_the_vendor_issues_is_what_support_reads_and_verify_judges(tmp_path: Path) -> None:
    """A whole installation, and no server running: `license create --signed`, `license token`, `verify`, `inspect`."""
    data = {"CARNET_DATA": str(tmp_path / "data")}

    def vendor(*words: str | Path) -> Run:
        run = carnet(*words, "--json", env=data)
        assert run.code == 0, run.err
        return run

    root = vendor("init", "--root-keys", tmp_path / "root").json["root_path"]
    vendor("product", "create", "hustl", "--name", "Hustl")
    made = vendor(
        "license", "create", "--product", "hustl", "--policy", "consumer", "--duration", "365d", "--signed"
    ).json
    kid = vendor("key", "create", "--product", "hustl", "--alg", "EdDSA").json["kid"]
    pem = write(tmp_path, "key.pem", vendor("key", "export", f"--kid={kid}").json["pem"])
    file = tmp_path / "token.jwt"
    vendor("license", "token", made["id"], "--profile", "traffic-orchestrator", "--output", file)
    key = write(tmp_path, "key.txt", made["signed_key"])
    trust: dict[Path, tuple[str | Path, ...]] = {key: ("--root", root), file: ("--public-key", pem)}
    for artifact, words in trust.items():
        judged = carnet("verify", artifact, *words, "--product", "hustl", "--fingerprint", "line-4-of-7", "--json")
        assert (judged.code, judged.json["state"], judged.json["license_id"]) == (0, "active", made["id"])
        told = carnet("inspect", artifact, "--json")
        assert (told.code, told.json["kind"], told.json["problems"]) == (0, judged.json["kind"], [])
        assert made["signed_key"] not in told.out
    assert carnet("verify", root, "--root", root, "--json").json["genuine"] is True
