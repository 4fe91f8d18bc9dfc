"""Bytes to core types and back: pure, `cryptography` beside the standard library."""
