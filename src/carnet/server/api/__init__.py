"""The HTTP edge: bytes to commands, results to bytes. No rule lives here; the services decide (style.md §4)."""
