from __future__ import annotations

from pathlib import Path

import pytest

from carnet.core.errors import UsageError
from carnet.server.database import PostgresAddress
from carnet.server.settings import BackupSchedule, Settings, settings_from_environment


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    settings = settings_from_environment({})
    assert settings == Settings(data=Path("./carnet-data"), host="127.0.0.1", port=8787, workers=1)
    assert settings.base_url == "http://127.0.0.1:8787"
    assert settings.database_path == Path("carnet-data/carnet.db")


def test_every_variable_is_read() -> None:
    settings = settings_from_environment(
        {
            "CARNET_DATA": "/srv/carnet",
            "CARNET_HOST": "0.0.0.0",  # noqa: S104 - the value is only read
            "CARNET_PORT": "80",
            "CARNET_WORKERS": "2",
            "CARNET_PUBLIC_URL": "https://license.example.com/",
            "CARNET_PASSPHRASE": "correct horse",
            "CARNET_ADMIN_TOKEN": "a-token",
        }
    )
    assert settings.data == Path("/srv/carnet")
    assert (settings.host, settings.port, settings.workers) == ("0.0.0.0", 80, 2)  # noqa: S104
    assert settings.base_url == "https://license.example.com"
    assert (settings.passphrase, settings.admin_token) == (b"correct horse", "a-token")


def test_empty_values_count_as_not_given() -> None:
    assert settings_from_environment({"CARNET_PORT": "", "CARNET_DATA": "", "CARNET_PASSPHRASE": ""}) == (
        settings_from_environment({})
    )


@pytest.mark.parametrize("content", [b"secret", b"secret\n", b"secret\r\n"])
def test_a_secret_file_loses_only_its_line_end(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "passphrase"
    path.write_bytes(content)
    assert settings_from_environment({"CARNET_PASSPHRASE_FILE": str(path)}).passphrase == b"secret"


def test_blanks_inside_a_secret_stay(tmp_path: Path) -> None:
    path = tmp_path / "passphrase"
    path.write_bytes(b" a b \n\n")
    assert settings_from_environment({"CARNET_PASSPHRASE_FILE": str(path)}).passphrase == b" a b \n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CARNET_PORT", "65536"),
        ("CARNET_PORT", "-1"),
        ("CARNET_PORT", "http"),
        ("CARNET_PORT", "\uff18\uff10"),
        ("CARNET_PORT", "1" * 5000),
        ("CARNET_WORKERS", "0"),
        ("CARNET_WORKERS", "257"),
        ("CARNET_PUBLIC_URL", "license.example.com"),
        ("CARNET_PUBLIC_URL", "https://user@license.example.com"),
        ("CARNET_PUBLIC_URL", "https://license.example.com/?a=b"),
        ("CARNET_PUBLIC_URL", "javascript:alert(1)"),
        ("CARNET_DATABASE_URL", "mysql://db/carnet"),
        ("CARNET_DATABASE_URL", "carnet.db"),
        ("CARNET_DATABASE_URL", "postgresql://db"),
        ("CARNET_DATABASE_URL", "postgresql://db/"),
        ("CARNET_DATABASE_URL", "postgresql://db:port/carnet"),
        ("CARNET_DATABASE_URL", "postgresql://db/carnet x"),
        ("CARNET_PASSPHRASE_FILE", "/nonexistent/passphrase"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_the_name_of_its_variable(name: str, value: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings_from_environment({name: value})
    assert caught.value.code == "bad_setting"
    assert name in caught.value.message
    assert caught.value.fix


@pytest.mark.parametrize("value", ["0", "65535"])
def test_the_bounds_of_the_port_are_ports(value: str) -> None:
    assert settings_from_environment({"CARNET_PORT": value}).port == int(value)


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "passphrase"
    path.write_bytes(b"x")
    with pytest.raises(UsageError, match="both set"):
        settings_from_environment({"CARNET_PASSPHRASE": "y", "CARNET_PASSPHRASE_FILE": str(path)})


@pytest.mark.parametrize("content", [b"", b"\n", b"x" * 4097])
def test_an_empty_or_oversized_secret_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="empty or too large"):
        settings_from_environment({"CARNET_ADMIN_TOKEN_FILE": str(path)})


def test_a_token_file_that_is_not_text_is_refused_without_showing_it(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(b"\xff\xfecanary")
    with pytest.raises(UsageError) as caught:
        settings_from_environment({"CARNET_ADMIN_TOKEN_FILE": str(path)})
    assert "canary" not in str(caught.value)


def test_sec_33_printed_settings_show_no_secret() -> None:
    postgres = PostgresAddress(url="postgresql://me:canary-3@db/carnet?password=canary-4")
    settings = Settings(data=Path("d"), passphrase=b"canary-1", admin_token="canary-2", postgres=postgres)
    for shown in (settings, postgres, settings.database):
        assert "canary" not in repr(shown)
        assert "canary" not in str(shown)


@pytest.mark.parametrize("value", ["", "sqlite"])
def test_without_an_address_the_database_is_a_file_in_the_data_directory(value: str) -> None:
    settings = settings_from_environment({"CARNET_DATABASE_URL": value, "CARNET_DATA": "there"})
    assert settings.database == Path("there/carnet.db")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@db.example.com:5433/carnet", "postgresql://me@db.example.com:5433/carnet"),
        ("postgres://db/carnet?sslmode=verify-full&password=secret", "postgresql://db/carnet"),
        ("postgresql:///carnet?host=/run/postgresql", "postgresql:///carnet"),
        ("postgresql://me:se%2Fcret@[2001:db8::1]:5432/carnet", "postgresql://me@[2001:db8::1]:5432/carnet"),
    ],
)
def test_a_database_address_goes_to_the_driver_as_it_is_and_is_shown_without_secrets(
    tmp_path: Path, url: str, shown: str
) -> None:
    path = tmp_path / "url"
    path.write_text(url + "\n")
    for given in ({"CARNET_DATABASE_URL": url}, {"CARNET_DATABASE_URL_FILE": str(path)}):
        database = settings_from_environment(given).database
        assert isinstance(database, PostgresAddress)
        assert (database.url, str(database)) == (url, shown)


def test_sec_33_a_refused_database_address_is_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        settings_from_environment({"CARNET_DATABASE_URL": "postgresql://me:canary@db:x/carnet"})
    assert "canary" not in str(caught.value)


def test_jobs_events_backups_and_the_replica_are_read() -> None:
    settings = settings_from_environment(
        {
            "CARNET_DATABASE_URL": "postgresql://u@db/carnet",
            "CARNET_DATABASE_REPLICA_URL": "postgresql://u:secret@replica/carnet",
            "CARNET_REPLICA_LAG_SECONDS": "5",
            "CARNET_JOBS": "off",
            "CARNET_EVENT_LOG": "/var/log/carnet/events.jsonl",
            "CARNET_KEEP_EVENTS_DAYS": "7",
            "CARNET_BACKUP_DIRECTORY": "/var/backups/carnet",
            "CARNET_BACKUP_HOURS": "6",
            "CARNET_BACKUP_KEEP": "3",
            "CARNET_REDIS_URL": "redis://localhost",
        }
    )
    assert settings.replica == PostgresAddress(url="postgresql://u:secret@replica/carnet")
    assert (settings.replica_lag_seconds, settings.jobs, settings.keep_events_days) == (5, False, 7)
    assert settings.event_log == Path("/var/log/carnet/events.jsonl")
    assert settings.backups == BackupSchedule(directory=Path("/var/backups/carnet"), every_seconds=21_600, keep=3)
    assert settings.unused == ("CARNET_REDIS_URL",)  # users-ask 5: no Redis, and it is said
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    "environ",
    [
        {"CARNET_DATABASE_REPLICA_URL": "postgresql://u:secret@replica/carnet"},  # of the embedded database
        {"CARNET_DATABASE_URL": "postgresql://u@db/carnet", "CARNET_DATABASE_REPLICA_URL": "mysql://u:secret@db/x"},
        {"CARNET_REPLICA_LAG_SECONDS": "4"},  # the service clock is beaten every three seconds
        {"CARNET_REPLICA_LAG_SECONDS": "3601"},
        {"CARNET_JOBS": "yes"},
        {"CARNET_KEEP_EVENTS_DAYS": "0"},
        {"CARNET_BACKUP_DIRECTORY": "/b", "CARNET_BACKUP_HOURS": "0"},
        {"CARNET_BACKUP_DIRECTORY": "/b", "CARNET_BACKUP_KEEP": "0"},
    ],
)
def test_a_setting_of_jobs_or_replica_out_of_its_bounds_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        settings_from_environment(environ)
    assert caught.value.code == "bad_setting"
    assert list(environ)[-1] in caught.value.message
    assert "secret" not in str(caught.value)
