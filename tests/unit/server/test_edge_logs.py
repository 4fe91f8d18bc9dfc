"""SEC-33: nothing secret reaches a log line, however it got into the event."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.server.api.context import REQUEST_ID
from carnet.server.api.logs import configure_logs, log, log_answer, redact, redact_text

KEY = "7CXSZ-8Q2MD-N4V6P-KH9T3-WBA5R"
JWS = "eyJhbGciOiJFZERTQSIsImtpZCI6IjEifQ.eyJpYXQiOjF9.c2lnbmF0dXJl"
FILE = "-----BEGIN MACHINE FILE-----\neyJlbmMiOiJz\nZWNyZXQi\n-----END MACHINE FILE-----"
SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Log lines of this test as JSON; what was set up before is put back."""
    root, own = logging.getLogger(), logging.getLogger("carnet")
    handlers, levels = list(root.handlers), (root.level, own.level)
    stream = io.StringIO()
    configure_logs(stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    own.setLevel(levels[1])


def _events(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        (KEY, "…BA5R"),
        (KEY.lower(), "…"),
        (KEY.replace("-", " "), "…"),
        (KEY.replace("-", ""), "…"),
        (JWS, "[token]"),
        (FILE, "[file]"),
        (FILE[:40], "[file]"),
        ("Authorization: Bearer abc.def-123", "Bearer [redacted]"),
    ],
)
def test_sec_33_secret_looking_text_is_blanked_wherever_it_stands(secret: str, shown: str) -> None:
    cleaned = redact_text(f"before {secret} after")
    assert secret not in cleaned
    assert "before" in cleaned
    assert shown in cleaned


@given(
    st.lists(st.text(SYMBOLS, min_size=5, max_size=5), min_size=5, max_size=5),
    st.sampled_from(["-", " ", "\u2013", "_"]),
)
def test_sec_33_every_license_key_leaves_only_its_last_four(groups: list[str], separator: str) -> None:
    key = separator.join(groups)
    assert redact_text(f"key {key}.") == f"key …{groups[4][1:]}."


@pytest.mark.parametrize(
    "plain",
    [
        "seat_limit_reached",
        "0193f2d4-7c1e-7d30-9e9b-0f5c3f7b2a10",
        "2026-11-22T09:30:00Z",
        "/v1/admin/licenses/{id}",
        "a" * 64,
    ],
)
def test_what_is_not_secret_stays_readable(plain: str) -> None:
    assert redact_text(plain) == plain


def test_sec_33_secret_names_are_blanked_at_any_depth() -> None:
    event = redact(None, "info", {"event": "x", "nested": [{"license_key": "abc", "deep": {"TOKEN": b"raw", "ok": 1}}]})
    assert event == {"event": "x", "nested": [{"license_key": "[redacted]", "deep": {"TOKEN": "[redacted]", "ok": 1}}]}


def test_sec_33_bytes_and_objects_are_not_printed_raw() -> None:
    class Careless:
        def __str__(self) -> str:
            return f"Careless({KEY})"

    assert redact(None, "info", {"raw": b"secret", "object": Careless()}) == {
        "raw": "[6 bytes]",
        "object": "Careless(…BA5R)",
    }


def _fail(message: str) -> None:
    raise RuntimeError(message)


def test_sec_33_a_traceback_is_redacted_and_shows_no_locals(lines: io.StringIO) -> None:
    canary = "unseen-in-locals"
    try:
        _fail(f"while reading {KEY} and {JWS}, not {canary[:3]}")
    except RuntimeError as error:
        log.error("request.failed", exc_info=error)
    (event,) = _events(lines)
    assert "RuntimeError" in event["exception"]
    assert KEY not in lines.getvalue()
    assert JWS not in lines.getvalue()
    assert canary not in lines.getvalue()
    assert event["level"] == "error"


def test_lines_of_libraries_are_redacted_and_structured_too(lines: io.StringIO) -> None:
    logging.getLogger("some.library").warning("saw %s", KEY)
    (event,) = _events(lines)
    assert event["event"] == f"saw …{KEY[-4:]}"
    assert event["level"] == "warning"


def test_lines_carry_the_request_id(lines: io.StringIO) -> None:
    token = REQUEST_ID.set("req-17")
    try:
        log.info("request.answered")
    finally:
        REQUEST_ID.reset(token)
    (event,) = _events(lines)
    assert event["request_id"] == "req-17"


def test_a_request_id_cannot_smuggle_a_key_into_the_log(lines: io.StringIO) -> None:
    token = REQUEST_ID.set(KEY)
    try:
        log.info("request.answered")
    finally:
        REQUEST_ID.reset(token)
    assert KEY not in lines.getvalue()


@pytest.mark.parametrize("request_id", ["req-17", KEY, ""])
@pytest.mark.parametrize("code", [None, "license_not_found"])
def test_the_line_of_an_answer_is_what_the_logger_would_have_written(
    lines: io.StringIO, request_id: str, code: str | None
) -> None:
    values: dict[str, Any] = {"method": KEY, "route": "/v1/activate", "status": 201, "code": code, "ms": 1.5}
    root = logging.getLogger()
    root.handlers[:] = [each for each in root.handlers if type(each).__name__ == "_JsonLines"]  # without pytest's own
    token = REQUEST_ID.set(request_id)
    try:
        assert len(root.handlers) == 1
        log_answer(**values)
        log.info("request.answered", **values)
    finally:
        REQUEST_ID.reset(token)
    one, other = lines.getvalue().splitlines()
    when = json.loads(one)["timestamp"]
    assert one == other.replace(json.loads(other)["timestamp"], when)
    assert KEY not in one


def test_the_line_of_an_answer_takes_the_usual_way_beside_others_handlers(lines: io.StringIO) -> None:
    also = io.StringIO()
    another = logging.StreamHandler(also)
    logging.getLogger().addHandler(another)
    try:
        log_answer(method="GET", route="/v1/root", status=200, code=None, ms=1.0)
    finally:
        logging.getLogger().removeHandler(another)
    assert len(_events(lines)) == 1
    assert also.getvalue()


def test_an_answer_below_the_level_is_not_written(lines: io.StringIO) -> None:
    logging.getLogger("carnet").setLevel(logging.WARNING)
    log_answer(method="GET", route="/v1/root", status=200, code=None, ms=1.0)
    assert not lines.getvalue()
