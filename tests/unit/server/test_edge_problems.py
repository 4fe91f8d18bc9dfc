"""The one table from codes to statuses: complete, and the same as the specification's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from carnet.core.decision import Reason, Refused, SeatHolder
from carnet.core.errors import (
    CarnetError,
    DoesNotOpenError,
    MalformedError,
    NotGenuineError,
    StateError,
    TransportError,
    UsageError,
)
from carnet.core.instant import Instant
from carnet.core.reasons import REFUSALS
from carnet.server.api.problem_kinds import PROBLEMS
from carnet.server.api.problems import from_carnet_error, from_unknown, problem, refusal
from carnet.server.domain.activations.refusals import PROOF_REASONS

SPEC = Path(__file__).parents[3] / "specs" / "http-api.md"
NOBODY: Any = None


def _body(response: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(response.content)
    return decoded


@pytest.mark.parametrize("code", sorted({*REFUSALS, *PROOF_REASONS, "seat_limit_reached"}))
def test_every_refusal_of_the_services_has_a_status(code: str) -> None:
    answer = refusal(Refused(code=code, reasons=(Reason(code=code, message="M.", fix="F."),)), None)
    assert answer.status_code in {401, 403, 404, 409}
    assert _body(answer)["code"] == code
    assert _body(answer)["detail"] == "M. F."


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("license_suspended", 403),
        ("license_revoked", 403),
        ("license_expired", 403),
        ("wrong_product", 403),
        ("wrong_domain", 403),
        ("license_not_found", 404),
        ("seat_limit_reached", 409),
        ("too_large", 413),
        ("unavailable", 503),
        ("internal_error", 500),
    ],
)
def test_statuses_are_those_that_outside_checks_rely_on(code: str, status: int) -> None:
    assert PROBLEMS[code].status == status


def test_the_specification_lists_exactly_the_codes_and_statuses_of_the_table() -> None:
    rows = re.findall(r"^\| (\d{3}) \| ((?:`[a-z0-9_]+`(?:, )?)+) \|$", SPEC.read_text(), re.MULTILINE)
    said = {code: int(status) for status, codes in rows for code in re.findall(r"`([a-z0-9_]+)`", codes)}
    assert said == {code: kind.status for code, kind in PROBLEMS.items()}


def test_titles_are_unique_short_sentences_without_a_period() -> None:
    titles = [kind.title for kind in PROBLEMS.values()]
    assert len(set(titles)) == len(titles)
    assert all(title[0].isupper() and not title.endswith(".") and len(title) < 80 for title in titles)


def test_every_reason_is_told_the_main_one_first() -> None:
    reasons = tuple(Reason(code=code, message=f"{code}.", fix="Do.") for code in ("license_expired", "wrong_domain"))
    body = _body(refusal(Refused(code="license_expired", reasons=reasons), "proof"))
    assert [reason["code"] for reason in body["reasons"]] == ["license_expired", "wrong_domain"]
    assert body["proof"] == "proof"
    assert "holders" not in body


def test_holders_are_told_where_the_service_gave_them() -> None:
    holder = SeatHolder(activation_id="a-1", device_name="Line 4", activated_at=Instant(1_800_000_000))
    reasons = (Reason(code="seat_limit_reached", message="Full.", fix="Free one."),)
    body = _body(refusal(Refused(code="seat_limit_reached", reasons=reasons, holders=(holder,)), None))
    assert body["holders"] == [
        {"activation_id": "a-1", "device_name": "Line 4", "activated_at": "2027-01-15T08:00:00Z"}
    ]
    assert "proof" not in body


def test_a_retryable_problem_says_when() -> None:
    answer = problem("unavailable", (Reason(code="unavailable", message="M.", fix="F."),), retryable=True)
    assert answer.headers["Retry-After"].isdigit()
    assert _body(answer)["retryable"] is True


@pytest.mark.parametrize("kind", [MalformedError, UsageError, NotGenuineError])
def test_what_is_wrong_with_a_request_is_said_even_without_an_entry_of_its_own(kind: type[CarnetError]) -> None:
    answer = from_carnet_error(NOBODY, kind("brand_new_code", "Something is odd.", "Mend it."))
    assert answer.status_code == 400
    assert _body(answer)["code"] == "bad_request"
    assert _body(answer)["reasons"] == [{"code": "brand_new_code", "message": "Something is odd.", "fix": "Mend it."}]


@pytest.mark.parametrize("kind", [StateError, TransportError])
def test_what_is_wrong_with_the_server_is_an_outage_and_not_told(kind: type[CarnetError]) -> None:
    answer = from_carnet_error(NOBODY, kind("storage_unavailable", "/srv/secret/carnet.db is gone.", "Look."))
    assert answer.status_code == 503
    assert _body(answer)["retryable"] is True
    assert b"/srv/secret" not in answer.content


@pytest.mark.parametrize(
    "error", [RuntimeError("secret"), DoesNotOpenError("does_not_open", "secret"), KeyError("secret")]
)
def test_anything_else_is_an_opaque_500(error: Exception) -> None:
    answer = from_carnet_error(NOBODY, error) if isinstance(error, CarnetError) else from_unknown(NOBODY, error)
    assert answer.status_code == 500
    assert b"secret" not in answer.content
