from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from carnet.core.errors import CarnetError
from carnet.core.instant import DAY
from carnet.formats.keys import ROLES
from carnet.formats.root import anchor, build_root, next_root, read_root, sign_root
from carnet.server.ceremony import InitOptions, InitReport, create_installation
from carnet.server.files import Files
from carnet.server.installation import open_installation
from carnet.server.layout import Layout
from carnet.server.records import OPERATOR
from carnet.server.settings import Settings
from carnet.server.signing.root_keys import read_root_key
from support.installations import CHEAP, START, Device, HeldClock, licensed
from support.stories import granted

pytestmark = pytest.mark.sqlite_file  # the other database: test_init_on_postgres.py


def options_in(folder: Path, **changes: Any) -> InitOptions:
    values: dict[str, Any] = {"root_keys": folder / "root", **changes}
    return InitOptions(**values)


def init(folder: Path, settings: Settings | None = None, files: Files | None = None, **changes: Any) -> InitReport:
    settings = settings or Settings(data=folder / "data")
    return create_installation(settings, options_in(folder, **changes), now=START, cost=CHEAP, files=files)


def works(settings: Settings, report: InitReport) -> None:
    """The installation issues, activates and knows its admin token."""

    async def story() -> None:
        async with open_installation(settings, clock=HeldClock()) as installation:
            assert all(check.ok for check in await installation.checks())
            assert installation.issuer == report.issuer
            assert installation.created_at == START
            assert anchor(installation.roots[0]) == report.anchor
            api_key = await installation.apikeys.authenticate(report.admin_token)
            assert api_key is not None
            assert api_key.scopes == ("admin",)
            created = await licensed(installation)
            granted(await installation.activations.activate(Device().activate(created.key, nonce="n")))

    asyncio.run(story())


def snapshot(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def fails(code: str, call: Callable[[], object]) -> CarnetError:
    with pytest.raises(CarnetError) as caught:
        call()
    assert caught.value.code == code
    assert caught.value.message.endswith(".")
    assert caught.value.fix
    return caught.value


def test_a_new_installation_works_and_its_report_says_where_everything_is(tmp_path: Path) -> None:
    report = init(tmp_path)
    settings = Settings(data=tmp_path / "data")
    assert report.data == settings.data
    assert report.root_path.read_bytes()[-1:] != b"\n"  # so that sha256sum prints the anchor
    assert anchor(report.root_path.read_bytes()) == report.anchor
    assert [path.exists() for path in report.root_key_paths] == [True]
    assert report.root_key_paths[0].parent == tmp_path / "root"
    assert report.root_expires_at == START + 3650 * DAY
    assert any(str(report.root_expires_at) in note for note in report.notes)
    assert report.admin_token not in repr(report)
    assert sorted(path.name for path in settings.data.iterdir() if path.name != "init.lock") == [
        "carnet.db",
        "installation.json",
        "keys",
        "root.json",
        "secrets",
    ]
    works(settings, report)


def test_a_single_root_file_names_a_key_for_every_role_and_fits_into_an_app(tmp_path: Path) -> None:
    report = init(tmp_path)
    data = report.root_path.read_bytes()
    root = read_root(data)
    assert {role.role for role in root.roles} == set(ROLES)
    assert (root.version, root.issuer, root.issued_at) == (1, report.issuer, START)
    assert len(data) < 2048


@pytest.mark.parametrize("passphrase", [None, b"of the root"])
def test_sec_20_two_of_three_root_keys_sign_and_can_sign_the_next_root(
    tmp_path: Path, passphrase: bytes | None
) -> None:
    report = init(tmp_path, root_key_count=3, root_threshold=2, root_passphrase=passphrase)
    root = read_root(report.root_path.read_bytes())
    role = root.role("root")
    assert role is not None
    assert (len(role.kids), role.threshold) == (3, 2)
    assert len(report.root_key_paths) == 3
    signers = [read_root_key(path.read_bytes(), passphrase) for path in report.root_key_paths]
    assert {signer.kid for signer in signers} == set(role.kids)
    second = build_root(
        version=2,
        issuer=root.issuer,
        issued_at=START,
        expires_at=root.expires_at,
        keys={each.role: root.role_keys(each.role) for each in root.roles},
        root_threshold=2,
    )
    assert next_root(root, sign_root(second, signers[1:])).version == 2
    with pytest.raises(CarnetError):
        next_root(root, sign_root(second, signers[:1]))


@pytest.mark.parametrize("passphrase", [None, b"of the signing keys"])
def test_sec_25_everything_secret_is_the_owners_only_and_no_root_key_is_in_the_data(
    tmp_path: Path, passphrase: bytes | None
) -> None:
    settings = Settings(data=tmp_path / "data", passphrase=passphrase)
    report = init(tmp_path, settings)
    for path in [
        tmp_path / "data",
        tmp_path / "root",
        *(tmp_path / "data").rglob("*"),
        *(tmp_path / "root").rglob("*"),
    ]:
        if path.name != "init.lock":
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    root_keys = b"".join(path.read_bytes() for path in report.root_key_paths)
    assert not any(
        content and content in root_keys for content in snapshot(settings.data).values() if len(content) > 64
    )
    assert (Layout(data=settings.data).signing.exists()) == (passphrase is None)
    works(settings, report)


def test_users_ask_3_sec_47_secrets_can_be_given_and_placeholders_are_refused(tmp_path: Path) -> None:
    token = "0f8e7d6c5b4a39281706f5e4d3c2b1a0"
    settings = Settings(data=tmp_path / "data", admin_token=token)
    fails("weak_token", lambda: init(tmp_path, Settings(data=tmp_path / "data", admin_token="changeme")))
    fails("weak_passphrase", lambda: init(tmp_path, Settings(data=tmp_path / "data", passphrase=b"ChangeMe\n")))
    fails("weak_passphrase", lambda: init(tmp_path, root_passphrase=b"passphrase"))
    assert not (tmp_path / "data").exists()
    report = init(tmp_path, settings)
    assert report.admin_token == token
    works(settings, report)


def test_init_twice_says_so_and_changes_nothing(tmp_path: Path) -> None:
    init(tmp_path)
    before = snapshot(tmp_path)
    error = fails("already_initialised", lambda: init(tmp_path))
    assert "nothing was changed" in error.message
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"root_key_count": 0}, "invalid_argument"),
        ({"root_key_count": 17}, "invalid_argument"),
        ({"root_threshold": 0}, "invalid_argument"),
        ({"root_key_count": 2, "root_threshold": 3}, "invalid_argument"),
        ({"root_keys": Path("data")}, "root_keys_inside_data"),
        ({"root_keys": Path("data/keys/root")}, "root_keys_inside_data"),
        ({"root_keys": Path("elsewhere/../data/root")}, "root_keys_inside_data"),
    ],
)
def test_a_ceremony_that_cannot_be_is_refused_before_anything_is_made(
    tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    if isinstance(changes.get("root_keys"), Path):
        changes = {"root_keys": tmp_path / str(changes["root_keys"])}
    fails(code, lambda: init(tmp_path, **changes))
    assert snapshot(tmp_path) == {}
    assert not (tmp_path / "data").exists()


def test_a_link_into_the_data_directory_does_not_hide_where_root_keys_would_lie(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    fails("root_keys_inside_data", lambda: init(tmp_path, root_keys=tmp_path / "link" / "root"))


def test_an_unwritable_data_directory_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    error = fails("data_not_writable", lambda: init(tmp_path, Settings(data=tmp_path / "file" / "data")))
    assert str(tmp_path / "file") in error.message
    fails("data_not_writable", lambda: init(tmp_path, Settings(data=Path("/proc/carnet-data"))))
    # What can be written is taken back when the rest cannot.
    fails("data_not_writable", lambda: init(tmp_path, root_keys=tmp_path / "file" / "root"))
    assert {path.name for path in (tmp_path / "data").iterdir()} <= {"init.lock"}
    works(Settings(data=tmp_path / "data"), init(tmp_path))  # and then it works


def test_what_might_be_the_last_copy_of_somebodys_keys_is_not_overwritten(tmp_path: Path) -> None:
    report = init(tmp_path)
    (tmp_path / "data" / "installation.json").unlink()
    before = snapshot(tmp_path)
    fails("data_not_empty", lambda: init(tmp_path))
    assert {path: content for path, content in snapshot(tmp_path).items() if path.name != "init.lock"} == {
        path: content for path, content in before.items() if path.name != "init.lock"
    }
    fails("root_keys_exist", lambda: init(tmp_path, Settings(data=tmp_path / "other")))
    assert report.root_key_paths[0].read_bytes() == before[report.root_key_paths[0]]


def test_an_empty_directory_that_is_already_there_is_fine(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "lost+found").mkdir()
    (tmp_path / "root").mkdir()
    works(Settings(data=tmp_path / "data"), init(tmp_path))


def test_only_one_init_runs_at_a_time(tmp_path: Path) -> None:
    class Meanwhile(Files):
        tried = False

        def write(self, path: Path, content: bytes) -> None:
            super().write(path, content)
            if not self.tried:
                self.tried = True
                fails("init_running", lambda: init(tmp_path))

    works(Settings(data=tmp_path / "data"), init(tmp_path, files=Meanwhile()))


# ── killed at every step ─────────────────────────────────────────────────────────────────────────────────────────────


class Killed(Files):
    """Ends the process, as `kill -9` does, before or in the middle of its k-th change on disk."""

    def __init__(self, step: int, *, torn: bool = False) -> None:
        self.left = step
        self.torn = torn

    def _count(self, path: Path, content: bytes = b"") -> None:
        self.left -= 1
        if self.left == 0:
            if self.torn and content:
                path.with_name(path.name + ".tmp").write_bytes(content[: len(content) // 2])
            os._exit(137)

    def make_folder(self, path: Path) -> None:
        self._count(path)
        super().make_folder(path)

    def write(self, path: Path, content: bytes) -> None:
        self._count(path, content)
        super().write(path, content)

    def remove(self, path: Path) -> None:
        self._count(path)
        super().remove(path)

    def remove_folder(self, path: Path) -> None:
        self._count(path)
        super().remove_folder(path)


def killed_at(step: int, folder: Path, *, torn: bool = False) -> bool:
    """Run init in a child that dies at *step*; False once there are fewer steps."""
    child = os.fork()
    if child == 0:
        try:
            init(folder, files=Killed(step, torn=torn), root_key_count=3, root_threshold=2)
        except BaseException:  # noqa: BLE001 - the child must end here, whatever happens
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in {0, 137}
    return code == 137


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.parametrize(("how", "stride"), [("between two writes", 1), ("in the middle of a write", 4)])
def test_an_init_killed_at_any_step_is_detected_and_running_it_again_makes_a_whole_one(
    tmp_path: Path, how: str, stride: int
) -> None:
    torn = how == "in the middle of a write"
    step, half_finished = 0, 0
    while True:
        step += stride
        folder = tmp_path / str(step)
        folder.mkdir()
        if not killed_at(step, folder, torn=torn):
            break
        settings = Settings(data=folder / "data")
        layout = Layout(data=settings.data)
        if layout.record.exists():  # killed behind the last write: whole, and only the marker is left
            fails("already_initialised", lambda folder=folder: init(folder))  # type: ignore[misc]
            asyncio.run(_opens(settings))
            continue
        expected = "half_initialised" if layout.marker.exists() else "not_initialised"
        error = fails(expected, lambda settings=settings: asyncio.run(_opens(settings)))  # type: ignore[misc]
        assert "carnet init" in error.fix
        half_finished += expected == "half_initialised"
        report = init(folder, root_key_count=2)
        assert ("interrupted" in report.notes[0]) == (expected == "half_initialised")
        if step % 8 == 0:
            works(settings, report)
        else:
            asyncio.run(_opens(settings))
        assert sorted(path.name for path in (folder / "root").iterdir()) == [
            "root-key-1-of-2.json",
            "root-key-2-of-2.json",
        ]
        leftovers = [path for path in folder.rglob("*") if path.name.endswith(".tmp") or path.name == "init.json"]
        assert leftovers == []
    assert half_finished >= 15 // stride


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_clearing_up_can_be_killed_too(tmp_path: Path) -> None:
    assert killed_at(16, tmp_path)
    for step in range(2, 12):
        assert killed_at(step, tmp_path)
        assert Layout(data=tmp_path / "data").marker.exists()
    works(Settings(data=tmp_path / "data"), init(tmp_path))


async def _opens(settings: Settings) -> None:
    async with open_installation(settings, clock=HeldClock()) as installation:
        assert (await installation.products.list()).items == ()
        assert OPERATOR.kind == "operator"
