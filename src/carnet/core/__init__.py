"""
The vocabulary and the rules: pure, standard library only, nothing of ours imported from outside.

    from carnet.core import decide

is the decision itself (design.md §6); `Evidence`, `Host` and `Decision` are what it takes and gives. Each name is
loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from carnet.core.decision import Decision, Evidence, Host
    from carnet.core.rules import decide

__all__ = ["Decision", "Evidence", "Host", "decide"]


def __getattr__(name: str) -> object:
    if name == "decide":
        from carnet.core.rules import decide as found
    elif name in {"Decision", "Evidence", "Host"}:
        from carnet.core import decision

        return getattr(decision, name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found
