"""Parameters that several admin calls share."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from litestar.params import PathParameter, QueryParameter

PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 500

Cursor: TypeAlias = Annotated[
    str | None,
    QueryParameter(name="cursor", max_length=128, description="`next_cursor` of the page before; opaque."),
]
Limit: TypeAlias = Annotated[
    int, QueryParameter(name="limit", ge=1, le=MAX_PAGE_SIZE, description="How many items at most.")
]
ProductPath: TypeAlias = Annotated[str, PathParameter(description="The product's slug.", max_length=100)]
PolicyPath: TypeAlias = Annotated[str, PathParameter(description="The policy's name.", max_length=100)]
CustomerPath: TypeAlias = Annotated[str, PathParameter(description="The customer's id.", max_length=64)]
LicensePath: TypeAlias = Annotated[str, PathParameter(description="The license's id.", max_length=64)]
KeyPath: TypeAlias = Annotated[str, PathParameter(description="The key's id.", max_length=64)]
EnrolmentPath: TypeAlias = Annotated[str, PathParameter(description="The enrolment token's id.", max_length=64)]
ActivationPath: TypeAlias = Annotated[str, PathParameter(description="The activation's id.", max_length=64)]
