"""`carnet fingerprint`: this device's identifier, where it comes from, and every byte that an activation would send."""

from __future__ import annotations

import argparse
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from carnet.cli import exits
from carnet.cli.device import add_device_options, carnet_of, required, setting
from carnet.cli.output import Output, plain
from carnet.cli.parser import Parser
from carnet.core.errors import StateError

if TYPE_CHECKING:
    from carnet.client.info import Info

_KEY_STANDS_HERE = "XXXXX-XXXXX-XXXXX-XXXXX-XXXXX"


def configure(parser: Parser) -> None:
    """Add the arguments."""
    parser.set_defaults(run=_fingerprint)
    add_device_options(parser)
    parser.add_argument("--show", action="store_true", help="print every byte that an activation would send")


def _fingerprint(options: argparse.Namespace, out: Output) -> int:
    if options.show:
        return _show(options, out)
    info = _info(options)
    if info.fingerprint is None:
        raise StateError("no_device_identity", "Nothing identifies this device.", info.identity.advice)
    anchor = info.identity.anchors[0] if info.identity.anchors else None
    document: dict[str, Any] = {
        "product": info.product,
        "fingerprint": info.fingerprint,
        "source": None if anchor is None else anchor.kind,
        "strength": None if anchor is None else anchor.strength,
        "container": info.identity.container,
        "advice": info.identity.advice,
        "missing": [{"source": missing.kind, "reason": missing.reason} for missing in info.identity.missing],
    }
    out.data(document, info.fingerprint)
    if anchor is not None:
        out.say(f"From {anchor.kind} ({anchor.strength}); only this keyed digest ever leaves the device.")
    if info.identity.advice:
        out.say(plain(info.identity.advice))
    return exits.OK


def _info(options: argparse.Namespace) -> Info:
    if setting(options, "root") is not None:
        return carnet_of(options).info()
    # A fingerprint needs no root. Where none is configured, the identity alone answers: nothing can be enrolled yet.
    from carnet.client.fingerprint import identify
    from carnet.client.info import Info
    from carnet.client.state import state_root
    from carnet.formats.fingerprint import native_fingerprint

    product = required(options, "product")
    directory = state_root(setting(options, "state"))
    identity = identify(declared=setting(options, "device-id"), state_directory=directory)
    fingerprint = native_fingerprint(product, identity.anchors[0].value) if identity.anchors else None
    return Info(
        product=product,
        fingerprint=fingerprint,
        identity=identity,
        state_directory=directory,
        condition="absent",
        copies=(),
        activation_id=None,
        license_key_hint=None,
        root_version=0,
        root_expires_at=None,
        last_contact_at=None,
        trusted_at=None,
        prepared_until=None,
    )


def _show(options: argparse.Namespace, out: Output) -> int:
    """
    The very request, made by the SDK and caught before it leaves (users-ask 37).

    The SDK works on a copy of this device's state, so that looking changes nothing.
    """
    import shutil
    from tempfile import TemporaryDirectory

    import httpx2

    from carnet import Carnet
    from carnet.client.state import state_root
    from carnet.client.transport import HttpTransport
    from carnet.formats.strict_json import parse_object

    product, server, root = (required(options, name) for name in ("product", "server", "root"))
    caught: list[httpx2.Request] = []

    def catch(request: httpx2.Request) -> httpx2.Response:
        caught.append(request)
        return httpx2.Response(400)  # no answer of ours: the SDK gives up at once

    with TemporaryDirectory() as copy, httpx2.Client(transport=httpx2.MockTransport(catch)) as client:
        with suppress(FileNotFoundError):
            shutil.copytree(state_root(setting(options, "state")), copy, dirs_exist_ok=True)
        transport = HttpTransport(server, client=client)
        device_id = setting(options, "device-id")
        with Carnet(
            product=product, server=server, root=root, state=copy, device_id=device_id, transport=transport
        ) as carnet:
            carnet.activate(_KEY_STANDS_HERE)
            problem = carnet.last_problem
    if not caught:
        raise problem if problem is not None else StateError("no_device_identity", "Nothing identifies this device.")
    request = caught[0]
    body, headers = request.content.decode(), dict(request.headers)
    document = {"method": request.method, "url": str(request.url), "headers": headers, "body": body}
    lines = [f"{request.method} {request.url}", *(f"{name}: {value}" for name, value in headers.items()), "", body]
    out.data(document, "\n".join(lines))
    out.say("Your license key stands where the X are; nonce and device key are new for each. Nothing was sent.")
    told = parse_object(request.content, max_bytes=len(request.content), what="The request")["device"]
    kinds = sorted({part["kind"] for part in told.get("components", ())})
    if kinds:
        out.say(f"Digests of parts ({', '.join(kinds)}) are keyed with your license key: with it, all of them differ.")
    return exits.OK
