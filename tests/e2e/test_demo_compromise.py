"""`carnet demo --compromise`: SEC-24 on 1,000 live activations, in real processes, with the real SDK."""

from __future__ import annotations

import json
from pathlib import Path

from carnet.cli import exits
from support.cli_runs import carnet_process


def test_sec_24_the_story_of_the_stolen_key_once_as_json(tmp_path: Path) -> None:
    run = carnet_process("demo", "--compromise", "--once", "--json", env={"TMPDIR": str(tmp_path)})
    assert (run.code, run.err) == (exits.OK, "")
    *steps, last = [json.loads(line) for line in run.out.splitlines()]
    assert last == {"done": True}
    assert [step["step"] for step in steps] == list(range(1, 11))
    assert all(step["ok"] and step["title"] for step in steps)
    told = {
        step["step"]: (step["decision"]["state"], step["decision"]["access"]) for step in steps if "decision" in step
    }
    granted = ("active", "full")
    assert told == {3: granted, 6: granted, 7: granted, 8: ("not_genuine", "none"), 9: granted}
    assert [each["key"] for each in steps[2]["decision"]["entitlements"]] == ["everything"], "what the forgery said"
    assert steps[6]["decision"]["entitlements"] == [], "after one contact it says nothing any more"
    assert steps[8]["decision"]["root_version"] == 2
    assert list(tmp_path.iterdir()) == [], "the story leaves nothing behind"
