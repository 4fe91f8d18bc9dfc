"""
R-38, users-ask 38: the code of every system runs on recordings of Linux, macOS, Windows and containers.

What is recorded is what each computer answers; `parts` in a recording is what a person read off it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from carnet.client.fingerprint import identify
from carnet.client.fingerprint.cloud import Cloud, instance_id
from carnet.client.fingerprint.components import MAX_OF_A_KIND, digests, parts_of
from carnet.client.fingerprint.machine import ThisMachine
from carnet.core.devices import STRONG, WEAK, overlap
from carnet.core.errors import TransportError
from carnet.formats.fingerprint import component_digest, native_fingerprint
from support.issuing import LICENSE_KEY
from support.machines import RecordedMachine, expected_parts, recorded, recordings


def sent(machine: RecordedMachine, product: str = "hustl", key: str = LICENSE_KEY) -> list[tuple[str, str]]:
    """What a device sends of its parts."""
    return [
        (each["kind"], each["digest"]) for each in digests(parts_of(identify(machine=machine), machine), product, key)
    ]


@pytest.mark.parametrize("name", recordings())
def test_every_recorded_machine_is_read_as_a_person_reads_it(name: str) -> None:
    machine = recorded(name)
    parts = parts_of(identify(machine=machine), machine)
    assert [[part.kind, part.value] for part in parts] == expected_parts(name)


def test_all_three_systems_and_the_containers_are_recorded() -> None:
    systems = [recorded(name).system for name in recordings()]
    assert {system: systems.count(system) for system in systems} == {"linux": 8, "win32": 2, "darwin": 1}
    engines = {name: identify(machine=recorded(name)).container for name in recordings()}
    assert {name for name, engine in engines.items() if engine} == {"docker", "podman-fedora"}


@pytest.mark.parametrize("name", recordings())
def test_sec_19_what_is_sent_holds_no_raw_value_and_no_placeholder(name: str) -> None:
    machine = recorded(name)
    text = str(sent(machine)).lower()
    raw = [value for _, value in expected_parts(name)]
    assert all(value.lower() not in text for value in raw)
    assert all(len(digest) == 32 and set(digest) <= set("0123456789abcdef") for _, digest in sent(machine))
    shown = repr(parts_of(identify(machine=machine), machine))
    assert all(value not in shown for value in raw)


@pytest.mark.parametrize(
    "name", [name for name in recordings() if name not in {"docker", "podman-fedora", "kubernetes"}]
)
def test_r_86_no_two_products_and_no_two_licenses_send_the_same_digest(name: str) -> None:
    machine = recorded(name)
    mine = {digest for _, digest in sent(machine)}
    assert mine.isdisjoint(digest for _, digest in sent(machine, product="inkwell"))
    assert mine.isdisjoint(digest for _, digest in sent(machine, key="AB3DE-AB3DE-AB3DE-AB3DE-AB3DE"))
    assert sent(machine, key=LICENSE_KEY.lower().replace("-", " ")) == sent(machine)  # however it is typed


@pytest.mark.parametrize(
    ("before", "after", "changes", "same"),
    [
        # The same laptop asked by root, who sees more; then installed anew and asked by an ordinary user.
        ("linux-laptop", "linux-laptop-root", {}, True),
        ("linux-laptop", "linux-laptop", {"etc/machine-id": "a" * 16 + "b3c1d2e4f5061728"}, True),
        ("linux-laptop-root", "linux-laptop-root", {"sys/block/nvme0n1/device/serial": "NEW"}, True),
        ("linux-laptop", "linux-laptop", {"sys/class/net/enp0s31f6/address": "84:a9:38:00:00:01"}, True),
        # Another laptop of the same model, and the disk of this one in it.
        (
            "linux-laptop",
            "linux-laptop",
            {
                "etc/machine-id": "a" * 16 + "b3c1d2e4f5061728",
                "sys/block/nvme0n1/device/serial": "S6BMNG0R499999",
                "sys/class/net/enp0s31f6/address": "84:a9:38:99:99:99",
            },
            False,
        ),
        (
            "linux-laptop",
            "linux-laptop",
            {
                "etc/machine-id": "a" * 16 + "b3c1d2e4f5061728",
                "sys/class/net/enp0s31f6/address": "84:a9:38:99:99:99",
            },
            False,
        ),
        # A virtual machine shows little: a new machine-id is a new machine.
        ("linux-kvm", "linux-kvm", {"etc/machine-id": "a" * 16 + "b3c1d2e4f5061728"}, False),
        # Two instances of one image: the machine-id is shared, the rest is not.
        (
            "linux-ec2",
            "linux-ec2",
            {
                "var/lib/cloud/data/instance-id": "i-0fff123de456f7890",
                "sys/block/nvme0n1/device/serial": "vol0fff456789abcdef0",
            },
            False,
        ),
        (
            "windows-laptop",
            "windows-laptop",
            {"SOFTWARE\\Microsoft\\Cryptography\\MachineGuid": "6" * 8 + "-1c57-4c1a-9f77-1b0e6a3d9c42"},
            True,
        ),
        ("windows-laptop", "windows-noname", {}, False),
        ("macbook", "macbook", {}, True),
        ("docker", "docker", {}, False),
        ("podman-fedora", "podman-fedora", {}, False),
        ("kubernetes", "kubernetes", {}, False),
        ("linux-laptop", "docker", {}, False),
    ],
)
def test_r_38_what_becomes_of_recorded_computers(
    before: str, after: str, changes: dict[str, Any], *, same: bool
) -> None:
    assert overlap(sent(recorded(before)), sent(recorded(after, **changes))).is_same_device is same


def test_users_ask_28_to_31_nothing_volatile_is_read() -> None:
    for name in recordings():
        machine = recorded(name)
        sent(machine)
        asked = " ".join(machine.read_paths)
        assert not any(word in asked for word in ("cpuinfo", "meminfo", "hostname", "/size", "boot_id", "mounts")), name


def test_a_machine_with_very_many_disks_sends_a_bounded_number() -> None:
    machine = recorded("linux-laptop")
    for number in range(60):
        machine.files[f"sys/block/nvme{number}n1/device/serial"] = f"DISK-{number:04}"
    kinds = [kind for kind, _ in sent(machine)]
    assert kinds.count("disk-serial") == MAX_OF_A_KIND
    assert {"linux-machine-id", "network-card", "model"} < set(kinds)


def test_every_kind_that_is_sent_has_a_weight_or_is_a_remark() -> None:
    kinds = {kind for name in recordings() for kind, _ in expected_parts(name)}
    assert kinds - {"declared", "shared"} == {*STRONG, *WEAK}


@pytest.mark.parametrize(
    ("text", "anchor"),
    [
        ("i-0abc123de456f7890\n", "i-0abc123de456f7890"),
        ("I-0ABC123DE456F7890", "i-0abc123de456f7890"),
        ("8F14E45F-CEEA-467F-A0E6-12345678ABCD", "8f14e45f-ceea-467f-a0e6-12345678abcd"),
        ("7045921379134623456", "7045921379134623456"),
        ("iid-local01", None),
        ("nocloud", None),
        ("i-00000000000000000", None),
        ("i-0abc123", None),
        ("i-0abc123de456f789z", None),
        ("00000000-0000-0000-0000-000000000000", None),
        ("12345", None),
        ("١٢٣٤٥٦٧٨٩٠١٢٣٤٥٦", None),
        ("", None),
    ],
)
def test_users_ask_27_and_33_an_instance_is_known_by_what_its_cloud_calls_it(text: str, anchor: str | None) -> None:
    machine = recorded("linux-ec2", **{"var/lib/cloud/data/instance-id": text})
    first = identify(machine=machine).anchors[0]
    assert (first.kind, first.value) == (
        ("linux-machine-id", "ec2f0a1b2c3d4e5f60718293a4b5c6d7") if anchor is None else ("cloud-instance-id", anchor)
    )
    assert native_fingerprint("hustl", first.value)


def test_in_a_container_the_hosts_instance_is_not_its_own() -> None:
    machine = recorded("linux-ec2", **{".dockerenv": ""})
    assert [anchor.kind for anchor in identify(machine=machine).anchors] == ["linux-machine-id"]


# ── the real machine ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_this_computer_is_read_without_a_process_or_a_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("nothing is started and nobody is asked")

    for name in ("os.fork", "os.posix_spawn", "os.execv", "socket.socket"):
        monkeypatch.setattr(name, forbidden)
    machine = ThisMachine(sys.platform, "/", os.environ)
    parts_of(identify(machine=machine), machine)
    for system in ("win32", "darwin", "linux", "freebsd14"):
        other = ThisMachine(system, "/nonexistent", {})
        assert parts_of(identify(machine=other), other) == ()


def test_this_machine_reads_files_as_the_recordings_do(tmp_path: Path) -> None:
    record = recorded("linux-laptop-root")
    for path, text in record.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    machine = ThisMachine("linux", str(tmp_path), {})
    parts = parts_of(identify(machine=machine), machine)
    assert [[part.kind, part.value] for part in parts] == expected_parts("linux-laptop-root")


# ── metadata services, where an app asks for them ────────────────────────────────────────────────────────────────────


def service(cloud: Cloud) -> httpx2.MockTransport:
    """The metadata service of *cloud*, which refuses whoever does not ask as its manual says."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        headers, path = request.headers, request.url.path
        assert request.url.host == "169.254.169.254"
        if cloud == "aws" and path == "/latest/api/token":
            is_right = request.method == "PUT" and headers["X-aws-ec2-metadata-token-ttl-seconds"] == "60"
            return httpx2.Response(200 if is_right else 400, text="TOKEN==")
        if cloud == "aws" and path == "/latest/meta-data/instance-id":
            is_right = headers.get("X-aws-ec2-metadata-token") == "TOKEN=="
            return httpx2.Response(200 if is_right else 401, text="i-0abc123de456f7890")
        if cloud == "azure" and path == "/metadata/instance/compute/vmId":
            return httpx2.Response(
                200 if headers.get("Metadata") == "true" else 400, text="8f14e45f-ceea-467f-a0e6-12345678abcd"
            )
        if cloud == "gcp" and path == "/computeMetadata/v1/instance/id":
            return httpx2.Response(
                200 if headers.get("Metadata-Flavor") == "Google" else 403, text="7045921379134623456"
            )
        return httpx2.Response(404)

    return httpx2.MockTransport(answer)


@pytest.mark.parametrize(
    ("cloud", "expected"),
    [
        ("aws", "aws:i-0abc123de456f7890"),
        ("azure", "azure:8f14e45f-ceea-467f-a0e6-12345678abcd"),
        ("gcp", "gcp:7045921379134623456"),
    ],
)
def test_users_ask_33_an_app_may_ask_its_clouds_metadata_service(
    cloud: Cloud, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = httpx2.Client
    monkeypatch.setattr("httpx2.Client", lambda **settings: real(**settings, transport=service(cloud)))
    assert instance_id(cloud) == expected


@pytest.mark.parametrize("text", ["", "x" * 256, "<html> login", "two words"])
def test_what_is_no_id_is_no_id(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = httpx2.Client
    page = httpx2.MockTransport(lambda _: httpx2.Response(200, text=text))
    monkeypatch.setattr("httpx2.Client", lambda **settings: real(**settings, transport=page))
    with pytest.raises(TransportError) as caught:
        instance_id("gcp")
    assert caught.value.code == "metadata_unreachable"
    assert "CARNET_DEVICE_ID" in caught.value.fix


def test_the_digest_of_a_part_is_of_the_kind_the_product_and_the_key() -> None:
    of = component_digest("hustl", LICENSE_KEY, "disk-serial", "S6BMNG0R412345")
    others = {
        component_digest("hustl2", LICENSE_KEY, "disk-serial", "S6BMNG0R412345"),
        component_digest("hustl", LICENSE_KEY + "X", "disk-serial", "S6BMNG0R412345"),
        component_digest("hustl", LICENSE_KEY, "board-serial", "S6BMNG0R412345"),
        component_digest("hustl", LICENSE_KEY, "disk-serial", "S6BMNG0R412346"),
    }
    assert len(others) == 4
    assert of not in others
