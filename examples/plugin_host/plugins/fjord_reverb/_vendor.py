"""The vendor's constants: written once, when the vendor made its installation (`carnet init`)."""

from __future__ import annotations

SERVER = "https://license.example.com"
ROOT = ""  # the text of this vendor's root.json
