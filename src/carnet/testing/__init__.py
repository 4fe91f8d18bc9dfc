"""Fakes for the developers of licensed applications."""
