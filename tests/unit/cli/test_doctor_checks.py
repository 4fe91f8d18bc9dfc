"""What the doctor finds outside the installation: each mistake made for real, and a healthy neighbour beside it."""

from __future__ import annotations

import os
import re
import resource
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

import carnet
from carnet.cli.doctor import data as data_checks
from carnet.cli.doctor.data import filesystem_of, look_at_data
from carnet.cli.doctor.environment import KNOWN, SECRETS, look_at_environment, look_at_process
from carnet.cli.doctor.finding import Finding
from carnet.cli.doctor.network import look_at_network
from carnet.formats.root import anchor, sign_root
from carnet.server.settings import Settings
from support.roots import ROOT_FILE, ROOT_SIGNERS, root_of

SOURCE = Path(carnet.__file__).parent
PLAIN_DISK = "proc /proc proc rw 0 0\n/dev/sda1 / ext4 rw 0 0\n"


def of(name: str, findings: Iterable[Finding]) -> Finding:
    found = [finding for finding in findings if finding.name == name]
    assert found, name
    assert all(finding.fix for finding in found if finding.health != "ok"), "every mistake says what to do"
    return found[0]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory as it should be, from outside."""
    folder = tmp_path / "data"
    for name in ("keys/token.json", "secrets/pepper", "carnet.db"):
        path = folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if name == "carnet.db":
            connection = sqlite3.connect(path)
            connection.execute("CREATE TABLE t (x)")
            connection.executemany("INSERT INTO t VALUES (?)", [(f"row {n}" * 100,) for n in range(200)])
            connection.commit()
            connection.close()
        else:
            path.write_text("x")
        path.chmod(0o600)
    return folder


def mounts(tmp_path: Path, *lines: str) -> Path:
    table = tmp_path / "mounts"
    table.write_text(PLAIN_DISK + "".join(f"{line}\n" for line in lines))
    return table


def test_the_known_variables_are_those_that_the_source_reads() -> None:
    named: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        if "doctor" not in path.parts:
            named |= set(re.findall(r"[\"'(]\$?(CARNET_[A-Z0-9_]*[A-Z])[\"')]", path.read_text()))
    read = {name for name in named if not name.endswith("_FILE")}
    assert read <= KNOWN


def test_a_misspelt_variable_is_named_with_its_neighbour() -> None:
    finding = of("variables", look_at_environment({"CARNET_PUBLIC_URI": "https://x"}))
    assert finding.health == "warning"
    assert "CARNET_PUBLIC_URL" in finding.fix
    assert of("variables", look_at_environment({"CARNET_COLOUR_OF_SKY": "blue"})).health == "warning"
    assert of("variables", look_at_environment({"CARNET_PUBLIC_URL": "https://x", "HOME": "/"})).health == "ok"


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_in_the_environment_is_a_warning_and_not_repeated(name: str) -> None:
    finding = of("variables", look_at_environment({name: "postgresql://u:very-secret@h/d"}))
    assert finding.health == "warning"
    assert "very-secret" not in finding.message + finding.fix
    assert f"{name}_FILE" in finding.fix
    assert of("variables", look_at_environment({f"{name}_FILE": "/run/secrets/x"})).health == "ok"


def test_a_database_address_without_a_password_is_no_secret() -> None:
    assert of("variables", look_at_environment({"CARNET_DATABASE_URL": "sqlite"})).health == "ok"


def test_root_and_few_open_files_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert of("user", look_at_process()).health == "warning"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert of("user", look_at_process()).health == "ok"
    for soft, health in ((1023, "problem"), (1024, "ok"), (resource.RLIM_INFINITY, "ok")):
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=soft: (soft, soft))
        assert of("open files", look_at_process()).health == health


def test_a_healthy_directory_has_no_finding_but_good_ones(data: Path, tmp_path: Path) -> None:
    findings = list(look_at_data(data, mounts(tmp_path)))
    assert {finding.health for finding in findings} == {"ok"}
    assert len(findings) == 7


def test_no_directory_is_the_only_finding(tmp_path: Path) -> None:
    (finding,) = look_at_data(tmp_path / "nowhere")
    assert (finding.name, finding.health) == ("data", "problem")


@pytest.mark.parametrize("name", ["carnet.db", "carnet.db-wal", "keys/token.json", "secrets/pepper", "keys"])
def test_sec_25_files_that_others_may_open_are_named(data: Path, name: str) -> None:
    path = data / name
    if not path.exists():
        path.write_bytes(b"")
    path.chmod(0o640 if path.is_file() else 0o750)
    if name == "keys":
        (data / "keys" / "token.json").chmod(0o604)
    finding = of("permissions", look_at_data(data))
    assert finding.health == "problem"
    assert Path(name).parts[0] in finding.message


def test_a_root_key_beside_the_signing_keys_is_a_problem(data: Path) -> None:
    (data / "keys" / "root-key-1-of-1.json").write_text("x")
    (data / "keys" / "root-key-1-of-1.json").chmod(0o600)
    assert of("root keys", look_at_data(data)).health == "problem"


def test_a_disk_that_is_nearly_full_is_a_problem(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = shutil.disk_usage(data)._replace(free=data_checks.MIN_FREE_BYTES)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    assert of("space", look_at_data(data)).health == "ok"
    fuller = free._replace(free=free.free - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: fuller)
    assert of("space", look_at_data(data)).health == "problem"


@pytest.mark.parametrize(
    ("kind", "health"), [("nfs4", "problem"), ("cifs", "problem"), ("overlay", "warning"), ("tmpfs", "warning")]
)
def test_disks_that_lose_data_are_told(data: Path, tmp_path: Path, kind: str, health: str) -> None:
    table = mounts(tmp_path, f"server:/x {data} {kind} rw 0 0", f"server:/x {data}/keys ext4 rw 0 0", "odd")
    assert of("disk", look_at_data(data, table)).health == health


def test_the_nearest_mount_counts_and_names_may_have_blanks(tmp_path: Path) -> None:
    place = tmp_path / "with blank" / "data"
    place.mkdir(parents=True)
    escaped = str(tmp_path / "with blank").replace(" ", "\\040")
    table = mounts(tmp_path, f"a {tmp_path} nfs rw", f"b {escaped} xfs rw", f"c {tmp_path}/with nfs rw")
    assert filesystem_of(place, table) == "xfs"
    assert filesystem_of(tmp_path, table) == "nfs"
    assert filesystem_of(place, tmp_path / "no such table") is None


def test_a_damaged_database_is_found(data: Path) -> None:
    path = data / "carnet.db"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4096] = bytes(4096)
    path.write_bytes(content)
    assert of("database file", look_at_data(data)).health == "problem"
    path.write_bytes(b"not a database at all" * 100)
    assert of("database file", look_at_data(data)).health == "problem"


def test_a_log_that_never_shrinks_is_told(data: Path) -> None:
    wal = data / "carnet.db-wal"
    with wal.open("wb") as file:
        file.truncate(data_checks.MAX_WAL_BYTES + 1)
    wal.chmod(0o600)
    assert of("database log", look_at_data(data)).health == "warning"


@contextmanager
def answering(status: int, body: bytes = b"", location: str | None = None) -> Iterator[str]:
    """A server that answers everything alike; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            if location is not None:
                self.send_header("Location", location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def address(url: str, anchor: str | None) -> Finding:
    return of("address", look_at_network(Settings(data=Path(), port=0, public_url=url), anchor))


def test_an_address_in_clear_is_a_warning_but_not_on_this_machine() -> None:
    far = Settings(data=Path(), port=0, public_url="http://license.example.invalid")
    findings = list(look_at_network(far, None))
    assert of("encryption", findings).health == "warning"
    assert of("address", findings).health == "warning"  # nobody answers, which may be because of where we are
    assert of("port", findings).health == "ok"
    near = Settings(data=Path(), port=0, public_url="http://127.0.0.1:9")
    assert of("encryption", look_at_network(near, None)).health == "ok"


def test_users_ask_02_an_address_that_leads_elsewhere_is_a_problem() -> None:
    ours, theirs = ROOT_FILE, sign_root(root_of(issuer="installation-2"), ROOT_SIGNERS[:1])
    with answering(200, ours) as url:
        assert address(url, anchor(ours)).health == "ok"
        assert address(url, anchor(theirs)).health == "problem"
        assert address(url, None).health == "ok"
    with answering(200, b"<html>a captive portal</html>") as url:
        assert address(url, anchor(ours)).health == "problem"
    with answering(301, location="https://elsewhere.example") as url:
        finding = address(url, anchor(ours))
        assert finding.health == "problem"
        assert "https://elsewhere.example" in finding.message
    with answering(502) as url:
        assert address(url, anchor(ours)).health == "problem"


def test_listening_for_others_without_an_address_is_a_warning() -> None:
    open_to_all = Settings(data=Path(), host="0.0.0.0", port=0)  # noqa: S104 - that is the mistake
    assert of("address", look_at_network(open_to_all, None)).health == "warning"
    assert of("address", look_at_network(Settings(data=Path(), port=0), None)).health == "ok"


def test_users_ask_05_a_redis_that_nothing_needs_is_said() -> None:
    finding = of("variables", look_at_environment({"CARNET_REDIS_URL": "redis://localhost"}))
    assert finding.health == "warning"
    assert "needs no such service" in finding.message
    assert "0063" in finding.fix
