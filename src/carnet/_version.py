"""The version, as a constant: frozen apps have no package metadata to ask."""

__version__ = "0.1.0"
