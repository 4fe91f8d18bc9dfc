"""The page that says how to verify a token shows the very code that the tests run, and marks what they do not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from interop.interop_cases import ALGORITHMS, cases

HERE: Final = Path(__file__).parent
PAGE: Final = HERE.parents[1] / "docs" / "how-to" / "verify-a-token.md"
RUN: Final = {
    "python": "python/verify_token.py",
    "javascript": "node/verify_token.mjs",
    "go": "go/verify_token.go",
    "java": "java/VerifyToken.java",
}


def sections() -> dict[str, tuple[str, str, str]]:
    """By language: the section's heading of the second level, its text, and its one block of code."""
    found = {}
    for part in re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        for section in re.split(r"^### ", part, flags=re.MULTILINE)[1:]:
            ((language, code),) = re.findall(r"^```([a-z]+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
            found[language] = (part.splitlines()[0], section.partition("```")[0], code)
    return found


@pytest.mark.parametrize("language", RUN)
def test_the_page_shows_the_code_that_is_run(language: str) -> None:
    heading, _, code = sections()[language]
    assert heading == "Run in our tests"
    assert code == (HERE / RUN[language]).read_text("utf-8")


def test_every_other_language_is_marked_as_not_run() -> None:
    others = sections().keys() - RUN.keys()
    assert others == {"rust", "csharp", "swift"}
    for language in others:
        heading, text, _ = sections()[language]
        assert heading == "Not run in our tests"
        assert "Not run in our tests." in text


def test_the_page_counts_its_tokens_and_its_links_lead_somewhere() -> None:
    text = PAGE.read_text("utf-8")
    (count,) = re.findall(r"some (\d+) genuine and damaged tokens", text)
    assert abs(sum(len(cases(alg)) for alg in ALGORITHMS) - int(count)) <= 10
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (PAGE.parent / target).exists(), target
