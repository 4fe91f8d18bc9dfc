"""
What runs beside requests: who does which job, where events go and how far they got, marks that were told.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from carnet.server.storage.tables.base import SEQUENCE, metadata

# One row for each job. Who holds it does it, until `held_until` (milliseconds, by the database's time on PostgreSQL);
# `state` is the job's own, as JSON, moved in the transaction of what it stands for.
jobs = Table(
    "jobs",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("held_until", BigInteger, nullable=False),
    Column("every_seconds", BigInteger, nullable=False),
    Column("ran_at", BigInteger),
    # When it was made, until it has gone well once.
    Column("ok_at", BigInteger, nullable=False),
    Column("problem", Text),
    Column("state", Text, nullable=False),
)

# Where events go from `since` on; what was handed to one that was stopped is not delivered any more.
destinations = Table(
    "destinations",
    metadata,
    Column("name", Text, primary_key=True),
    Column("lanes", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    CheckConstraint("lanes IN ('object', 'all')", name="lanes"),
)

# REL-09: one row for each event and destination. Within a lane the lower number goes first, and nothing behind a number
# that waits. `claim` says who delivers it now.
deliveries = Table(
    "deliveries",
    metadata,
    Column("seq", SEQUENCE, primary_key=True, autoincrement=True),
    Column("destination", Text, nullable=False),
    Column("event_seq", BigInteger, ForeignKey("events.seq"), nullable=False),
    Column("lane", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("first_tried_at", BigInteger),
    Column("due_at", BigInteger, nullable=False),
    Column("claim", Text),
    Column("claimed_until", BigInteger),
    Column("ended_at", BigInteger),
    Column("problem", Text),
    CheckConstraint("state IN ('waiting', 'delivered', 'dead')", name="state"),
    UniqueConstraint("destination", "event_seq"),
    Index(
        "ix_deliveries_waiting",
        "destination",
        "lane",
        "seq",
        sqlite_where=text("state = 'waiting'"),
        postgresql_where=text("state = 'waiting'"),
    ),
    Index("ix_deliveries_dead", "seq", sqlite_where=text("state = 'dead'"), postgresql_where=text("state = 'dead'")),
    Index(None, "event_seq"),
    sqlite_autoincrement=True,
)

# What the vendor was told about a license's seats or floating seats, and where they stand: told once, not at each seat
# that comes and goes (users-ask 60).
limit_marks = Table(
    "limit_marks",
    metadata,
    Column("license_id", Text, ForeignKey("licenses.id"), primary_key=True),
    Column("what", Text, primary_key=True),
    Column("level", BigInteger, nullable=False),
    Column("told_level", BigInteger, nullable=False),
    Column("told_used", BigInteger, nullable=False),
    Column("told_at", BigInteger, nullable=False),
    CheckConstraint("what IN ('seats', 'leases')", name="what"),
)
