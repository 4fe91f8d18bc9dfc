"""
What can be done next with what a call made: OpenAPI links (OpenAPI 3.1 §4.8.20), for people, clients and campaigns.

Each says which member of an answer is a parameter, or a member of the body, of another call. A test walks them on a
real server (SEC-50: stateful).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from carnet.core._base import Struct


class Link(Struct):
    """
    A call that goes on with an answer.

    Attributes:
        target: The operation.
        parameters: Its parameters, by runtime expressions.
        body: Members of its body, by runtime expressions, or as they are (every product has the policy `consumer`).
    """

    target: str
    parameters: Mapping[str, str] = {}
    body: Mapping[str, str] = {}


def _each(targets: str, **parameters: str) -> Iterator[Link]:
    """Links to several operations with the same *parameters*."""
    for target in targets.split():
        yield Link(target=target, parameters=parameters)


def _of(pointer: str) -> str:
    return f"$response.body#/{pointer}"


_LICENSE: Final = (
    "getLicense renewLicense suspendLicense reinstateLicense revokeLicense revealKey convertLicense replaceSeat"
    " createEnrolment listEnrolments getUsage correctUsage issueSignedKey issueOfflineToken issueToken"
    " getLicenseLeaseTerms changeLicenseLeaseTerms listActivations listLeases"
)
_AGAIN: Final = "getLicense suspendLicense reinstateLicense revokeLicense renewLicense convertLicense"
_KEYED: Final = {"license_key": _of("key"), "product": _of("product")}
_SAME_SEAT: Final = {
    "activation_id": _of("activation/id"),
    "license_key": "$request.body#/license_key",
    "product": "$request.body#/product",
    "device": "$request.body#/device",
}
_SAME_LEASE: Final = {
    "license_key": "$request.body#/license_key",
    "product": "$request.body#/product",
    "holder": "$request.body#/holder",
}
_POLICY: Final = "getPolicy updatePolicy getPolicyLeaseTerms changePolicyLeaseTerms"

LINKS: Final[Mapping[str, tuple[Link, ...]]] = {
    "createProduct": (
        *_each("getProduct listPolicies", product=_of("id")),
        Link(target="createPolicy", body={"product": _of("id")}),
        Link(target="createKey", body={"product": _of("id")}),
        Link(target="createLicense", body={"product": _of("id"), "policy": "consumer"}),
    ),
    "listProducts": (
        *_each("getProduct listPolicies", product=_of("items/0/id")),
        Link(target="createPolicy", body={"product": _of("items/0/id")}),
        Link(target="createKey", body={"product": _of("items/0/id")}),
        Link(target="createLicense", body={"product": _of("items/0/id"), "policy": "consumer"}),
    ),
    "getProduct": (
        Link(target="createPolicy", body={"product": _of("id")}),
        Link(target="createLicense", body={"product": _of("id"), "policy": "consumer"}),
    ),
    "createPolicy": (
        *_each(_POLICY, product=_of("product"), name=_of("name")),
        Link(target="createLicense", body={"product": _of("product"), "policy": _of("name")}),
        Link(target="createLicenses", body={"product": _of("product"), "policy": _of("name")}),
        Link(target="bulkIssue", body={"product": _of("product"), "policy": _of("name")}),
    ),
    "updatePolicy": tuple(_each(_POLICY, product=_of("product"), name=_of("name"))),
    "createCustomer": tuple(_each("getCustomer", customer_id=_of("id"))),
    "createLicense": (
        *_each(_LICENSE, license_id=_of("id")),
        Link(target="activate", body=_KEYED),
        Link(target="validate", body=_KEYED),
        Link(target="claimLease", body=_KEYED),
        Link(target="recordUse", body=_KEYED),
        Link(target="findLicense", body={"license_key": _of("key")}),
    ),
    "renewLicense": tuple(_each(_AGAIN, license_id=_of("id"))),
    "suspendLicense": tuple(_each(_AGAIN, license_id=_of("id"))),
    "reinstateLicense": tuple(_each(_AGAIN, license_id=_of("id"))),
    "convertLicense": tuple(_each(_AGAIN, license_id=_of("id"))),
    "findLicense": tuple(_each(_AGAIN, license_id=_of("id"))),
    "createEnrolment": (
        *_each("revokeEnrolment", enrolment_id=_of("id")),
        *_each("listEnrolments", license_id=_of("license_id")),
    ),
    "createKey": tuple(_each("getKey retireKey", kid=_of("kid"))),
    "createApiKey": tuple(_each("revokeApiKey", api_key_id=_of("id"))),
    "activate": (
        Link(target="refresh", body=_SAME_SEAT),
        Link(target="deactivate", body=_SAME_SEAT),
        *_each("getActivation deactivateByVendor", activation_id=_of("activation/id")),
        *_each(_LICENSE, license_id=_of("license/id")),
    ),
    "claimLease": (
        Link(target="renewLease", parameters={"lease_id": _of("lease/id")}, body=_SAME_LEASE),
        Link(target="releaseLease", parameters={"lease_id": _of("lease/id")}, body=_SAME_LEASE),
        *_each("endLease", lease_id=_of("lease/id")),
    ),
    "listLicenses": tuple(_each("getLicense revokeLicense", license_id=_of("items/0/id"))),
}
"""By the operation whose answer they go on from."""


def links_of(operation_id: str) -> dict[str, Any]:
    """The links of an operation's 2xx answers, by their names."""
    found: dict[str, Any] = {}
    for link in LINKS.get(operation_id, ()):
        shown: dict[str, Any] = {"operationId": link.target}
        if link.parameters:
            shown["parameters"] = dict(link.parameters)
        if link.body:
            shown["requestBody"] = dict(link.body)
        found[link.target] = shown
    return found
