"""Every vector of every format keeps the conventions of `specs/vectors/README.md`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.schemas import schema_errors

FOLDER = Path(__file__).resolve().parents[3] / "specs" / "vectors"
SCHEMA = json.loads((FOLDER / "schema.json").read_text("utf-8"))
FILES = sorted(FOLDER.glob("*/*.json"))


@pytest.mark.parametrize("folder", sorted({path.parent.name for path in FILES}))
def test_vectors_keep_the_frame(folder: str) -> None:
    order = list(SCHEMA["properties"])
    for path in FILES:
        if path.parent.name != folder:
            continue
        text = path.read_text("utf-8")
        vector = json.loads(text)
        name = f"{folder}/{path.stem}"
        assert schema_errors(vector, SCHEMA) == [], name
        assert vector["id"] == name
        assert [member for member in order if member in vector] == list(vector), f"{name}: members out of order"
        assert text.endswith("}\n"), name


@pytest.mark.parametrize("folder", sorted({path.parent.name for path in FILES}))
def test_each_folder_has_a_page_with_the_sections_its_vectors_name(folder: str) -> None:
    for path in FILES:
        if path.parent.name == folder:
            page, _, section = json.loads(path.read_text("utf-8"))["spec"].partition(" §")
            text = (FOLDER.parent / page).read_text("utf-8")
            marker = "## Appendix " if section.isalpha() else "## " if "." not in section else "### "
            assert f"\n{marker}{section}{' ' if '.' in section else '.' if section.isdigit() else ':'}" in text, path


def test_the_schema_refuses_what_the_conventions_refuse() -> None:
    good = {
        "id": "decision/case",
        "spec": "decision.md §4.2",
        "catches": "A mistake that is told in one sentence.",
        "input": {"text": ""},
        "expect": {"outcome": "refused:expired"},
    }
    assert schema_errors(good, SCHEMA) == []
    changes: list[dict[str, Any]] = [
        {"id": "Decision/Case"},
        {"spec": "decision.md"},
        {"catches": "no"},
        {"input": {}},
        {"input": []},
        {"expect": {}},
        {"expect": {"outcome": "maybe"}},
        {"expect": {"outcome": "ok", "more": 1}},
        {"now": "2026-06-01"},
        {"keys": {"token": []}},
        {"keys": {"token": [{"kty": "OKP"}]}},
        {"keys": {"token": [{"kty": "OKP", "kid": "k", "d": "secret"}]}},
        {"more": 1},
    ]
    for change in changes:
        assert schema_errors({**good, **change}, SCHEMA) != [], change
    assert schema_errors({name: good[name] for name in good if name != "expect"}, SCHEMA) != []
