"""
SEC-50: generated requests to every operation of the contract, on a real server: no 5xx, nothing that is not promised.

100 cases for each operation, half of them as the contract asks and half against it; `make test-long`: 1,000.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.parameters import ParameterLocation

from carnet.server.domain.limits.rules import NO_LIMITS
from support.campaigns import LONG
from support.served import served
from support.vendor import Vendor, fingerprint

CASES = 1_000 if LONG else 100
PARTS = 4
NOT_ASKED = {
    # Bounds that JSON Schema cannot say (printable text, sizes in bytes, one of two members) are refused with 400.
    "positive_data_acceptance",
    # They follow the links of a contract, and ours has none.
    "use_after_free",
    "ensure_resource_availability",
}

load_all_checks()
ASKED: list[Any] = [check for check in CHECKS.get_all() if check.__name__ not in NOT_ASKED]
ALWAYS_ASKED: list[Any] = [check for check in ASKED if check.__name__ != "negative_data_rejection"]
REFUSED = {ParameterLocation.BODY, ParameterLocation.PATH}
"""Where what the contract does not allow must be refused. Parameters of a query that nobody knows are ignored."""


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    folder: Path = tmp_path_factory.mktemp("contract")
    with served(folder, rate_limits=NO_LIMITS) as ready:
        made = ready.made("/licenses", {"product": ready.product(), "policy": "consumer"})
        ready.ask("activate", made, fingerprint())
        yield ready


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.timeout(3600 if LONG else 300)
def test_sec_50_every_operation_keeps_the_contract(vendor: Vendor, part: int) -> None:
    contract: Any = schemathesis.openapi.from_url(f"{vendor.live.url}/openapi.json")
    # What breaks the contract may also be too large for it.
    contract.config.checks.negative_data_rejection.expected_statuses = ["400", "401", "403", "404", "409", "413", "422"]
    operations = [found.ok() for found in contract.get_all_operations()]
    headers = {"Authorization": f"Bearer {vendor.admin_token}"}
    broken: list[str] = []
    asked = 0

    def ask(case: Case[Any]) -> None:
        nonlocal asked
        asked += 1
        wrong = (
            {place for place, part_ in case.meta.components.items() if part_.mode.is_negative} if case.meta else set()
        )
        is_told = wrong <= REFUSED
        if ParameterLocation.BODY in wrong and case.media_type != "application/json":
            is_told = False  # every sequence of bytes is a text: a body of text cannot be of a wrong type
        case.call_and_validate(headers=headers, checks=ASKED if is_told else ALWAYS_ASKED)

    for operation in operations[part::PARTS]:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                cases = operation.as_strategy(generation_mode=mode)
                rules = settings(max_examples=CASES // 2, deadline=None, suppress_health_check=list(HealthCheck))
                rules(given(case=cases)(ask))()
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE, operation.label  # it takes nothing that could be wrong
            except BaseException as failure:  # noqa: BLE001 - all operations are asked, then all failures are told
                broken.append(f"{operation.label} ({mode.value}): {failure!r}")
    assert broken == [], "\n\n".join(broken)
    assert asked >= CASES
