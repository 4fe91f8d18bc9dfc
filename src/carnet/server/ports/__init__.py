"""
What the services need from outside, as protocols: a clock, randomness, signers, and storage.

Storage is asynchronous and speaks in records, never in SQL. The four calls that devices make are one operation each
(design.md §9): `find_seat` is one read; `change_seat` locks the license, shows its facts to a pure function of the
domain, and writes what that function returns, all in one transaction. A driver for another database implements the same
protocol with its own statements.
"""

from __future__ import annotations

from carnet.server.ports.access import AccessStore, ApiKeyChange, KeyChange, KeyContext
from carnet.server.ports.backup import BackupStore, TakeTable
from carnet.server.ports.catalog import CatalogStore, Details, OwnValues, PolicyChange
from carnet.server.ports.clock import ClockMarks, ClockStore
from carnet.server.ports.idempotency import (
    ONCE,
    IdempotencyStore,
    Once,
    Remembered,
    note,
    remembering,
    request_in_flight,
)
from carnet.server.ports.jobs import JobReport, JobRow, JobsKept, JobStore, PoolLevel
from carnet.server.ports.licenses import (
    IndexPlace,
    LicenseChange,
    LicenseContext,
    LicenseFilter,
    LicenseStore,
    NewLicense,
    NextIndex,
)
from carnet.server.ports.limits import LimitCharge, LimitLevel, LimitStore
from carnet.server.ports.models import (
    EnrolmentChange,
    ModelStore,
    UsageChange,
    UsageFacts,
    UsageQuery,
)
from carnet.server.ports.outbox import (
    Delivery,
    DeliveryEnd,
    DeliveryState,
    EventFilter,
    HandOut,
    LimitMark,
    OutboxState,
    OutboxStore,
    StoredDestination,
)
from carnet.server.ports.outside import Clock, PrivateKeys, Random, SecretBox, SigningKeys
from carnet.server.ports.seats import (
    MAX_HOLDERS,
    MAX_SIMILAR,
    Care,
    ProofUse,
    SeatChanges,
    SeatFacts,
    SeatQuery,
    SeatStore,
    needs_care,
)
from carnet.server.ports.statistics import DayCount, LastSeen, Seen, StatisticsStore
from carnet.server.ports.status import ListedLicense, PublishedList, ShardRows, StatusFacts, StatusStore
from carnet.server.ports.storage import ReplicaStats, Storage, StorageStats
from carnet.server.ports.trust import TrustChange, TrustFacts, TrustStore

__all__ = [
    "MAX_HOLDERS",
    "MAX_SIMILAR",
    "ONCE",
    "AccessStore",
    "ApiKeyChange",
    "BackupStore",
    "Care",
    "CatalogStore",
    "Clock",
    "ClockMarks",
    "ClockStore",
    "DayCount",
    "Delivery",
    "DeliveryEnd",
    "DeliveryState",
    "Details",
    "EnrolmentChange",
    "EventFilter",
    "HandOut",
    "IdempotencyStore",
    "IndexPlace",
    "JobReport",
    "JobRow",
    "JobStore",
    "JobsKept",
    "KeyChange",
    "KeyContext",
    "LastSeen",
    "LicenseChange",
    "LicenseContext",
    "LicenseFilter",
    "LicenseStore",
    "LimitCharge",
    "LimitLevel",
    "LimitMark",
    "LimitStore",
    "ListedLicense",
    "ModelStore",
    "NewLicense",
    "NextIndex",
    "Once",
    "OutboxState",
    "OutboxStore",
    "OwnValues",
    "PolicyChange",
    "PoolLevel",
    "PrivateKeys",
    "ProofUse",
    "PublishedList",
    "Random",
    "Remembered",
    "ReplicaStats",
    "SeatChanges",
    "SeatFacts",
    "SeatQuery",
    "SeatStore",
    "SecretBox",
    "Seen",
    "ShardRows",
    "SigningKeys",
    "StatisticsStore",
    "StatusFacts",
    "StatusStore",
    "Storage",
    "StorageStats",
    "StoredDestination",
    "TakeTable",
    "TrustChange",
    "TrustFacts",
    "TrustStore",
    "UsageChange",
    "UsageFacts",
    "UsageQuery",
    "needs_care",
    "note",
    "remembering",
    "request_in_flight",
]
