"""Who a device is: every source, every system, and what happens where nothing tells (users-ask 3.3, SEC-19)."""

from __future__ import annotations

import ctypes
import hmac
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from carnet.client.fingerprint import Identity, identify, macos, windows, with_volume_id
from carnet.client.fingerprint.values import Anchor, canonical_machine_id, canonical_uuid, is_monotonous
from carnet.core.errors import StateError, UsageError
from carnet.formats.fingerprint import native_fingerprint
from support.machines import RecordedMachine

MACHINE_ID = "9f4c1d6f0e7b4a0c8f5d2b3a1e6c7d88"
PRODUCT_UUID = "4c4c4544-0042-3510-8052-b3c04f4b4e32"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def laptop(tmp_path: Path) -> Path:
    """A Debian laptop as its files show it to root."""
    write(tmp_path / "etc/machine-id", f"{MACHINE_ID}\n")
    write(tmp_path / "sys/class/dmi/id/product_uuid", f"{PRODUCT_UUID}\n")
    write(tmp_path / "proc/1/cgroup", "0::/init.scope\n")
    return tmp_path


def on_linux(root: Path, **more: Any) -> Identity:
    return identify(system="linux", root=str(root), environ=more.pop("environ", {}), **more)


def kinds(identity: Identity) -> list[str]:
    return [anchor.kind for anchor in identity.anchors]


# ── Linux ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_linux_laptop_is_its_machine_id_and_then_its_firmware(laptop: Path) -> None:
    identity = on_linux(laptop)
    assert [(a.kind, a.value, a.strength) for a in identity.anchors] == [
        ("linux-machine-id", MACHINE_ID, "strong"),
        ("linux-product-uuid", PRODUCT_UUID, "strong"),
    ]
    assert (identity.missing, identity.container, identity.advice) == ((), None, "")


def test_users_ask_38_what_an_ordinary_user_may_not_read_is_a_reason_and_not_an_error(laptop: Path) -> None:
    (laptop / "sys/class/dmi/id/product_uuid").unlink()
    identity = on_linux(laptop)
    assert kinds(identity) == ["linux-machine-id"]
    (missing,) = identity.missing
    assert missing.kind == "linux-product-uuid"
    assert "No such file" in missing.reason


def test_the_same_program_run_as_root_and_as_a_user_is_the_same_device(laptop: Path) -> None:
    as_root = on_linux(laptop).anchors[0]
    (laptop / "sys/class/dmi/id/product_uuid").unlink()
    assert on_linux(laptop).anchors[0] == as_root


def test_the_second_machine_id_file_stands_in_for_the_first(tmp_path: Path) -> None:
    write(tmp_path / "var/lib/dbus/machine-id", MACHINE_ID.upper())
    assert on_linux(tmp_path).anchors[0].value == MACHINE_ID


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "uninitialized\n",
        "0" * 32,
        "f" * 32,
        "fe" * 16,
        "0123456789abcdef" * 2,
        "not-a-machine-id",
        "9f4c1d6f",
    ],
)
def test_users_ask_32_a_placeholder_machine_id_is_no_identity(tmp_path: Path, text: str) -> None:
    write(tmp_path / "etc/machine-id", text)
    identity = on_linux(tmp_path)
    assert identity.anchors == ()
    assert "CARNET_DEVICE_ID" in identity.advice
    assert any("placeholder" in missing.reason for missing in identity.missing)


def test_a_machine_id_path_that_is_no_file_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "etc/machine-id").mkdir(parents=True)
    identity = on_linux(tmp_path)
    assert identity.anchors == ()
    assert any("cannot be read" in missing.reason for missing in identity.missing)


@pytest.mark.parametrize(
    "uuid",
    [
        "03000200-0400-0500-0006-000700080009",
        "00000000-0000-0000-0000-000000000000",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "00010203-0405-0607-0809-0A0B0C0D0E0F",
        "DEADBEEF-DEAD-BEEF-DEAD-BEEFDEADBEEF",
        "FEFEFEFE-FEFE-FEFE-FEFE-FEFEFEFEFEFE",
        "Not Settable",
    ],
)
def test_sec_19_a_firmware_placeholder_never_counts(laptop: Path, uuid: str) -> None:
    write(laptop / "sys/class/dmi/id/product_uuid", uuid)
    identity = on_linux(laptop)
    assert kinds(identity) == ["linux-machine-id"]
    assert "placeholder" in identity.missing[0].reason


def test_users_ask_29_and_31_network_cards_and_sizes_are_never_read(laptop: Path) -> None:
    write(laptop / "sys/class/net/eth0/address", "02:42:ac:11:00:02")
    before = on_linux(laptop)
    write(laptop / "sys/class/net/eth0/address", "aa:bb:cc:dd:ee:ff")
    write(laptop / "proc/cpuinfo", "processor: 64")
    assert on_linux(laptop) == before


# ── containers ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("marker", "text", "environ", "engine"),
    [
        (".dockerenv", "", {}, "Docker"),
        ("run/.containerenv", "engine=podman", {}, "Podman"),
        ("proc/1/cgroup", "0::/kubepods/besteffort/pod1/abc\n", {}, "kubepods"),
        ("proc/1/cgroup", "1:name=systemd:/docker/0a1b\n", {}, "docker"),
        ("etc/hostname", "x", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "Kubernetes"),
        ("etc/hostname", "x", {"container": "podman"}, "podman"),
    ],
)
def test_users_ask_33_in_a_container_the_machine_id_is_the_images_and_weak(
    laptop: Path, marker: str, text: str, environ: dict[str, str], engine: str
) -> None:
    write(laptop / marker, text)
    identity = on_linux(laptop, environ=environ)
    assert [(a.kind, a.strength) for a in identity.anchors] == [("linux-machine-id", "weak")]
    assert identity.container == engine
    assert "CARNET_DEVICE_ID" in identity.advice


def test_a_system_container_boots_its_own_system_and_is_a_machine(laptop: Path) -> None:
    assert on_linux(laptop, environ={"container": "lxc"}).container is None


def test_users_ask_32_a_container_without_any_identity_says_so_and_what_to_do(tmp_path: Path) -> None:
    write(tmp_path / ".dockerenv", "")
    identity = on_linux(tmp_path, state_directory=str(tmp_path / "state"))
    assert identity.anchors == ()
    assert {missing.kind for missing in identity.missing} >= {"linux-machine-id", "linux-product-uuid", "volume-id"}
    assert "CARNET_DEVICE_ID" in identity.advice


def test_the_volume_id_is_the_last_resort_and_stays_the_same(tmp_path: Path) -> None:
    state = tmp_path / "state"
    nobody = on_linux(tmp_path, state_directory=str(state))
    first = with_volume_id(nobody, str(state))
    again = on_linux(tmp_path, state_directory=str(state))
    assert kinds(first) == ["volume-id"]
    assert again.anchors == first.anchors == with_volume_id(again, str(state)).anchors
    assert first.anchors[0].strength == "weak"
    assert (state / "volume-id").stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in state.iterdir()) == ["volume-id"]


def test_a_damaged_volume_id_is_replaced_and_one_made_meanwhile_is_kept(tmp_path: Path) -> None:
    write(tmp_path / "volume-id", "garbage")
    nobody = on_linux(tmp_path / "empty", state_directory=str(tmp_path))
    assert nobody.anchors == ()
    first = with_volume_id(nobody, str(tmp_path))
    assert with_volume_id(nobody, str(tmp_path)).anchors == first.anchors


def test_a_volume_that_cannot_be_written_is_a_state_error(tmp_path: Path) -> None:
    write(tmp_path / "file", "in the way")
    with pytest.raises(StateError) as caught:
        with_volume_id(Identity(), str(tmp_path / "file" / "state"))
    assert caught.value.code == "state_not_writable"


# ── declared ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_users_ask_16_and_34_a_declared_id_comes_before_everything_else(laptop: Path) -> None:
    write(laptop / "etc/carnet/device-id", "from-the-file\n")
    environ = {"CARNET_DEVICE_ID": "from-the-environment"}
    by_argument = on_linux(laptop, declared="from-the-app", environ=environ)
    assert [a.value for a in by_argument.anchors] == ["from-the-app"]
    assert [a.value for a in on_linux(laptop, environ=environ).anchors] == ["from-the-environment"]
    assert [a.value for a in on_linux(laptop).anchors] == ["from-the-file"]
    assert by_argument.anchors[0].strength == "declared"


@pytest.mark.parametrize("system", ["linux", "darwin", "win32", "freebsd14"])
def test_users_ask_34_an_operator_may_declare_on_any_system(system: str, tmp_path: Path) -> None:
    assert identify(declared="line-4", system=system, root=str(tmp_path), environ={}).anchors[0].value == "line-4"


@pytest.mark.parametrize(
    "declared", ["a", "7", "x" * 4096, "x" * 4097, "é" * 2**19, "機械 4", "  padded  ", "\ufeffwith-a-bom"]
)
def test_users_ask_35_any_length_of_declared_id_is_accepted(declared: str, tmp_path: Path) -> None:
    write(tmp_path / "etc/carnet/device-id", declared)
    from_file = on_linux(tmp_path).anchors[0].value
    assert on_linux(tmp_path / "empty", declared=declared).anchors[0].value == from_file
    assert from_file == declared.removeprefix("\ufeff").strip()


def test_users_ask_35_a_file_of_more_than_a_mebibyte_is_refused_and_not_cut(tmp_path: Path) -> None:
    write(tmp_path / "etc/carnet/device-id", "x" * 2**20 + "\n")
    with pytest.raises(UsageError) as caught:
        on_linux(tmp_path)
    assert caught.value.code == "bad_device_id"
    assert "1048576 bytes" in caught.value.message
    assert len(on_linux(tmp_path / "empty", environ={"CARNET_DEVICE_ID": "x" * 2**20 + "\n"}).anchors[0].value) == 2**20


@pytest.mark.parametrize("length", [1, 4096, 4097, 2**20])
def test_users_ask_35_the_fingerprint_of_a_long_id_is_of_all_of_it(length: int) -> None:
    declared = "x" * (length - 1)
    made = {native_fingerprint("hustl", declared + last) for last in "ab"}
    assert len(made) == 2
    assert hmac.digest(b"hustl", (declared + "a").encode(), "sha256").hex() in made
    assert [identify(declared=declared + last).anchors[0].value for last in "ab"] == [declared + "a", declared + "b"]


def test_users_ask_32_an_empty_declaration_counts_as_none_and_says_so(laptop: Path) -> None:
    identity = on_linux(laptop, declared=" ", environ={"CARNET_DEVICE_ID": ""})
    assert identity.anchors[0].kind == "linux-machine-id"
    assert [m.reason for m in identity.missing] == [
        "device_id= is set but empty.",
        "CARNET_DEVICE_ID is set but empty.",
    ]


@pytest.mark.parametrize("declared", ["two\nlines", "bell\a", "half\udcff"])
def test_a_declared_id_that_is_not_printable_text_is_a_usage_error(declared: str) -> None:
    with pytest.raises(UsageError) as caught:
        identify(declared=declared)
    assert caught.value.code == "bad_device_id"
    assert caught.value.fix


def test_two_mounted_ids_that_are_not_utf_8_do_not_become_one_device(tmp_path: Path) -> None:
    write(tmp_path / "etc/carnet/device-id", "")
    (tmp_path / "etc/carnet/device-id").write_bytes(b"line-\xff")
    with pytest.raises(UsageError):
        on_linux(tmp_path)


def test_a_mounted_id_that_cannot_be_read_is_a_reason(laptop: Path) -> None:
    (laptop / "etc/carnet/device-id").mkdir(parents=True)
    identity = on_linux(laptop)
    assert kinds(identity)[0] == "linux-machine-id"
    assert "cannot be read" in identity.missing[0].reason


# ── macOS ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Recorded:
    """A C function of a recorded framework: takes the declarations ctypes needs, and answers from the recording."""

    def __init__(self, answer: Callable[..., object]) -> None:
        self.answer = answer
        self.restype: object = None
        self.argtypes: list[object] = []

    def __call__(self, *arguments: object) -> object:
        assert len(arguments) == len(self.argtypes), "called before it was declared"
        return self.answer(*arguments)


class Mac:
    """IOKit and CoreFoundation of a MacBook, as far as they are asked; counts what must be released."""

    def __init__(self, uuid: bytes | None = b"1F0C7D0B-6A5E-5B9C-8E1D-0A2B3C4D5E6F", *, service: int = 4099) -> None:
        self.alive: set[int] = set()
        self.uuid = uuid
        self.service = service

        def matching(name: bytes) -> int:
            assert name == b"IOPlatformExpertDevice"
            return 17

        def find(_port: int, dictionary: int) -> int:
            assert dictionary == 17
            if service:
                self.alive.add(service)
            return service

        def string(_allocator: object, text: bytes, encoding: int) -> int:
            assert (text, encoding) == (b"IOPlatformUUID", 0x08000100)
            self.alive.add(23)
            return 23

        def read(_service: int, key: int, _allocator: object, _options: int) -> int | None:
            assert key == 23
            if self.uuid is None:
                return None
            self.alive.add(29)
            return 29

        def copy(_value: int, buffer: ctypes.Array[ctypes.c_char], size: int, _encoding: int) -> bool:
            assert self.uuid is not None
            if len(self.uuid) >= size:
                return False
            buffer.value = self.uuid
            return True

        self.IOServiceMatching = Recorded(matching)
        self.IOServiceGetMatchingService = Recorded(find)
        self.IORegistryEntryCreateCFProperty = Recorded(read)
        self.IOObjectRelease = Recorded(lambda thing: self.alive.discard(int(thing)))
        self.CFStringCreateWithCString = Recorded(string)
        self.CFStringGetCString = Recorded(copy)
        self.CFRelease = Recorded(lambda thing: self.alive.discard(int(thing)))

    def load(self, path: str) -> Mac:
        assert path.startswith("/System/Library/Frameworks/")
        return self


def as_machine(mac: Mac) -> RecordedMachine:
    return RecordedMachine("darwin", platform=lambda name: macos.read_platform_property(name, mac.load))


def test_a_mac_is_its_platform_uuid_and_nothing_leaks() -> None:
    mac = Mac()
    (anchor,) = macos.anchors(as_machine(mac)).anchors
    assert (anchor.kind, anchor.value) == ("mac-platform-uuid", "1f0c7d0b-6a5e-5b9c-8e1d-0a2b3c4d5e6f")
    assert anchor.strength == "strong"
    assert mac.alive == set()
    assert mac.IOServiceMatching.restype is ctypes.c_void_p, "a 64-bit pointer would be cut"


@pytest.mark.parametrize(
    "mac", [Mac(uuid=None), Mac(service=0), Mac(uuid=b"x" * 200), Mac(uuid=b"00000000-0000-0000-0000-000000000000")]
)
def test_a_mac_without_a_usable_uuid_gives_a_reason_and_leaks_nothing(mac: Mac) -> None:
    found = macos.anchors(as_machine(mac))
    assert found.anchors == ()
    assert found.missing[0].reason
    assert mac.alive == set()


def test_users_ask_38_a_framework_that_cannot_be_opened_is_a_reason() -> None:
    identity = identify(system="darwin", root="/nonexistent", environ={})
    assert identity.anchors == ()
    assert "IOKit" in identity.missing[0].reason


# ── Windows ──────────────────────────────────────────────────────────────────────────────────────────────────────────

GUID = "6E2F0F4A-1C57-4C1A-9F77-1B0E6A3D9C42"
UUID_BYTES = bytes.fromhex("44454c4c4200103580 52b3c04f4b4e32".replace(" ", ""))


def smbios(uuid: bytes = UUID_BYTES, *, version: tuple[int, int] = (3, 2), length: int = 27) -> bytes:
    """A raw SMBIOS table as a Dell laptop gives it: BIOS information, system information, end of table."""
    bios = struct.pack("<BBH", 0, 24, 0) + bytes(20) + b"Dell Inc.\x001.2.3\0\0"
    system = (struct.pack("<BBH4B", 1, length, 1, 1, 2, 3, 4) + uuid + b"\x06\x05\x06")[:length] + b"Dell Inc.\0XPS\0\0"
    table = bios + system + struct.pack("<BBH", 127, 4, 2) + b"\0\0"
    return struct.pack("<BBBBI", 0, *version, 0, len(table)) + table


def windows_machine(*, table: bytes | None, guid: str | None = GUID) -> RecordedMachine:
    texts = {} if guid is None else {f"{windows.CRYPTOGRAPHY}\\MachineGuid": guid}
    return RecordedMachine("win32", texts=texts, table=table)


def test_a_windows_machine_is_its_guid_and_then_its_firmware() -> None:
    found = windows.anchors(windows_machine(table=smbios()))
    assert [(a.kind, a.value) for a in found.anchors] == [
        ("windows-machine-guid", GUID.lower()),
        ("windows-smbios-uuid", "4c4c4544-0042-3510-8052-b3c04f4b4e32"),
    ]
    assert found.missing == ()


def test_users_ask_38_each_windows_source_falls_through_on_its_own() -> None:
    without_registry = windows.anchors(windows_machine(table=smbios(), guid=None))
    assert [a.kind for a in without_registry.anchors] == ["windows-smbios-uuid"]
    assert "cannot find" in without_registry.missing[0].reason
    without_both = windows.anchors(windows_machine(table=b"", guid=None))
    assert without_both.anchors == ()
    assert [m.kind for m in without_both.missing] == ["windows-machine-guid", "windows-smbios-uuid"]


def test_users_ask_38_the_real_windows_readers_fail_softly_where_there_is_no_windows() -> None:
    identity = identify(system="win32", root="/nonexistent", environ={})
    assert [m.kind for m in identity.missing] == ["windows-machine-guid", "windows-smbios-uuid"]


def test_the_smbios_uuid_is_little_endian_since_version_2_6_and_was_not_before() -> None:
    assert windows.smbios_uuid(smbios(version=(2, 6))) == "4c4c4544004235108052b3c04f4b4e32"
    assert windows.smbios_uuid(smbios(version=(2, 5))) == UUID_BYTES.hex()


def test_every_truncation_of_an_smbios_table_gives_the_uuid_or_nothing() -> None:
    table = smbios()
    full = windows.smbios_uuid(table)
    answers = {windows.smbios_uuid(table[:size]) for size in range(len(table))}
    assert answers == {None, full}


@pytest.mark.parametrize("table", [smbios(length=8), smbios()[:8] + b"\x01\x00" + bytes(40), b"\0" * 8])
def test_a_table_without_system_information_has_no_uuid(table: bytes) -> None:
    assert windows.smbios_uuid(table) is None


# ── everywhere ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_another_system_without_sources_falls_back_to_the_volume(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    made = with_volume_id(identify(system="freebsd14", root=str(tmp_path), environ={}), state)
    found = identify(system="freebsd14", root=str(tmp_path), environ={}, state_directory=state)
    assert found.anchors == made.anchors


def test_sec_19_a_raw_identifier_does_not_show_in_what_is_printed(laptop: Path) -> None:
    identity = on_linux(laptop)
    assert MACHINE_ID not in repr(identity)
    assert PRODUCT_UUID not in repr(identity)
    assert "linux-machine-id" in repr(identity)


def test_users_ask_38_asking_starts_no_process_and_opens_no_socket() -> None:
    script = """
import sys
forbidden = ("subprocess", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn", "socket")
sys.addaudithook(lambda event, _: sys.exit(event) if event.startswith(forbidden) else None)
from carnet.client.fingerprint import identify
identify(root="/")
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_uuids_and_machine_ids_have_one_spelling() -> None:
    assert canonical_uuid("{4C4C4544-0042-3510-8052-B3C04F4B4E32}") == PRODUCT_UUID
    assert canonical_uuid(PRODUCT_UUID.replace("-", "")) == PRODUCT_UUID
    assert canonical_uuid("4c4c4544") is None
    assert canonical_machine_id(f" {MACHINE_ID.upper()}\n") == MACHINE_ID
    assert is_monotonous("0000")
    assert not is_monotonous("0123")
    assert Anchor(kind="declared", value="a", strength="declared") != Anchor(kind="x", value="a", strength="declared")


def test_every_shared_id_that_formats_knows_is_refused_here_too() -> None:
    from carnet.formats.fingerprint import _PLACEHOLDERS

    ids = [text for text in _PLACEHOLDERS if len(text) == 32 and set(text) <= set("0123456789abcdef")]
    assert len(ids) >= 5
    assert [text for text in ids if canonical_machine_id(text) or canonical_uuid(text)] == []
