"""
The id of a cloud instance from its metadata service: only where the app asks for it, never by itself (users-ask 33).

    Carnet(product="hustl", device_id=instance_id("aws"), …)

Carnet asks no metadata service on its own: that is a request into the operator's network, which an operator may log,
block or charge for. Where cloud-init runs, its file tells the same without any request (`linux.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from carnet.core.errors import TransportError

if TYPE_CHECKING:
    import httpx2

Cloud = Literal["aws", "azure", "gcp"]

TIMEOUT_SECONDS = 2.0
"""A metadata service is one hop away, or not there."""

_LINK_LOCAL = "http://169.254.169.254"
_MAX_ID = 255


def instance_id(cloud: Cloud, *, timeout_seconds: float = TIMEOUT_SECONDS) -> str:
    """
    Ask the metadata service of *cloud* who this instance is.

    Sends: to AWS one PUT for a session token (IMDSv2) and one GET; to Azure and Google one GET. Nothing of this device
    or its license is in them.

    Args:
        cloud: Which cloud this is; it is not guessed.
        timeout_seconds: For each request.

    Returns:
        ``aws:i-…``, ``azure:…`` or ``gcp:…``; fit for `device_id=`.

    Raises:
        TransportError: ``metadata_unreachable``: there is no such service here, or it does not answer so.
    """
    import httpx2

    try:
        # Without the system's proxies: the address means this computer's own host and nobody else's.
        with httpx2.Client(base_url=_LINK_LOCAL, timeout=timeout_seconds, trust_env=False) as client:
            return f"{cloud}:{_ask(client, cloud)}"
    except (httpx2.HTTPError, OSError, ValueError) as error:
        raise TransportError(
            "metadata_unreachable",
            f"The metadata service of {cloud} gave no instance id ({type(error).__name__}).",
            "Name the device yourself: set CARNET_DEVICE_ID, or mount /etc/carnet/device-id.",
        ) from error


def _ask(client: httpx2.Client, cloud: Cloud) -> str:
    if cloud == "aws":
        token = client.put("/latest/api/token", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        headers = {"X-aws-ec2-metadata-token": token.raise_for_status().text}
        answer = client.get("/latest/meta-data/instance-id", headers=headers)
    elif cloud == "azure":
        path = "/metadata/instance/compute/vmId?api-version=2021-02-01&format=text"
        answer = client.get(path, headers={"Metadata": "true"})
    else:
        answer = client.get("/computeMetadata/v1/instance/id", headers={"Metadata-Flavor": "Google"})
    text = answer.raise_for_status().text.strip()
    if not 0 < len(text) <= _MAX_ID or not text.isprintable() or " " in text:
        raise ValueError(text)
    return text
