"""The page docs/reference/privacy.md, from the SDK's own table and from what the state is made of."""

from __future__ import annotations

import re

HEAD = """\
# What Carnet keeps on a device, and what it sends

<!-- Made from the code by `make docs`; a test keeps it so, and another compares it with every byte that is sent. -->

This is about the SDK, which vendors put into their apps.
It speaks with one server, the vendor's own, and only to activate, to refresh, to give back, or for a floating seat.
Where the license asks for it, it also fetches status lists, from that server or from a mirror that the app names.
A list is the same for everybody, and who sends it learns which one of 131,072 licenses and seats was asked for.
A check speaks with nobody.
There is no telemetry: nothing is counted, reported or sent beside what stands here.
`carnet fingerprint --show` prints the whole request of an activation before you make one.

What the vendor's server keeps of this is the vendor's to say.
It also sees the address that a request comes from, as every server does.
"""


def privacy_page() -> str:
    """docs/reference/privacy.md."""
    from carnet.client import privacy
    from carnet.client.state_file import DeviceState

    text = HEAD + "\n## What is sent\n\n| member | what it is | when |\n|---|---|---|\n"
    text += "".join(f"| `{name}` | {what} | {when} |\n" for name, (what, when) in privacy.SENT.items())
    text += "\nEvery request has these headers, and no cookies:\n\n| header | what it holds |\n|---|---|\n"
    text += "".join(f"| `{name}` | {what} |\n" for name, what in privacy.HEADERS.items())
    text += "\n## What is never sent\n\n" + "".join(f"- {what}\n" for what in privacy.NEVER)
    text += (
        "\n## What is kept on the device\n\n"
        "In `$CARNET_STATE/<product>/`, or where this user's apps keep such things; readable by this user alone.\n"
        "Where nothing else identifies a device, a random `volume-id` stands beside the products.\n\n"
        "| file | what it holds |\n|---|---|\n"
    )
    text += "".join(f"| `{name}` | {what} |\n" for name, what in privacy.FILES.items())
    text += "\nInside the encrypted state:\n\n| member | what it is |\n|---|---|\n"
    text += "".join(f"| `{name}` | {what} |\n" for name, what in attributes(DeviceState).items())
    text += "\nA line of the log:\n\n| member | what it is |\n|---|---|\n"
    text += "".join(f"| `{name}` | {what} |\n" for name, what in privacy.LOG.items())
    return text + (
        "\nGiving the seat back (`deactivate`) forgets license key, token and machine file; "
        "deleting the directory forgets all of it.\n"
    )


def attributes(kind: type) -> dict[str, str]:
    """What the docstring of *kind* says of each attribute, as it stands there; several may share a line."""
    section = (kind.__doc__ or "").partition("Attributes:\n")[2]
    found = re.findall(r"^        (\w[\w, ]*): (.*(?:\n            .*)*)", section, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", what) for names, what in found for name in names.split(", ")}
