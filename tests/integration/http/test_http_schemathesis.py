"""
SEC-50: generated requests to every operation of the contract, on a real server: no 5xx, nothing that is not promised.

100 cases for each operation, half of them as the contract asks and half against it; `make test-long`: 1,000.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.parameters import ParameterLocation

from carnet.server.api.links import LINKS, Link
from carnet.server.domain.limits.rules import NO_LIMITS
from support.campaigns import LONG
from support.served import served
from support.vendor import Vendor, fingerprint

CASES = 1_000 if LONG else 100
PARTS = 4
WALKS = 100 if LONG else 2
STEPS = 5 if LONG else 3
NUMBERS = itertools.count(1)
NOT_ASKED = {
    # Bounds that JSON Schema cannot say (printable text, sizes in bytes, one of two members) are refused with 400.
    "positive_data_acceptance",
    # They take DELETE for the end of a thing, and 404 for what is gone: a lease that was given back can be given back
    # again, with the same receipt.
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


# ── walks along the links ────────────────────────────────────────────────────────────────────────────────────────────

BEGINNINGS: dict[str, Any] = {
    "createProduct": lambda _: ("/v1/admin/products", {"id": f"walk-{next(NUMBERS)}"}),
    "createPolicy": lambda v: ("/v1/admin/policies", {"product": v.product(), "name": "walked"}),
    "createCustomer": lambda _: ("/v1/admin/customers", {"name": "Walker"}),
    "createLicense": lambda v: (
        "/v1/admin/licenses",
        {"product": v.product(), "policy": "consumer", "type": "timed", "duration_seconds": 86_400},
    ),
    "createKey": lambda v: ("/v1/admin/keys", {"product": v.product(), "alg": "EdDSA"}),
    "createApiKey": lambda _: ("/v1/admin/apikeys", {"name": "walk", "scopes": ["read"]}),
    "createEnrolment": lambda v: (f"/v1/admin/licenses/{v.license()['id']}/enrolments", {"name": "walk"}),
    "findLicense": lambda v: ("/v1/admin/licenses/find", {"license_key": v.license()["key"]}),
    "activate": lambda v: ("/v1/activate", {**_keyed(v.license()), "device": {"fingerprint": fingerprint()}}),
    "claimLease": lambda v: (
        "/v1/leases",
        {**_keyed(_floating(v)), "holder": {"kind": "process", "id": "walk"}, "ttl_seconds": 60},
    ),
}
"""A call that begins a walk, made plain enough to succeed; it has a thing of its own each time."""


def _keyed(license_: Any) -> dict[str, Any]:
    return {"license_key": license_["key"], "product": license_["product"]}


def _floating(vendor: Vendor) -> Any:
    license_ = vendor.license()
    terms = vendor.admin("PUT", f"/licenses/{license_['id']}/lease-terms", {"terms": {"limit": 2}})
    assert terms.status_code == 200
    return license_


def _paths(start: str, choices: random.Random) -> Iterator[tuple[Link, ...]]:
    """Every link of *start*, each followed by links of where it leads, chosen at random."""
    for first in LINKS[start]:
        path = [first]
        while len(path) < STEPS and (onwards := LINKS.get(path[-1].target)):
            path.append(choices.choice(onwards))
        yield tuple(path)


def _resolved(expression: str, request: Any, response: Any) -> Any:
    """The value of a runtime expression; None where the answer has no such member."""
    source, _, pointer = expression.partition("#/")
    if not pointer:
        return expression
    value = request if source == "$request.body" else response
    for name in pointer.split("/"):
        if isinstance(value, list):
            value = value[int(name)] if int(name) < len(value) else None
        else:
            value = value.get(name) if isinstance(value, dict) else None
    return value


@pytest.mark.timeout(3600 if LONG else 300)
def test_sec_50_what_was_made_is_read_changed_and_ended_along_every_link(vendor: Vendor, record_property: Any) -> None:
    contract: Any = schemathesis.openapi.from_url(f"{vendor.live.url}/openapi.json")
    operations = {each.ok().definition.raw["operationId"]: each.ok() for each in contract.get_all_operations()}
    headers = {"Authorization": f"Bearer {vendor.admin_token}"}
    choices = random.Random(7)  # noqa: S311 - the same walks in every run
    walked: Counter[str] = Counter()
    broken: list[str] = []

    def walk(start: str, path: tuple[Link, ...], cases: tuple[Any, ...]) -> None:
        address, request = BEGINNINGS[start](vendor)
        begun = vendor.http.post(address, json=request, headers=headers)
        assert begun.is_success, begun.text
        response = begun.json()
        for link, case in zip(path, cases, strict=True):
            for name, expression in link.parameters.items():
                value = _resolved(expression, request, response)
                in_path = f"{{{name}}}" in case.operation.path
                (case.path_parameters if in_path else case.query)[name] = value
            if link.body:
                members = {name: _resolved(each, request, response) for name, each in link.body.items()}
                case.body = {**(case.body if isinstance(case.body, dict) else {}), **members}
            answer = case.call_and_validate(headers=headers, checks=ALWAYS_ASKED)
            walked[f"{link.target} {answer.status_code // 100}xx"] += 1
            is_json = answer.headers.get("content-type", [""])[0].startswith("application/json")
            if not 200 <= answer.status_code < 300 or not is_json:
                return
            request, response = case.body, answer.json()

    def walker(start: str, path: tuple[Link, ...]) -> Callable[[Any], None]:
        return lambda cases: walk(start, path, cases)

    for start in BEGINNINGS:
        for path in _paths(start, choices):
            drawn = st.tuples(*(operations[link.target].as_strategy(generation_mode=GenerationMode.POSITIVE) for link in path))  # noqa: E501 # fmt: skip
            rules = settings(
                max_examples=WALKS,
                phases=(Phase.generate,),
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            names = " → ".join([start, *(link.target for link in path)])
            try:
                rules(given(drawn)(walker(start, path)))()
            except BaseException as failure:  # noqa: BLE001 - all walks are walked, then all failures are told
                broken.append(f"{names}: {failure!r}")
    assert broken == [], "\n\n".join(broken)
    record_property("calls along links", sum(walked.values()))
    record_property("operations that went well along a link", len([each for each in walked if each.endswith("2xx")]))
    assert {link.target for start in BEGINNINGS for link in LINKS[start]} <= {each.split()[0] for each in walked}
    assert len([each for each in walked if each.endswith("2xx")]) >= 25
