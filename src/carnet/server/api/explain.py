"""`/problems`: every problem code in words, on the server itself: `type` leads somewhere without the internet."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import Response, get
from litestar.params import PathParameter

from carnet.core.errors import CarnetError
from carnet.server.api.caching import SHORT
from carnet.server.api.problem_kinds import PROBLEMS, is_retryable, problem_type


class ProblemExplained(msgspec.Struct, kw_only=True):
    """What is the same for every problem of one code."""

    type: str
    code: str
    title: str
    status: int
    retryable: bool


class ProblemsExplained(msgspec.Struct, kw_only=True):
    """Every problem this server can answer with."""

    problems: list[ProblemExplained]


def _explained(code: str) -> ProblemExplained:
    kind = PROBLEMS[code]
    return ProblemExplained(
        type=problem_type(code),
        code=code,
        title=kind.title,
        status=kind.status,
        retryable=is_retryable(code),
    )


@get("/problems", operation_id="listProblems", tags=["Operation"], response_description="All of them.")
async def list_problems() -> Response[ProblemsExplained]:
    """List every problem code, with its status and meaning."""
    content = ProblemsExplained(problems=[_explained(code) for code in PROBLEMS])
    return Response(content, headers={"Cache-Control": SHORT})


@get(
    "/problems/{code:str}",
    operation_id="explainProblem",
    tags=["Operation"],
    response_description="What the code means.",
    opt={"problems": ("problem_not_found",)},
)
async def explain_problem(
    code: Annotated[str, PathParameter(description="A problem's `code`.", max_length=64)],
) -> Response[ProblemExplained]:
    """Explain one problem code."""
    if code not in PROBLEMS:
        raise CarnetError("problem_not_found", "This server has no problem of that code.", "See /problems for all.")
    return Response(_explained(code), headers={"Cache-Control": SHORT})


EXPLAIN_HANDLERS: Final = (list_problems, explain_problem)
