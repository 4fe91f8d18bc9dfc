"""
A self-hosted service in a container: reports for customers who run it on their own machines.

    GET /healthz    always 200 while the process is well: a license never stops an orchestrator
    GET /license    how the license stands, for the customer's own administrator
    GET /reports    the part that is sold: 200, or 402 with the reasons

Configured by the environment alone, as containers are: `CARNET_LICENSE_KEY` activates it unattended,
`CARNET_DEVICE_ID` names this instance (the same id is the same seat, also after the volume was lost), `CARNET_STATE`
is a volume, `PORT` where it listens.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Any

from carnet import Carnet

PRODUCT = "hustl"
FEATURE = "reports"


class Service(ThreadingHTTPServer):
    """The server, with its one license."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], carnet: Carnet) -> None:
        super().__init__(address, Handler)
        self.carnet = carnet


class Handler(BaseHTTPRequestHandler):
    """One request. The license is asked of the disk, which takes a millisecond."""

    server: Service

    def do_GET(self) -> None:
        """Route by path."""
        if self.path == "/healthz":
            self._answer(200, {"ok": True})
        elif self.path == "/license":
            self._answer(200, self.server.carnet.check().to_json())
        elif self.path == "/reports":
            decision = self.server.carnet.check()
            if decision.allows(FEATURE):
                self._answer(200, {"report": [1, 2, 3], "days_left": decision.days_left})
            else:
                self._answer(
                    402, {"reasons": [{"code": r.code, "message": r.message, "fix": r.fix} for r in decision.reasons]}
                )
        else:
            self._answer(404, {})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Say nothing for each request."""


def main() -> int:
    """Activate or refresh what is due, then serve until the orchestrator says stop."""
    with Carnet(product=PRODUCT) as carnet:
        decision = carnet.start()
        identity = carnet.info().identity
        for line in (identity.advice, *(f"{reason.message} {reason.fix}" for reason in decision.reasons)):
            if line:
                print(line, file=sys.stderr)
        port = int(os.environ["PORT"])
        interface = "127.0.0.1" if port == 0 else "0.0.0.0"  # noqa: S104 - of the container's own network
        service = Service((interface, port), carnet)

        def stop(_signal: int, _frame: FrameType | None) -> None:
            raise SystemExit(0)

        signal.signal(signal.SIGTERM, stop)
        print(f"listening on port {service.server_address[1]}, license {decision.state}", flush=True)
        with service:
            service.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
