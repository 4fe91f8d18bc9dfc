"""REL-02: the server is killed between commit and answer; the same request again gets the outcome. Both databases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from support.databases import KINDS, Kind, on
from support.installations import give_back, query, settings_in
from support.served import served
from support.vendor import fingerprint

VICTIM = """
import asyncio, os, sys, json
from pathlib import Path

from carnet.server.app import create_app
from carnet.server.database import PostgresAddress
from carnet.server.domain.activations.issuing import Issuing
from carnet.server.api.admin import views
from carnet.server.installation import open_installation
from carnet.server.settings import Settings

data, url, path, token, body = sys.argv[1:]


def die(*_, **__):
    os._exit(9)  # the change is committed; nobody has been told


Issuing.sign = die
views.created_license = die


async def main():
    settings = Settings(data=Path(data), postgres=PostgresAddress(url=url) if url else None)
    async with open_installation(settings) as installation:
        messages = [{"type": "http.request", "body": body.encode(), "more_body": False}]

        async def receive():
            return messages.pop()

        async def send(message):
            print(message)

        headers = [
            (b"idempotency-key", b"the-question"),
            (b"authorization", b"Bearer " + token.encode()),
            (b"content-length", str(len(body.encode())).encode()),
        ]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": headers,
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "state": {},
        }
        await create_app(installation)(scope, receive, send)


asyncio.run(main())
"""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("call", ["activate", "createLicense"])
def test_rel_02_killed_between_commit_and_answer_the_same_request_gets_the_outcome(
    tmp_path: Path, kind: Kind, call: str
) -> None:
    with on(kind):
        with served(tmp_path) as vendor:
            made, token = vendor.license(), vendor.admin_token
        body: dict[str, Any] = {"product": made["product"], "policy": "consumer"}
        path, table = "/v1/admin/licenses", "licenses"
        if call == "activate":
            body = {
                "product": made["product"],
                "license_key": made["key"],
                "device": {"fingerprint": fingerprint("killed")},
            }
            path, table = "/v1/activate", "activations"
        settings = settings_in(tmp_path)
        before = len(query(tmp_path, f"SELECT 1 FROM {table}"))  # noqa: S608 - our own names
        url = "" if settings.postgres is None else settings.postgres.url
        text = json.dumps(body)
        victim = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(VICTIM), str(settings.data), url, path, token, text],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ},
            timeout=120,
        )
        assert victim.returncode == 9, victim.stdout + victim.stderr
        ids = {row[0] for row in query(tmp_path, f"SELECT id FROM {table}")}  # noqa: S608
        assert len(ids) == before + 1
        with served(tmp_path) as vendor:
            headers = {"Idempotency-Key": "the-question", "Authorization": f"Bearer {token}"}
            answer = vendor.http.post(path, content=text, headers=headers)
            assert answer.status_code == 201, answer.text
            assert answer.headers["idempotency-replayed"] == "true"
            told = answer.json()
            assert (told["activation"]["id"] if call == "activate" else told["id"]) in ids
            if call == "activate":
                assert told["token"]
            else:
                sold = {"license_key": told["key"], "product": made["product"]}
                assert vendor.http.post("/v1/validate", json=sold).json()["valid"] is True
        assert {row[0] for row in query(tmp_path, f"SELECT id FROM {table}")} == ids  # noqa: S608
    give_back()
