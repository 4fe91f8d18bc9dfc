"""What a status list costs a `check()`: the whole of it, from the disk, without a list and with one of a full shard."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from bench.measure import ratio
from bench.report import Row
from carnet.core.instant import DAY
from carnet.core.model import Policy
from carnet.formats.keys import KeyRing
from carnet.formats.status_list import issue_status_list, pack_statuses, verify_status_list
from carnet.testing import Lab

SHARD = 131_072
REVOKED = SHARD // 100
SUSPENDED = SHARD // 1_000


def rows(rounds: int) -> list[Row]:
    """A check of a device that has no list, against one whose list has 1 % revoked, and some suspended as well."""
    with tempfile.TemporaryDirectory() as folder:
        labs = [
            _lab(Path(folder, str(number)), *counts)
            for number, counts in enumerate(((REVOKED, 0), (REVOKED, SUSPENDED)))
        ]
        without = Lab(Path(folder, "without"), policy=Policy(name="plain"))
        without.activate()
        found = []
        for lab, name in zip(labs, ("1 % revoked", "1 % revoked, 0.1 % suspended"), strict=True):
            app, plain = lab.app(), without.app()
            assert app.check().state == plain.check().state == "active"
            (token,) = app._device.look().state.status_lists  # noqa: SLF001 - how large it is
            value, ours, theirs = ratio(app.check, plain.check, rounds)
            detail = f"{ours * 1e6:.0f} µs against {theirs * 1e6:.0f} µs; list of {len(token)} bytes"
            title = f"check() from disk with a list, {name} ÷ without"
            found.append(Row(name=title, value=value, reach=3.0, aim=1.7, detail=detail))
        return found


def _lab(folder: Path, revoked: int, suspended: int) -> Lab:
    """A device that keeps a list of a full shard, in which its own license is fine."""
    lab = Lab(folder, policy=Policy(name="checked", max_revocation_age_seconds=30 * DAY))
    lab.activate()
    signer = lab.server._signers["status-list"]  # noqa: SLF001 - a list that no test needs
    listed = verify_status_list(lab.server.status_list(), KeyRing.single("status-list", signer.public_key))
    places = random.Random(20261122).sample(range(1_000, SHARD), revoked + suspended)  # noqa: S311 - no secrets
    bits, statuses = pack_statuses(SHARD, places[:revoked], places[revoked:])
    values = {name: getattr(listed, name) for name in listed.__fields__} | {"bits": bits, "statuses": statuses}
    lab.settings["status_lists"] = issue_status_list(type(listed)(**values), signer).encode()
    lab.app().check()
    del lab.settings["status_lists"]
    return lab
