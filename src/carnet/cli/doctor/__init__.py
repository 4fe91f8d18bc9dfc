"""What `carnet doctor` looks at, one room of mistakes per module; each check tells what it saw and what to do."""

from __future__ import annotations
