"""Each claim of a machine file with values that it must not have, and the code that refuses them (SEC-18)."""

from __future__ import annotations

from typing import Any

from carnet.core.instant import DAY, MAX_INSTANT
from support.machine_files import DELETE, FINGERPRINT, GRANT, ISSUED_AT, LICENSE_KEY

END = int(GRANT.offline_until or 0)
EXTRAS = "data.attributes.metadata.carnet"
NO_TIMES: list[Any] = [0, -1, MAX_INSTANT + 1, str(ISSUED_AT), True, None, [], {}, DELETE]
NO_TEXTS: list[Any] = ["", "x" * 256, "line\nbreak", 1, None, [], {}, DELETE]
NO_OBJECTS: list[Any] = [None, "x", 1, [], DELETE]

ALTERATIONS: list[tuple[str, list[Any], str]] = [
    ("meta", NO_OBJECTS, "bad_structure"),
    ("data", NO_OBJECTS, "bad_structure"),
    ("data.type", ["machine", "Machines", None, DELETE], "bad_structure"),
    ("data.attributes", NO_OBJECTS, "bad_structure"),
    ("data.relationships", NO_OBJECTS, "bad_structure"),
    ("meta.schema_version", [0, 1, 3, "2", True, None, [2], DELETE], "bad_schema_version"),
    ("meta.iat", NO_TIMES, "bad_iat"),
    ("meta.nbf", NO_TIMES, "bad_nbf"),
    ("meta.exp", NO_TIMES, "bad_exp"),
    ("meta.ttl", [30 * DAY - 1, 30 * DAY + 1, str(30 * DAY), None, True, DELETE], "bad_ttl"),
    ("meta.nbf", [ISSUED_AT - 1, END, END + 1], "bad_window"),
    (
        "meta.issued",
        ["2026-09-21T14:13:21Z", "2026-09-21T14:13:20+00:00", "2026-09-21T14:13:20.0Z", "", 0, None, DELETE],
        "bad_issued",
    ),
    ("meta.expiry", ["2026-10-21T14:13:19Z", "2026-10-21 14:13:20Z", END, None, DELETE], "bad_expiry"),
    ("meta.grace_period", [-1, 30 * DAY + 1, "0", True, None, DELETE], "bad_grace_period"),
    ("meta.license_exp", [0, -1, MAX_INSTANT + 1, "2027-01-01T00:00:00Z", True, DELETE], "bad_license_exp"),
    ("meta.sdk_version", ["", 1, None], "bad_sdk_version"),
    ("meta.kid", ["org-2026-b", "", "ORG-2026-A", 1, None, DELETE], "kid_mismatch"),
    ("meta.lic", ["Y5NNE-9SGEE-ZSEJK-TZSVJ-EBPAG", LICENSE_KEY.lower(), "", 1, None, DELETE], "license_mismatch"),
    ("data.relationships.license.data.id", ["Y5NNE-9SGEE-ZSEJK-TZSVJ-EBPAG"], "license_mismatch"),
    ("data.relationships.license.data.id", ["", 1, None, DELETE], "bad_license"),
    ("data.relationships.license.data.type", ["license", None, DELETE], "bad_license"),
    ("data.relationships.license.data", NO_OBJECTS, "bad_license"),
    ("data.relationships.license", NO_OBJECTS, "bad_license"),
    ("data.relationships.product", NO_OBJECTS, "bad_product"),
    ("data.relationships.product.data", NO_OBJECTS, "bad_product"),
    ("data.relationships.product.data.type", ["product", None, DELETE], "bad_product"),
    (
        "data.relationships.product.data.id",
        ["", "Hustl", "hustl-", "-hustl", "hus--tl", "hus tl", "hüstl", "x" * 101, 1, None, DELETE],
        "bad_product",
    ),
    ("data.id", NO_TEXTS, "bad_activation"),
    ("data.attributes.fingerprint", ["0" + FINGERPRINT[1:], FINGERPRINT.upper()], "device_mismatch"),
    (
        "data.attributes.fingerprint",
        ["", "1234567", "x" * 256, " " + FINGERPRINT, FINGERPRINT + "\n", "fp\x1b7c1e40aa", 1, None, DELETE],
        "bad_fingerprint",
    ),
    ("data.attributes.name", ["x" * 256, "line\nbreak", "\x7f", "\x9f", 1, None, DELETE], "bad_device_name"),
    ("data.attributes.platform", ["x" * 256, "\x1b[31m", 1, None, DELETE], "bad_platform"),
    ("data.attributes.created", ["", "yesterday", "2026-02-30T00:00:00Z", 1790000000, True, {}], "bad_created"),
    (
        "data.attributes.fingerprint_components",
        [
            [],
            "x",
            1,
            {"board": 1},
            {"board": None},
            {"x" * 101: "y"},
            {"x": "y" * 1025},
            {str(i): "" for i in range(65)},
        ],
        "bad_components",
    ),
    ("data.attributes.metadata", [None, [], "x", {"é" * 128: 1}, {str(i): 0 for i in range(257)}], "bad_metadata"),
    (EXTRAS, [None, [], "x", {}], "bad_extras_version"),
    (f"{EXTRAS}.v", [0, 2, "1", True, None, DELETE], "bad_extras_version"),
    (f"{EXTRAS}.crit", [[], ["seats"], None], "unknown_critical"),
    (f"{EXTRAS}.jti", NO_TEXTS, "bad_jti"),
    (f"{EXTRAS}.iss", NO_TEXTS, "bad_iss"),
    (f"{EXTRAS}.sub", NO_TEXTS, "bad_sub"),
    (f"{EXTRAS}.cus", [text for text in NO_TEXTS if text is not DELETE], "bad_cus"),
    (f"{EXTRAS}.lic_nbf", [time for time in NO_TIMES if time is not DELETE], "bad_lic_nbf"),
    (
        f"{EXTRAS}.ent",
        [None, {}, "x", ["export-pdf"], [{"key": "A"}], [{"key": "a"}, {"key": "a"}], [{}], DELETE],
        "bad_entitlements",
    ),
    (f"{EXTRAS}.ent.0.exp", [time for time in NO_TIMES if time is not DELETE], "bad_entitlements"),
    (f"{EXTRAS}.ent.0.below", [text for text in NO_TEXTS if text is not DELETE], "bad_entitlements"),
    (f"{EXTRAS}.status", [*NO_OBJECTS[:4], {}, {"status_list": 1}, {"status_list": {"idx": 1}}], "bad_status"),
    (f"{EXTRAS}.status.status_list.idx", [-1, 2**31, "1", True, None, DELETE], "bad_status"),
    (f"{EXTRAS}.act_status", NO_OBJECTS[:4], "bad_status"),
    (f"{EXTRAS}.act_status.idx", [-1, 2**31, "1", True, None, DELETE], "bad_status"),
    (f"{EXTRAS}.act_status.uri", NO_TEXTS[:-1], "bad_status"),
    (f"{EXTRAS}.status_min", [None, 1, [1], [0, 1, 2], [0, -1], [True, 1], ["0", "1"], {}], "bad_status"),
    (f"{EXTRAS}.act_status.min", [None, 1, [1], [0, 1, 2], [0, -1], [True, 1], ["0", "1"], {}], "bad_status"),
    (f"{EXTRAS}.pol", NO_OBJECTS, "bad_policy"),
    (f"{EXTRAS}.pol.name", ["", 1, None, DELETE], "bad_policy"),
    (f"{EXTRAS}.pol.ttl", [0, -1, "1", True, None, 3651 * DAY, DELETE], "bad_policy"),
    (f"{EXTRAS}.pol.access", ["none", 1, None], "bad_policy"),
    (f"{EXTRAS}.pol.activation", [1, "true", None], "bad_policy"),
    (f"{EXTRAS}.pol.max_ttl", [0, 30 * DAY - 1, "1", None, 3651 * DAY], "bad_policy"),
    (f"{EXTRAS}.pol.token_ttl", [0, "1", None, DELETE], "bad_policy"),
    (f"{EXTRAS}.pol.term_grace", [-1, "1", None, DELETE], "bad_policy"),
    (f"{EXTRAS}.pol.refresh", [0, "1", None, DELETE], "bad_policy"),
    (f"{EXTRAS}.pol.clock", ["on", None], "bad_policy"),
    (f"{EXTRAS}.pol.warn", [-1, "1", True, None], "bad_policy"),
    (f"{EXTRAS}.pol.status_age", [0, "1", True, None], "bad_policy"),
    (f"{EXTRAS}.pol.edition", ["", 1, "line\nbreak", None], "bad_policy"),
    (f"{EXTRAS}.pol.seats", [0, -1, "2", True, None], "bad_policy"),
    (f"{EXTRAS}.pol.essential", ["open", {"open": 1}, None, ["Open"], ["open", "open"], [1]], "bad_policy"),
    (f"{EXTRAS}.pol.domains", ["example.com", [1], ["Example.com"], ["*"]], "bad_policy"),
    (f"{EXTRAS}.pol.ent", ["x", None, {}, [{"key": "A"}], ["a"]], "bad_entitlements"),
    (f"{EXTRAS}.pol.below", ["new", "3.0-\x07", "3.0\n", 1, {}, None], "bad_policy"),
]
"""Path, values, code; for the content of `claims_of()`."""
