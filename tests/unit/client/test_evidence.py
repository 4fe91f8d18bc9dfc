"""From bytes to evidence: what verifies becomes a grant, what does not becomes a fault, and nothing stops the rest."""

from __future__ import annotations

import pytest

from carnet.client.evidence import gather
from carnet.core.decision import Host
from carnet.core.instant import DAY, Instant
from carnet.core.rules import decide
from carnet.formats.keys import Ed25519Signer, KeyRing
from support.issuing import LICENSE_KEY, NOW, ROOT, SIGNERS, Vendor

DEVICE = "7356efc5789c7620acec623db78f3e7d36767a68dc780ab909ed21e04a7f3c74"
HOST = Host(product="hustl")
RING = ROOT.ring()
VENDOR = Vendor(lambda: NOW)
TOKEN, FILE = VENDOR.issue(DEVICE).values()


def refusal(code: str = "license_revoked", device: str = DEVICE) -> str:
    body = {"device": {"fingerprint": device}, "nonce": "n", "product": "hustl"}
    return VENDOR.proof(body, "refresh", code, {})


def test_what_verifies_becomes_grants_of_both_kinds() -> None:
    evidence = gather(ring=RING, token=TOKEN, machine_file=FILE, license_key=LICENSE_KEY, fingerprint=DEVICE)
    assert [grant.kind for grant in evidence.grants] == ["token", "machine-file"]
    assert evidence.faults == ()
    assert decide(evidence, NOW, HOST).state == "active"


def test_a_machine_file_may_come_as_bytes_with_other_line_ends() -> None:
    crlf = FILE.replace("\n", "\r\n").encode()
    evidence = gather(ring=RING, machine_file=crlf, license_key=LICENSE_KEY, fingerprint=DEVICE)
    assert len(evidence.grants) == 1


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        ({"token": TOKEN[:-1]}, ["bad_base64"]),
        ({"token": "x"}, ["bad_compact"]),
        ({"machine_file": "x", "license_key": LICENSE_KEY, "fingerprint": DEVICE}, ["bad_armor"]),
        ({"machine_file": FILE, "fingerprint": DEVICE}, ["license_key_required"]),
        ({"machine_file": FILE, "license_key": LICENSE_KEY}, ["device_fingerprint_required"]),
        (
            {"machine_file": FILE, "license_key": "WRONG", "fingerprint": DEVICE},
            ["does_not_open"],
        ),
        (
            {"machine_file": FILE, "license_key": LICENSE_KEY, "fingerprint": "ab" * 32},
            ["does_not_open"],
        ),
        ({"token": "x", "machine_file": "y", "license_key": "k", "fingerprint": DEVICE}, ["bad_compact", "bad_armor"]),
    ],
)
def test_what_does_not_pass_is_a_fault_with_its_own_code(given: dict[str, str], codes: list[str]) -> None:
    evidence = gather(ring=RING, **given)  # type: ignore[arg-type]
    assert evidence.grants == ()
    assert [fault.code for fault in evidence.faults] == codes
    assert all(fault.message and fault.artifact for fault in evidence.faults)


def test_one_broken_artifact_does_not_stop_the_other() -> None:
    evidence = gather(
        ring=RING,
        token="x",
        machine_file=FILE,
        license_key=LICENSE_KEY,
        fingerprint=DEVICE,
    )
    assert (len(evidence.grants), len(evidence.faults)) == (1, 1)
    assert decide(evidence, NOW, HOST).access == "full"


def test_sec_23_keys_count_as_they_are_trusted_now() -> None:
    stranger = KeyRing.single("token", Ed25519Signer(bytes(32)).public_key)
    evidence = gather(ring=stranger, token=TOKEN)
    assert [fault.code for fault in evidence.faults] == ["unknown_key"]


def test_sec_03_a_key_of_one_role_seals_nothing_of_another() -> None:
    only_tokens = KeyRing.single("token", SIGNERS["token"].public_key)
    evidence = gather(
        ring=only_tokens,
        token=TOKEN,
        machine_file=FILE,
        license_key=LICENSE_KEY,
        fingerprint=DEVICE,
        refusals=(refusal(),),
    )
    assert [grant.kind for grant in evidence.grants] == ["token"]
    assert evidence.refusals == ()


def test_an_authentic_refusal_counts_and_any_other_is_nothing_at_all() -> None:
    head, _, signature = refusal().rpartition(".")
    changed = f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    proofs = (refusal(), changed, "garbage", refusal(device="ab" * 32))
    evidence = gather(ring=RING, fingerprint=DEVICE, refusals=proofs)
    assert [each.code for each in evidence.refusals] == ["license_revoked"]
    granted = VENDOR.proof({"device": {"fingerprint": DEVICE}, "nonce": "n", "product": "hustl"}, "refresh", None, {})
    assert gather(ring=RING, fingerprint=DEVICE, refusals=(granted,)).refusals == ()
    assert evidence.faults == ()


def test_sec_29_issue_times_lift_the_present_moment_and_no_other() -> None:
    def seen(*, counts: bool, trusted_at: int | None = None) -> Instant | None:
        return gather(
            ring=RING,
            token=TOKEN,
            fingerprint=DEVICE,
            refusals=(refusal(),),
            trusted_at=None if trusted_at is None else Instant(trusted_at),
            issue_times_count=counts,
        ).trusted_at

    assert seen(counts=False) is None
    assert seen(counts=True) == NOW
    assert seen(counts=True, trusted_at=NOW + DAY) == NOW + DAY
    assert seen(counts=False, trusted_at=5) == 5


def test_with_nothing_at_hand_there_is_nothing() -> None:
    evidence = gather(ring=RING)
    assert (evidence.grants, evidence.faults, evidence.refusals) == ((), (), ())
    assert gather(ring=RING, issue_times_count=True).trusted_at is None
    assert gather(ring=RING, foreign_state=True, fingerprint=DEVICE).foreign_state
