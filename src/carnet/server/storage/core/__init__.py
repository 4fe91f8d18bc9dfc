"""
Everything that is not on the hot path, in SQLAlchemy Core, the same for every database (design.md §9).

A driver says how a unit of work gets a connection inside a write transaction (`_write`) or a reading one (`_read`).
Each unit takes the row it changes for itself before it decides; on SQLite the write lock already does that, elsewhere
`FOR UPDATE` does.
"""

from __future__ import annotations

from carnet.server.storage.core.access import AccessPart
from carnet.server.storage.core.activations import ActivationPart
from carnet.server.storage.core.bulk import BulkPart
from carnet.server.storage.core.catalog import CatalogPart
from carnet.server.storage.core.clock import ClockPart
from carnet.server.storage.core.jobs import JobPart
from carnet.server.storage.core.licenses import LicensePart
from carnet.server.storage.core.models import ModelPart
from carnet.server.storage.core.never_issued import NeverIssuedPart
from carnet.server.storage.core.outbox import OutboxPart
from carnet.server.storage.core.proof import ProofPart
from carnet.server.storage.core.reach import ReachPart
from carnet.server.storage.core.reissue import ReissuePart
from carnet.server.storage.core.seats import SeatPart
from carnet.server.storage.core.snapshot import SnapshotPart
from carnet.server.storage.core.status import StatusPart
from carnet.server.storage.core.traffic import TrafficPart
from carnet.server.storage.core.trust import TrustPart

__all__ = ["CoreStore"]


class CoreStore(
    CatalogPart,
    LicensePart,
    ActivationPart,
    AccessPart,
    ReachPart,
    SnapshotPart,
    TrafficPart,
    BulkPart,
    SeatPart,
    ModelPart,
    ClockPart,
    OutboxPart,
    JobPart,
    ProofPart,
    TrustPart,
    StatusPart,
    ReissuePart,
    NeverIssuedPart,
):
    """The part of `ports.Storage` that devices do not wait for."""
