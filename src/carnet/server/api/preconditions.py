"""
`ETag`, `If-Match` and `If-None-Match` of what the vendor keeps (RFC 9110 §13).

A tag is the record's revision and a digest of how it is shown: ``"5.Zk3…"``. `If-None-Match` compares all of it.
`If-Match` compares the revision alone, under the record's lock: a seat that was taken in the meantime is no reason to
refuse what the vendor decided about the license.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from litestar import Request, Response

from carnet.core.errors import CarnetError
from carnet.formats.encoding import sha256_b64url
from carnet.server.api.auth import READS
from carnet.server.ports.preconditions import EXPECTED

SHOWN: Final = frozenset({"getProduct", "getPolicy", "getCustomer", "getLicense"})
CHANGED: Final = frozenset(
    {"updatePolicy", "renewLicense", "suspendLicense", "reinstateLicense", "revokeLicense", "convertLicense"}
)
"""Operations that answer with a tag; the second kind looks at `If-Match`."""

_TAG: Final = re.compile(r'"([1-9][0-9]{0,17})(?:\.[A-Za-z0-9_-]{1,64})?"')
_DIGEST: Final = 16


def tagged(request: Request[Any, Any, Any], reply: msgspec.Struct, revision: int) -> Response[Any]:
    """*reply* with its tag, or 304 when a GET says that it has it."""
    tag = f'"{revision}.{sha256_b64url(msgspec.json.encode(reply))[:_DIGEST]}"'
    headers = {"ETag": tag}
    if request.scope["method"] == "GET":
        held = request.headers.get("if-none-match", "")
        if held.strip() == "*" or any(each.strip().removeprefix("W/") == tag for each in held.split(",")):
            return Response(b"", status_code=304, headers=headers)
    return Response(reply, headers=headers)


def expect(request: Request[Any, Any, Any]) -> None:
    """
    Let the change of this request meet only the revisions that its `If-Match` names, if it has one.

    Raises:
        CarnetError: ``precondition_failed``: it is a change that no tag is about. Whoever sends one relies on it, so
            passing over it would do what they wanted to prevent (RFC 9110 §13.1.1: a false condition MUST NOT be acted
            on, and where there is no tag it is false).
    """
    given = request.headers.get("if-match")
    if given is None or given.strip() == "*" or request.scope["method"] == "GET":
        return
    if request.route_handler.operation_id not in CHANGED:
        if request.scope.get("auth") is not None and not request.route_handler.opt.get(READS, False):
            raise CarnetError(
                "precondition_failed",
                "This call has no ETag that If-Match could name; nothing was done.",
                "Leave If-Match out, or change one record by the call that shows its ETag.",
            )
        return
    # Weak and foreign tags match nothing (strong comparison, §8.8.3.2).
    parts = (_TAG.fullmatch(each.strip()) for each in given.split(","))
    EXPECTED.set(frozenset(int(found[1]) for found in parts if found is not None))
