"""Importing and checking cost what they must: no sockets, threads, files, or libraries that are not used."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from carnet.core.instant import DAY
from carnet.core.model import Policy
from carnet.testing import FakeClock, Lab
from carnet.testing.lab import DEVICE_ID
from support.issuing import LICENSE_KEY, ROOT_TEXT
from support.sdk import Desk

HEAVY = (
    "asyncio",
    "base64",
    "ctypes",
    "dataclasses",
    "datetime",
    "filelock",
    "hashlib",
    "hmac",
    "http",
    "httpx2",
    "importlib.metadata",
    "inspect",
    "json",
    "logging",
    "pathlib",
    "platformdirs",
    "random",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "urllib",
    "uuid",
)
"""What an offline check must not load, beyond what `cryptography` itself loads (design.md §3)."""

WATCH = """
import sys
seen = []
def watch(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "_thread.")):
        seen.append((event, str(arguments)))
    elif event == "open":
        path, mode, flags = arguments
        reads_a_module = str(path).endswith((".py", ".pyc", ".so", ".pth"))
        if not reads_a_module:
            seen.append((event, str(path), mode, flags))
    elif event in {"os.mkdir", "os.rename", "os.remove", "os.chmod", "os.truncate", "shutil.rmtree"}:
        seen.append((event, str(arguments)))
sys.addaudithook(watch)
"""


def run(script: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-B", "-c", script],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_and_making_a_client_opens_no_socket_thread_or_file() -> None:
    script = f"""{WATCH}
import carnet
from carnet import AsyncCarnet, Carnet, Decision, errors, heal_license_key
Carnet(product="hustl", server="https://license.example.com", root="root.json", state="/nonexistent")
Carnet()
AsyncCarnet()
print(seen)
"""
    assert run(script) == "[]"


def test_importing_the_package_loads_nothing_of_it() -> None:
    script = "import sys, carnet; print(sorted(name for name in sys.modules if name.startswith('carnet')))"
    assert run(script) == "['carnet']"


def test_the_public_names_are_there_and_no_others() -> None:
    script = """
import carnet
names = [name for name in dir(carnet)]
assert all(getattr(carnet, name) is not None for name in names)
try:
    carnet.nonsense
except AttributeError as error:
    print(names, error)
"""
    assert "['AsyncCarnet', 'Carnet', 'Decision'" in run(script)


@pytest.fixture
def activated(desk: Desk) -> dict[str, str]:
    """The environment of a device that is activated, in real time, by its declared id."""
    desk.clock = FakeClock(int(time.time()))
    desk.vendor.now = desk.clock.now
    desk.app().activate(LICENSE_KEY)
    # The fake clock's boot is not this machine's: record the real one, as the first check after a boot does.
    script = "from carnet import Carnet; Carnet().check()"
    environment = {
        "CARNET_PRODUCT": "hustl",
        "CARNET_ROOT": ROOT_TEXT,
        "CARNET_STATE": str(desk.state),
        "CARNET_DEVICE_ID": "line-4",
    }
    run(script, **environment)
    return environment


def test_an_offline_check_opens_only_the_two_copies_and_starts_nothing(activated: dict[str, str]) -> None:
    script = f"""{WATCH}
from carnet import Carnet
decision = Carnet().check()
assert decision.state == "active", decision
for event in seen:
    print(*event)
"""
    lines = run(script, **activated).splitlines()
    opened = [line.split()[1] for line in lines]
    state = Path(activated["CARNET_STATE"]) / "hustl"
    assert set(opened) == {str(state / "state.0"), str(state / "state.1"), "/proc/sys/kernel/random/boot_id"}
    assert all(line.startswith("open ") for line in lines)


def test_an_offline_check_loads_nothing_heavy(activated: dict[str, str]) -> None:
    script = """
import sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
before = set(sys.modules)
from carnet import Carnet
decision = Carnet().check()
assert decision.state == "active", decision
print(*sorted(set(sys.modules) - before - {"carnet"}))
"""
    loaded = run(script, **activated).split()
    assert [name for name in loaded if name.startswith(HEAVY)] == []
    assert [name for name in loaded if name.startswith("carnet.")]
    assert "carnet.client.transport" not in loaded
    assert "carnet.client.flows" not in loaded
    assert "carnet.core.notices" not in loaded
    assert "carnet.formats.answer" not in loaded
    assert "carnet.formats.license_token" not in loaded
    assert [name for name in loaded if "status_list" in name or "revocation" in name or "shipped" in name] == []


def test_a_check_with_a_kept_status_list_loads_what_reads_it_and_nothing_heavy(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "state", now=int(time.time()), policy=Policy(name="checked", max_revocation_age_seconds=DAY))
    lab.activate()
    lab.app().refresh()
    lab.server.licenses[0].revoke()
    lists = tmp_path / "lists.jwt"
    lab.pass_time(seconds=90)
    lists.write_text(lab.server.status_list())
    script = """
import sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
before = set(sys.modules)
from carnet import Carnet
print(Carnet().check().state, *sorted(set(sys.modules) - before - {"carnet"}))
"""
    environment = {
        "CARNET_PRODUCT": "hustl",
        "CARNET_ROOT": lab.server.root,
        "CARNET_STATE": str(tmp_path / "state"),
        "CARNET_DEVICE_ID": DEVICE_ID,
    }
    run(script, **environment)  # the first check after a boot writes
    state, *loaded = run(script, **environment).split()
    assert state == "active"
    assert "carnet.formats.status_list" in loaded
    assert [name for name in loaded if name.startswith((*HEAVY, "carnet.client.flows", "carnet.formats.bundle"))] == []
    state, *loaded = run(script, **environment, CARNET_STATUS_LISTS=str(lists)).split()
    assert state == "revoked"
    assert [name for name in loaded if name.startswith(("asyncio", "http", "ssl", "subprocess"))] == []


def test_going_online_is_what_loads_the_http_library(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    script = """
import sys
from carnet import Carnet
app = Carnet(server="https://127.0.0.1:9", timeout_seconds=0.001)
app.check()
assert "httpx2" not in sys.modules
app.refresh()
print("httpx2" in sys.modules, app.last_problem.code)
"""
    out = run(
        script,
        CARNET_PRODUCT="hustl",
        CARNET_ROOT=ROOT_TEXT,
        CARNET_STATE=str(desk.state),
        CARNET_DEVICE_ID="line-4",
    )
    assert out.split()[1] in {"out_of_time", "server_unreachable"}
