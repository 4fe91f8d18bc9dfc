"""Every example in specs/http-api.md, executed in its order against a real server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.vendor import Vendor

SPEC = Path(__file__).parents[3] / "specs" / "http-api.md"
ANY = "…"


def _boxes() -> list[str]:
    return re.findall(r"^```http\n(.*?)^```$", SPEC.read_text(), re.MULTILINE | re.DOTALL)


def _filled(text: str, known: dict[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda found: known[found[1]], text)


def _differences(expected: Any, got: Any, known: dict[str, str], where: str = "$") -> list[str]:
    """What is not as the box says. ``…`` fits anything; a ``{{name}}`` that is not known yet is learnt."""
    if expected == ANY:
        return []
    if isinstance(expected, str) and (name := re.fullmatch(r"{{(\w+)}}", expected)):
        expected = known.setdefault(name[1], got)
    if isinstance(expected, dict) and isinstance(got, dict):
        if expected.keys() != got.keys():
            return [f"{where}: members differ: {sorted(expected.keys() ^ got.keys())}"]
        return [line for key in expected for line in _differences(expected[key], got[key], known, f"{where}.{key}")]
    if isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        pairs = enumerate(zip(expected, got, strict=True))
        return [line for index, pair in pairs for line in _differences(*pair, known, f"{where}[{index}]")]
    return [] if type(expected) is type(got) and expected == got else [f"{where}: {expected!r} is not {got!r}"]


def _parts(text: str) -> tuple[str, dict[str, str], str]:
    """First line, headers, and the body after a blank line."""
    head, _, body = text.strip().partition("\n\n")
    first, *headers = head.splitlines()
    return first, {name: value for name, _, value in (line.partition(": ") for line in headers)}, body.strip()


def _execute(vendor: Vendor, box: str, known: dict[str, str]) -> None:
    asked, answered = re.split(r"^(?=\d{3}$)", box, maxsplit=1, flags=re.MULTILINE)
    line, headers, body = _parts(_filled(asked, known))
    method, path = line.split(" ")
    got = vendor.http.request(method, path, headers=headers, content=body.encode() or None)
    status, said, expected = _parts(answered)
    assert got.status_code == int(status), f"{line}: {got.text}"
    for name, value in said.items():
        assert value == ANY or got.headers[name] == value, f"{line}: {name} is {got.headers.get(name)!r}"
    assert _differences(json.loads(expected), got.json(), known) == [], line


def test_every_example_of_the_specification_is_what_the_server_does(vendor: Vendor) -> None:
    known = {"admin_token": vendor.admin_token}
    boxes = _boxes()
    assert len(boxes) >= 15
    for box in boxes:
        _execute(vendor, box, known)


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ([1], []),
        ({"a": "{{x}}", "b": "{{x}}"}, {"a": "1", "b": "2"}),
    ],
)
def test_the_comparison_sees_what_differs(expected: Any, got: Any) -> None:
    assert _differences(expected, got, {})


def test_every_call_of_the_native_api_has_an_example() -> None:
    asked = {box.split("\n", 1)[0] for box in _boxes()}
    for call in ("activate", "validate", "refresh", "deactivate", "usage"):
        assert f"POST /v1/{call}" in asked
