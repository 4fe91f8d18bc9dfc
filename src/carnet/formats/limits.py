"""
How large an input may be, in one place (security-requirements "Limits"). Every reader checks these before it parses.

Sizes are bytes unless a name says otherwise. Nothing here is configurable: a limit is part of the format.
"""

from __future__ import annotations

KIB = 1024
MIB = 1024 * KIB

MAX_TOKEN = 8 * KIB
MAX_TOKEN_HEADER = KIB
MAX_MACHINE_FILE = 256 * KIB
MAX_STATUS_LIST_TOKEN = 4 * MIB
MAX_STATUS_LIST_BYTES = 16 * MIB
"""Of the statuses, unpacked; a list says how many it has, and exactly so many are taken."""
MAX_STATUSES = MAX_STATUS_LIST_BYTES * 8 // 2
"""Of one list: what fits at 2 bits each, so that a list can always say that somebody is suspended."""
MAX_ROOT = 512_000
MAX_ROOT_STEPS = 256
MAX_BUNDLE = 8 * MIB
"""A root chain, a token, a machine file and a status list, each within its own limit, in Base64 twice over."""

MAX_PUBLIC_BODY = 16 * KIB
MAX_ADMIN_BODY = MIB
MAX_IMPORT_BODY = 64 * MIB
"""A file of licenses to take over; it is read in pieces and never held in memory."""

MAX_JSON_DEPTH = 20
MAX_JSON_VALUES = 4096
MAX_JSON_STRING = 16 * KIB
MAX_JSON_INTEGER = 2**53 - 1
"""Integers that every JSON reader in every language keeps exactly (RFC 7493 §2.2)."""

MAX_KID = 64
MAX_PEM = 16 * 1024
"""A key in PEM; an RSA private key of 4096 bits takes 3.3 KB."""
MAX_ID = 255
"""Ids, product names, URIs of status lists and other one-line identifiers inside our artifacts, in characters."""
MAX_ENTITLEMENTS = 500
MAX_LICENSE_KEY_TYPED = 512
MAX_DEVICE_ID = 255
MAX_DEVICE_NAME = 64
MAX_METADATA = 16 * KIB
MAX_METADATA_KEYS = 64
MAX_METADATA_DEPTH = 4

MAX_LIFETIME_SECONDS = 3650 * 86400
"""`exp - iat` of any artifact: ten years of 365 days (SEC-04)."""
