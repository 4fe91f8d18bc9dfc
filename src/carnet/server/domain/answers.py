"""
What every device-facing call answers: its result or refusal, with the signed proof that was asked for (SEC-30).
"""

from __future__ import annotations

from typing import Generic, TypeVar

from carnet.core._base import Struct
from carnet.core.decision import Refused

_T = TypeVar("_T")


class Answered(Struct, Generic[_T]):
    """
    A result, or an authentic no.

    `proof` is the signed answer over nonce, outcome, device, product and artifact hashes; None without a nonce, and for
    products this server does not know.
    """

    result: _T | Refused
    proof: str | None = None
