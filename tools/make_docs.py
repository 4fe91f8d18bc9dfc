"""
`make docs`: write the pages that are made from the code, and the test vectors.

    docs/reference/cli.md     every command, from the parser
    docs/reference/privacy.md what the SDK keeps and sends, from its own table
    docs/reference/codes.md   every reason and error code, from the tables and the raises
    specs/vectors/            by each tools/vectors_*.py

Tests compare what is committed with what this makes, so a page cannot fall behind.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools import docs_cli, docs_codes, docs_privacy  # noqa: E402 - the line above finds them when run as a script

CODES_HEAD = """\
# Reasons and errors

<!-- Made from the code by `make docs`; a test keeps it so. -->

Every code is stable and means one thing; the sentence beside it may get better.
`…` stands for what is only known when it happens.
Messages never hold secrets; keys appear as their last four characters.

## Reasons of a decision or a refusal

These explain a `Decision` (on a device, in `carnet verify`) or a refusal by the server.
All that apply are listed, the main one first.

| code | what is so | what helps |
|---|---|---|
"""

ERRORS_HEAD = """
## Errors

Nothing was decided and nothing was changed.
The branch says what a caller can do; `retryable` errors may pass by themselves.
"""

PROBLEMS_HEAD = """
## Problems of the HTTP API

Answers with `application/problem+json` (RFC 9457) carry one of these in `code`; every reason stands in `reasons[]`.
Only 429 and 503 are `retryable`.

| code | status | meaning |
|---|---|---|
"""


def codes_page() -> str:
    """docs/reference/codes.md."""
    from carnet.core.lease_reasons import LEASE_REASONS, lease_reason
    from carnet.core.reasons import REASONS
    from carnet.server.api.problem_kinds import PROBLEMS

    text = CODES_HEAD
    for code in (*REASONS, *LEASE_REASONS):
        bare = lease_reason(code)
        text += f"| `{code}` | {_cell(bare.message)} | {_cell(bare.fix)} |\n"
    text += ERRORS_HEAD
    raised, _ = docs_codes.scan()
    for branch, promise in docs_codes.BRANCHES.items():
        rows: dict[str, docs_codes.Raised] = {}
        for error in raised:
            known = rows.get(error.code)
            if error.branch == branch and (known is None or known.message.count("…") > error.message.count("…")):
                rows[error.code] = error
        if rows:
            text += (
                f"\n### {branch}\n\n{promise.splitlines()[0]}\n\n| code | what happened | what helps |\n|---|---|---|\n"
            )
            for code in sorted(rows):
                text += f"| `{code}` | {_cell(rows[code].message)} | {_cell(rows[code].fix)} |\n"
    text += PROBLEMS_HEAD
    for code, kind in PROBLEMS.items():
        text += f"| `{code}` | {kind.status} | {_cell(kind.title)} |\n"
    return text


def pages() -> dict[Path, str]:
    """Every page by its path."""
    reference = ROOT / "docs" / "reference"
    return {
        reference / "cli.md": docs_cli.page(),
        reference / "codes.md": codes_page(),
        reference / "privacy.md": docs_privacy.privacy_page(),
    }


def main() -> int:
    """Write the pages and run the generators of the vectors."""
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
    for generator in sorted((ROOT / "tools").glob("vectors_*.py")):
        print(generator.relative_to(ROOT))
        runpy.run_path(str(generator), run_name="__main__")
    return 0


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


if __name__ == "__main__":
    sys.exit(main())
