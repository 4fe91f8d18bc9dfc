"""
A process of clients, as `racing`, of the next version of the program: its schema is one script ahead (REL-12).

`python racing_next.py FOLDER`: the folder holds the script, whose revision is ``9999``.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from carnet.server.storage import migrate
from support import racing

NEXT = "9999"


def become_the_next_version(versions: Path) -> None:
    """Let this process know the script in *versions*, as if it had come with it."""
    known = migrate._config
    setattr(migrate, "_config", lambda more: known((*more, versions)))  # noqa: B010 - as another program would have it
    setattr(migrate, "REVISION", NEXT)  # noqa: B010 - as above


if __name__ == "__main__":
    become_the_next_version(Path(sys.argv[1]))
    asyncio.run(racing.main())
