"""`carnet audit`: what an auditor types, on real installations; a proof is checked with nothing but the root file."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx2
import pytest

from carnet.core.errors import CarnetError
from carnet.formats.log_leaves import AuditRow, chain_link, chain_start
from carnet.formats.log_proof import log_proof_members, read_log_proof, verify_log_proof
from carnet.formats.root import read_root
from carnet.server.app import create_app
from support.cli_runs import carnet
from support.installations import environment_of, execute, opened, settings_in
from support.proofs import history, in_a_loop, started

ROOT = Path(__file__).parent.parent.parent.parent


def made(folder: Path) -> tuple[Mapping[str, str], str, str]:
    """The environment of an installation with a history, its issuer, and a license's id."""

    async def make() -> tuple[str, str]:
        clock = started()
        async with opened(folder, clock) as installation:
            return installation.issuer, await history(installation, clock)

    issuer, license_id = asyncio.run(make())
    kept = {k: v for k, v in environment_of(settings_in(folder)).items() if k.startswith("CARNET_")}
    return kept, issuer, license_id


def test_sec_46_verify_says_that_all_is_well_and_names_the_first_bad_row_when_it_is_not(tmp_path: Path) -> None:
    env, _, _ = made(tmp_path)
    sound = carnet("audit", "verify", env=env)
    assert sound.code == 0, sound.err
    assert sound.out.startswith("As it was sealed")
    execute(settings_in(tmp_path), "UPDATE audit SET actor_id = 'somebody else' WHERE seq = 11")
    changed = carnet("audit", "verify", env=env)
    assert changed.code == 1
    assert "First: Audit row 11, sealed at position 11, was edited." in changed.out
    assert "Keep a copy of the database" in changed.err
    as_json = carnet("audit", "verify", "--json", env=env)
    assert as_json.json["findings"][0] == {
        "part": "audit",
        "kind": "edited",
        "row": "11",
        "message": "Audit row 11, sealed at position 11, was edited.",
    }
    elsewhere = carnet("audit", "verify", "--checkpoints", tmp_path / "nowhere", env=env)
    assert elsewhere.code == 3


def test_sec_46_what_is_wrong_with_the_checkpoints_is_told(tmp_path: Path) -> None:
    env, _, _ = made(tmp_path)
    (file,) = (settings_in(tmp_path).data / "checkpoints").iterdir()
    text = file.read_text(encoding="utf-8")
    file.write_text(text[: text.rindex("\u2014") + 5], encoding="utf-8")  # the server was killed as it wrote
    cut = carnet("audit", "verify", "--json", env=env)
    assert (cut.code, cut.json["checkpoints"]) == (0, 2)
    file.write_text(text.replace("\n", "\nx", 1), encoding="utf-8")
    changed = carnet("audit", "verify", "--json", env=env)
    assert changed.code == 1
    assert [each["kind"] for each in changed.json["findings"]] == ["not_genuine"]


def test_a_proof_is_checked_by_anybody_who_has_the_root_file_and_by_another_program(tmp_path: Path) -> None:
    env, issuer, license_id = made(tmp_path)
    data = settings_in(tmp_path).data
    proof = tmp_path / "license.proof"
    written = carnet("audit", "prove", license_id, "--output", proof, env=env)
    assert written.code == 0, written.err
    root = data / "root.json"
    checked = carnet("audit", "check-proof", proof, "--root", root, "--json")
    assert checked.code == 0, checked.err
    assert checked.json["issuer"] == issuer
    assert [entry["license_id"] for entry in checked.json["entries"]] == [license_id] * 4
    one = carnet("audit", "prove", checked.json["entries"][0]["jti"], env=env)
    assert len(json.loads(one.out)["entries"]) == 1
    assert carnet("audit", "prove", license_id, "--output", proof, env=env).code == 2
    other = subprocess.run(
        [sys.executable, ROOT / "tools" / "check_log_proof.py", proof, root],
        check=False,
        capture_output=True,
        text=True,
    )
    assert other.returncode == 0, other.stderr
    assert other.stdout.count(license_id) == 4
    exported = tmp_path / "audit.jsonl"
    exported.write_text(carnet("audit", "export", env=env).out, encoding="ascii")
    chain = subprocess.run(
        [sys.executable, ROOT / "tools" / "check_log_proof.py", "--chain", exported, issuer],
        check=False,
        capture_output=True,
        text=True,
    )
    assert chain.returncode == 0, chain.stderr
    exported.write_text(exported.read_text().replace('"license.created"', '"license.renewed"'), encoding="ascii")
    assert subprocess.run(
        [sys.executable, ROOT / "tools" / "check_log_proof.py", "--chain", exported, issuer],
        check=False,
        capture_output=True,
    ).returncode


def test_no_changed_proof_is_taken(tmp_path: Path) -> None:
    env, _, license_id = made(tmp_path)
    root = read_root((settings_in(tmp_path).data / "root.json").read_bytes())
    content = json.loads(carnet("audit", "prove", license_id, env=env).out)
    verify_log_proof(read_log_proof(json.dumps(content).encode()), root)
    entry = content["entries"][0]
    changes = [
        {"checkpoint": content["checkpoint"].replace("\n", "\n1", 1)},
        {"format": "carnet-log-proof/2"},
        {"roots": [1]},
        {"entries": []},
        {"entries": [{**entry, "index": entry["index"] + 1}]},
        {"entries": [{**entry, "index": -1}]},
        {"entries": [{**entry, "leaf": entry["leaf"].replace("token", "pass", 1)}]},
        {"entries": [{**entry, "path": entry["path"][1:]}]},
        {"entries": [{**entry, "path": [*entry["path"][:-1], "!"]}]},
        {"entries": [{**entry, "path": [*entry["path"][:-1], "AAAA"]}]},
        {"entries": [{**entry, "path": entry["path"] * 40}]},
        {"entries": [7]},
    ]
    for change in changes:
        with pytest.raises(CarnetError) as refused:
            verify_log_proof(read_log_proof(json.dumps({**content, **change}).encode()), root)
        assert refused.value.code in {"bad_log_proof", "not_in_log", "bad_signature", "bad_checkpoint"}, change
    same = read_log_proof(json.dumps(content).encode())
    assert log_proof_members(same) == content


def test_no_proof_is_handed_out_that_does_not_verify(tmp_path: Path) -> None:
    env, _, license_id = made(tmp_path)
    execute(settings_in(tmp_path), "UPDATE issuances SET expires_at = expires_at + 1")
    refused = carnet("audit", "prove", license_id, env=env)
    assert refused.code != 0
    assert refused.out == ""
    assert "does not lead to the checkpoint" in refused.err


def test_what_cannot_be_proven_is_told(tmp_path: Path) -> None:
    async def young() -> None:
        async with opened(tmp_path, started()):
            pass

    asyncio.run(young())
    env = {k: v for k, v in environment_of(settings_in(tmp_path)).items() if k.startswith("CARNET_")}
    assert carnet("audit", "prove", "nothing", env=env).code == 3
    assert carnet("audit", "checkpoint", env=env).code == 3
    empty = carnet("audit", "verify", env=env)
    assert empty.code == 0
    assert "1 not yet" in empty.out
    assert "No checkpoint was compared" in empty.err


def test_the_export_is_the_chain_and_its_tail_and_goes_on_from_a_position(tmp_path: Path) -> None:
    env, issuer, _ = made(tmp_path)
    settings = settings_in(tmp_path)
    execute(
        settings,
        "INSERT INTO audit (at, actor_kind, actor_id, action, object_kind, object_id, details)"
        " VALUES (1790009999, 'operator', NULL, 'license.noted', 'license', 'late', '{}')",
    )
    run = carnet("audit", "export", env=env)
    lines = [json.loads(line) for line in run.out.splitlines()]
    hash_ = chain_start(issuer)
    rows = execute(settings, "SELECT * FROM audit ORDER BY seq")
    for line, stored in zip(lines[:-1], rows[:-1], strict=True):
        hash_ = chain_link(hash_, AuditRow(**dict(zip(AuditRow.__fields__, stored, strict=True))).digest())
        assert line["row"]["details"] == stored[7]
    assert (lines[-1]["position"], lines[-1]["hash"], lines[-1]["row"]["object_id"]) == (None, None, "late")
    assert "1 behind them is not sealed yet" in run.err
    rest = [json.loads(line) for line in carnet("audit", "export", "--after", "20", env=env).out.splitlines()]
    assert rest == lines[20:]


@in_a_loop
async def test_the_newest_checkpoint_is_public_and_cacheable(tmp_path: Path) -> None:
    clock = started()
    async with opened(tmp_path, clock) as installation:
        transport = httpx2.ASGITransport(app=create_app(installation))
        async with httpx2.AsyncClient(transport=transport, base_url="https://license.example.com") as http:
            none = await http.get("/v1/checkpoint")
            assert (none.status_code, none.json()["code"]) == (404, "checkpoint_not_found")
            await history(installation, clock)
            answer = await http.get("/v1/checkpoint")
            assert answer.text == await installation.checkpoints.newest()
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            assert answer.headers["cache-control"] == "public, max-age=60"
            again = await http.get("/v1/checkpoint", headers={"If-None-Match": answer.headers["etag"]})
            assert again.status_code == 304


@in_a_loop
async def test_a_server_that_refuses_to_sign_a_checkpoint_says_so_where_it_is_looked_after(tmp_path: Path) -> None:
    clock = started()
    async with opened(tmp_path, clock) as installation:
        await history(installation, clock)
        assert {each.name: each.ok for each in await installation.checks()}["proof"]
        execute(installation.settings, "DELETE FROM log_leaves WHERE number > 2", "DELETE FROM log_tiles")
    from carnet.server.jobs.running import runner_of

    async with opened(tmp_path, clock) as installation:
        runner = await runner_of(installation)
        done = await runner.once()
        assert "does not continue its last checkpoint" in str(done["checkpoint"])
        (check,) = (each for each in await installation.checks() if each.name == "proof")
        assert (check.ok, check.vital) == (False, False)
        assert check.problem == "checkpoint does not go well; see: carnet audit verify"
