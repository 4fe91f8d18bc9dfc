"""
What the server says of itself: one structured line per outcome, and nothing secret in any of them (SEC-33).

Lines go to standard error: JSON when it is a pipe or a file, coloured text in a terminal. Redaction runs last, over
every value of a line at any depth and over rendered tracebacks, so that a careless call elsewhere leaks nothing.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Mapping, MutableMapping
from typing import IO, Any, Final

import structlog

from carnet.core.clock_guard import ClockDoubt
from carnet.core.instant import Instant
from carnet.server.api.context import REQUEST_ID
from carnet.server.domain.statistics.anomalies import Alert
from carnet.server.ports.never_issued import Stranger

_SECRET_NAMES: Final = frozenset({
    "admin_token", "authorization", "cookie", "device_proof", "key", "license_key", "machine_file", "passphrase",
    "password", "proof", "secret", "token",
})  # fmt: skip
_PUBLIC_NAMES: Final = frozenset({"checkpoint"})
"""Of values that are made to be collected, and worth nothing if a character of them is blanked."""

_REDACTED: Final = "[redacted]"

_PATTERNS: Final = (
    # Armoured files first: their lines would otherwise be eaten piecemeal.
    (re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL), "[file]"),
    # Compact JWS: every one of ours starts with base64url of `{"`.
    (re.compile(r"\beyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*){1,2}"), "[token]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[^\s,;\"']+"), r"\1 [redacted]"),
    (re.compile(r"\bcarnet_[a-z]+_[A-Za-z0-9_-]{8,}"), "[admin token]"),
    # A license key as printed or typed (design.md §5): five groups of five; the last four stay (SEC-32).
    (re.compile(r"\b[0-9A-Za-z]{5}(?:[-\u2010-\u2015\u2212_. ][0-9A-Za-z]{5}){3}[-\u2010-\u2015\u2212_. ][0-9A-Za-z]"
                r"([0-9A-Za-z]{4})\b"), r"…\1"),
    (re.compile(r"\b(?=[0-9A-Za-z]{25}\b)(?=[A-Za-z]*[0-9])[0-9A-Za-z]{21}([0-9A-Za-z]{4})\b"), r"…\1"),
)  # fmt: skip


def redact_text(text: str) -> str:
    """*text* without license keys (their last four stay), tokens, credentials and armoured files."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The structlog processor: blanks secret-bearing names, and secret-looking text under every other name."""
    return {name: _clean(name, value) for name, value in event.items()}


def _clean(name: str, value: object) -> object:
    if name.lower() in _SECRET_NAMES and value is not None:
        return _REDACTED
    if isinstance(value, str) and name in _PUBLIC_NAMES:
        return value
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if isinstance(value, Mapping):
        return {str(key): _clean(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact_text(str(value))


def _with_request_id(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if request_id := REQUEST_ID.get():
        event.setdefault("request_id", request_id)
    return event


_PROCESSORS: Final[list[Any]] = [
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%SZ", utc=True),
    _with_request_id,
    structlog.processors.format_exc_info,
    redact,
]

log: Final[structlog.stdlib.BoundLogger] = structlog.wrap_logger(
    logging.getLogger("carnet"),
    processors=[
        structlog.stdlib.filter_by_level,
        *_PROCESSORS,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)
"""The server's own logger. It redacts by itself, however the embedding program has set up its logging."""


_ROOT: Final = logging.getLogger()
_OWN: Final = logging.getLogger("carnet")


class _JsonLines(logging.StreamHandler[IO[str]]):
    """Where `configure_logs` sends JSON lines."""


def log_answer(*, method: str, route: str, status: int, code: str | None, ms: float) -> None:
    """
    The one line of an answered request: what ``log.info("request.answered", …)`` writes, in a fifth of the time.

    A server writes it for every activation, so it is put together here, in the same order and redacted by the same
    function, where lines go to `configure_logs`' own JSON handler and nowhere else. Everywhere else it takes the usual
    way.

    Args:
        method: As sent; at most 16 characters.
        route: The route's template: ours.
        status: As sent.
        code: The problem's code, or None.
        ms: How long it took.
    """
    handler = _ROOT.handlers[0] if len(_ROOT.handlers) == 1 else None
    if type(handler) is not _JsonLines or _OWN.handlers or not _OWN.isEnabledFor(logging.INFO):
        log.info("request.answered", method=method, route=route, status=status, code=code, ms=ms)
        return
    event: dict[str, Any] = {
        "method": redact_text(method),
        "route": route,
        "status": status,
        "code": code,
        "ms": ms,
        "event": "request.answered",
        "level": "info",
        "timestamp": str(Instant(int(time.time()))),
    }
    if request_id := REQUEST_ID.get():
        event["request_id"] = redact_text(request_id)
    line = json.dumps(event) + handler.terminator
    handler.acquire()
    try:
        handler.stream.write(line)
        handler.flush()
    except Exception:  # noqa: BLE001 - as logging does: a log that cannot be written stops no request
        handler.handleError(logging.makeLogRecord({"msg": "request.answered"}))
    finally:
        handler.release()


def configure_logs(stream: IO[str] | None = None, *, level: int = logging.INFO) -> None:
    """
    Set up this process's logging, ours and the libraries'. For processes that serve; importing changes nothing.

    Args:
        stream: Where lines go; standard error when None. Coloured text if it is a terminal, JSON lines otherwise.
        level: The lowest level that is written of our own lines; of libraries, warnings at least.
    """
    out = sys.stderr if stream is None else stream
    terminal = out.isatty()
    renderer: Any = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(out) if terminal else _JsonLines(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_PROCESSORS,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    _ROOT.handlers[:] = [handler]
    _ROOT.setLevel(max(level, logging.WARNING))  # libraries: only what went wrong
    _OWN.setLevel(level)


def tell_clock(doubt: ClockDoubt | None) -> None:
    """Log that nothing is signed by this clock, or that it is right again (SEC-31)."""
    if doubt is None:
        log.warning("clock.right_again")
    else:
        log.error("clock.doubtful", code=doubt.code, problem=str(doubt.error()))


def tell_stranger(stranger: Stranger) -> None:
    """The line of an artifact that was seen and never issued (SEC-24): ids and times only."""
    log.warning(
        "artifact.never_issued",
        jti=stranger.jti,
        kind=stranger.kind,
        kid=stranger.kid,
        reason=stranger.reason,
        proved=stranger.proved,
        license_id=stranger.license_id,
        activation_id=stranger.activation_id,
    )


def tell_alert(alert: Alert) -> None:
    """The line of an alert about what looks odd (R-25): ids and numbers only."""
    log.warning(
        "license.suspected",
        kind=alert.kind,
        license_id=alert.license_id,
        activation_id=alert.activation_id,
        count=alert.count,
    )
