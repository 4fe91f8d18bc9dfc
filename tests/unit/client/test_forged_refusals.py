"""SEC-24: who stole the answer key locks a device out with refusals of any time; the drill's root heals it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from carnet.core.instant import DAY
from support.issuing import LICENSE_KEY
from support.root_worlds import NEW, OLD, root_file
from support.sdk import Desk

FIRST = root_file(1)
DRILLED = root_file(2, online={**OLD, "answer": NEW["answer"]})


@pytest.mark.parametrize("ahead", [0, 3650 * DAY])
def test_sec_24_forged_refusals_of_a_lost_answer_key_are_gone_after_one_contact(tmp_path: Path, ahead: int) -> None:
    desk = Desk(tmp_path)
    desk.vendor.published = (FIRST,)
    app = desk.app(root=FIRST)
    assert app.activate(LICENSE_KEY).access == "full"
    desk.pass_time(5 * DAY)
    now = desk.true_time.now()
    desk.vendor.status = "license_revoked"
    for _ in range(6):  # more than a device keeps
        desk.true_time.set_wall(now + ahead)
        assert app.refresh().access == "none"
        desk.true_time.set_wall(now)
    desk.vendor.status = "active"
    assert app.check().access == "none", "as long as the key is trusted"
    desk.vendor.published, desk.vendor.roots = (FIRST, DRILLED), (DRILLED,)
    desk.vendor.signers = {**OLD, "answer": NEW["answer"]}
    assert app.refresh().access == "full"
    assert desk.app(root=FIRST).check().access == "full"
    assert app.info().trusted_at is not None
    assert abs(app.info().trusted_at - now) < DAY  # type: ignore[operator]
