"""
Remembering a request in the SQLite transaction of its change (`ports.remembering`).
"""

from __future__ import annotations

import sqlite3

from carnet.server.ports import Remembered, request_in_flight
from carnet.server.storage.rows.traffic import remembered_values

_FORGET = "DELETE FROM remembered_requests WHERE scope = ? AND forgotten_at <= ?"
_REMEMBER = "INSERT INTO remembered_requests (scope, request, ids, made_at, forgotten_at) VALUES (?, ?, ?, ?, ?)"


def remember(connection: sqlite3.Connection, remembered: Remembered) -> None:
    """
    Write *remembered*, behind its change and in the same transaction.

    Raises:
        CarnetError: ``request_in_flight``: another request with that key was faster; nothing of this one is written.
    """
    connection.execute(_FORGET, (remembered.scope, int(remembered.at)))
    try:
        connection.execute(_REMEMBER, remembered_values(remembered))
    except sqlite3.IntegrityError as error:
        raise request_in_flight() from error
