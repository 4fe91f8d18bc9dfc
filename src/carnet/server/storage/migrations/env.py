"""
Alembic's entry point. Runs only inside `storage.migrate`, on the connection and in the transaction given there.
"""

from __future__ import annotations

from alembic import context

from carnet.server.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes tables by rebuilding them
    compare_type=True,
)
context.run_migrations()
