from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.errors import CarnetError, StateError
from carnet.core.instant import DAY, Instant
from carnet.formats.answer import answer_to_refusal, check_binding, digest_artifacts
from carnet.formats.keys import Ed25519Signer, KeyRing, Role, Signer
from carnet.formats.license_token import issue_license_token, token_policy, verify_license_token
from carnet.formats.machine_file import open_machine_file
from carnet.server.domain.activations.commands import DeviceClaim
from carnet.server.domain.activations.issuing import grant_from_json
from carnet.server.domain.licenses.commands import CreatedLicense
from carnet.server.domain.status.allocation import SHARD_SIZE
from carnet.server.installation import Installation
from carnet.server.ports import SigningKeys
from carnet.server.records import OPERATOR
from support.installations import PRODUCT, START, Device, HeldClock, fingerprint, licensed, query
from support.stories import granted, proved, refused, tell


def test_r_20_an_activation_takes_a_seat_and_answers_with_token_and_machine_file(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        result = granted(await installation.activations.activate(Device().activate(created.key, nonce="n")))
        assert result.created
        assert result.license.seats.used == 1
        assert result.activation.device == fingerprint("one")
        assert result.activation.device_name == "one"
        token = verify_license_token(result.token, installation.ring)
        machine_file = open_machine_file(
            result.machine_file.encode(), installation.ring, license_key=created.key, fingerprint=fingerprint("one")
        )
        for grant in (token, machine_file):
            assert (grant.product, grant.license_id) == (PRODUCT, created.license.id)
            assert (grant.activation_id, grant.device) == (result.activation.id, fingerprint("one"))
            assert grant.issuer == installation.issuer
            assert grant.issued_at == grant.not_before == START - 60  # SEC-04
        assert token.offline_until == START - 60 + 7 * DAY
        assert machine_file.offline_until == START - 60 + 30 * DAY == result.activation.covered_until
        assert result.renew_after == START - 60 + DAY
        assert token.policy == token_policy(machine_file.policy)
        assert result.server_time == clock.at

    tell(tmp_path, story)


def test_the_key_is_taken_as_people_type_it_and_the_file_opens_with_the_canonical_one(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        typed = f"  {created.key.replace('-', ' ').lower()} \n"
        result = granted(await installation.activations.activate(Device().activate(typed)))
        open_machine_file(
            result.machine_file.encode(), installation.ring, license_key=created.key, fingerprint=fingerprint("one")
        )

    tell(tmp_path, story)


def test_users_ask_17_the_same_device_gets_the_same_seat_with_fresh_artifacts(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        first = granted(await installation.activations.activate(Device().activate(created.key)))
        clock.advance(DAY)
        renamed = replace(Device().claim(), name="Atelier")
        command = replace(Device().activate(created.key), device=renamed)
        second = granted(await installation.activations.activate(command))
        assert not second.created
        assert second.activation.id == first.activation.id
        assert second.activation.created_at == first.activation.created_at
        assert second.activation.device_name == "Atelier"
        assert second.activation.covered_until == first.activation.covered_until + DAY
        assert second.license.seats.used == 1
        assert second.token != first.token

    tell(tmp_path, story)


def test_covered_until_never_moves_back_when_a_shorter_window_is_asked_for(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        first = granted(await installation.activations.activate(Device().activate(created.key)))
        second = granted(await installation.activations.activate(Device().activate(created.key, ttl_seconds=3600)))
        machine_file = open_machine_file(
            second.machine_file.encode(), installation.ring, license_key=created.key, fingerprint=fingerprint("one")
        )
        assert machine_file.offline_until == START - 60 + 3600
        assert second.activation.covered_until == first.activation.covered_until
        stored = await installation.activations.get(first.activation.id)
        assert stored.covered_until == first.activation.covered_until

    tell(tmp_path, story)


def test_a_seat_given_back_and_taken_again_is_a_new_activation(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        first = granted(await installation.activations.activate(Device().activate(created.key)))
        await installation.activations.deactivate_by_vendor(first.activation.id, OPERATOR)
        clock.advance(5)
        second = granted(await installation.activations.activate(Device().activate(created.key)))
        assert second.created
        assert second.activation.id != first.activation.id
        assert second.license.seats.used == 1
        page = await installation.activations.list(created.license.id, include_deactivated=True)
        assert [view.id for view in page.items] == [second.activation.id, first.activation.id]
        assert (await installation.activations.list(created.license.id)).items == (page.items[0],)
        third = granted(await installation.activations.activate(Device().activate(created.key)))
        assert (third.created, third.activation.id) == (False, second.activation.id)

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"license_key": "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA"}, "license_not_found"),
        ({"license_key": "\ud800 no key at all"}, "license_not_found"),
        ({"product": "other"}, "wrong_product"),
        ({"product": "hustl2"}, "wrong_product"),
        ({"product": "Hustl"}, "wrong_product"),
    ],
)
def test_r_22_a_key_that_does_not_fit_is_refused_with_its_reason(
    tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        command = replace(Device().activate(created.key), **changes)
        refused(await installation.activations.activate(command), code)
        assert (await installation.licenses.get(created.license.id)).seats.used == 0

    tell(tmp_path, story)


def test_r_22_every_state_of_a_license_refuses_with_its_own_code(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        activate = Device().activate(created.key)
        await installation.licenses.suspend(created.license.id, OPERATOR)
        refused(await installation.activations.activate(activate), "license_suspended")
        await installation.licenses.reinstate(created.license.id, OPERATOR)
        granted(await installation.activations.activate(activate))
        await installation.licenses.revoke(created.license.id, OPERATOR)
        refused(await installation.activations.activate(activate), "license_revoked")
        timed = await licensed(installation, expires_at=Instant(clock.at + 100))
        clock.advance(99)
        granted(await installation.activations.activate(Device().activate(timed.key)))
        clock.advance(1)
        refused(await installation.activations.activate(Device("two").activate(timed.key)), "license_expired")
        later = await licensed(installation, starts_at=Instant(clock.at + 1))
        refused(await installation.activations.activate(Device().activate(later.key)), "license_not_started")
        clock.advance(1)
        granted(await installation.activations.activate(Device().activate(later.key)))

    tell(tmp_path, story)


def test_r_27_a_domain_license_activates_on_its_domains_only(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        for domain in (None, "example.com", "a.b.example.com", "example.com.evil.org", "shop.example.org"):
            command = Device().activate(created.key, domain=domain)
            refused(await installation.activations.activate(command), "wrong_domain")
        granted(await installation.activations.activate(Device().activate(created.key, domain="shop.example.com")))

    tell(tmp_path, story, overrides={"domains": ["*.example.com"]})


def test_sec_30_a_grant_is_proved_for_its_nonce_device_product_and_artifacts(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        answered = await installation.activations.activate(Device().activate(created.key, nonce="my-nonce"))
        result, answer = granted(answered), proved(installation, answered)
        assert (answer.outcome, answer.code, answer.reasons) == ("granted", None, ())
        assert (answer.license_id, answer.activation_id) == (created.license.id, result.activation.id)
        expected: dict[str, Any] = {
            "nonce": "my-nonce",
            "action": "activate",
            "product": PRODUCT,
            "device": fingerprint("one"),
            "artifacts": digest_artifacts({"token": result.token, "machine_file": result.machine_file}),
        }
        check_binding(answer, **expected)
        for member, other in (
            ("nonce", "other"),
            ("product", "other"),
            ("device", fingerprint("two")),
            ("artifacts", digest_artifacts({"token": result.token})),
            ("action", "refresh"),
        ):
            with pytest.raises(CarnetError):
                check_binding(answer, **{**expected, member: other})

    tell(tmp_path, story)


def test_sec_30_a_refusal_is_proved_too_and_becomes_a_tombstone(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        await installation.licenses.revoke(created.license.id, OPERATOR)
        answered = await installation.activations.activate(Device().activate(created.key, nonce="n"))
        refused(answered, "license_revoked")
        answer = proved(installation, answered)
        assert (answer.outcome, answer.code) == ("refused", "license_revoked")
        assert answer.reasons == ("license_revoked",)
        assert answer.artifacts == ()
        refusal = answer_to_refusal(answer)
        assert (refusal.code, refusal.license_id, refusal.at) == ("license_revoked", created.license.id, START)

    tell(tmp_path, story)


def test_a_refusal_of_an_unknown_key_is_proved_where_the_product_is_known_and_only_there(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        unknown = Device().activate("AAAAA-AAAAA-AAAAA-AAAAA-AAAAA", nonce="n")
        answered = await installation.activations.activate(unknown)
        refused(answered, "license_not_found")
        assert proved(installation, answered).code == "license_not_found"
        answered = await installation.activations.activate(replace(unknown, product="nowhere"))
        refused(answered, "license_not_found")
        assert answered.proof is None
        answered = await installation.activations.activate(Device().activate(created.key))
        assert answered.proof is None  # nobody asked

    tell(tmp_path, story)


def test_design_2_7_the_register_holds_what_was_signed_and_signs_it_again(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        result = granted(await installation.activations.activate(Device().activate(created.key)))
        token = verify_license_token(result.token, installation.ring)
        machine_file = open_machine_file(
            result.machine_file.encode(), installation.ring, license_key=created.key, fingerprint=fingerprint("one")
        )
        for grant in (token, machine_file):
            issuance = await installation._storage.issuance(grant.id)
            assert issuance is not None
            assert (issuance.kind, issuance.kid) == (grant.kind, grant.kid)
            assert (issuance.issued_at, issuance.expires_at) == (grant.issued_at, grant.offline_until)
            assert (issuance.license_id, issuance.activation_id) == (created.license.id, result.activation.id)
            assert grant_from_json(issuance.claims) == grant
            assert created.key not in issuance.claims
        stored = await installation._storage.issuance(token.id)
        assert stored is not None
        again = issue_license_token(grant_from_json(stored.claims), installation._keys.signer("token"))
        assert again == result.token  # a retry after a crash between commit and answer signs the same bytes

    tell(tmp_path, story, overrides={"entitlements": [{"key": "export-pdf", "below_version": "3.0.0"}]})


class BrokenKeys:
    """Signing keys whose public halves are right and whose signatures are not."""

    def __init__(self, keys: SigningKeys, sign: Callable[[bytes], bytes]) -> None:
        self._keys = keys
        self._sign = sign

    def signer(self, role: Role) -> Signer:
        return BrokenSigner(self._keys.signer(role), self._sign)

    def earlier(self, kid: str) -> Signer | None:
        return self._keys.earlier(kid)


class BrokenSigner:
    def __init__(self, signer: Signer, sign: Callable[[bytes], bytes]) -> None:
        self.kid = signer.kid
        self.public_key = signer.public_key
        self.sign = sign


def _is_down(_: bytes) -> bytes:
    raise StateError("signer_down", "The key service does not answer.", "Try again.")


def test_rel_08_what_cannot_be_signed_is_an_outage_and_a_retry_gets_the_same_seat(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        issuing = installation.activations._issuing
        keys, ring = issuing._keys, issuing._ring
        other = Ed25519Signer(bytes(range(32)))
        for broken_keys, broken_ring in (
            (BrokenKeys(keys, _is_down), ring),
            (BrokenKeys(keys, other.sign), ring),
            (keys, KeyRing.single("machine-file", other.public_key)),  # a root that does not know our keys
        ):
            issuing._keys, issuing._ring = broken_keys, broken_ring
            with pytest.raises(StateError) as caught:
                await installation.activations.activate(Device().activate(created.key, nonce="n"))
            assert caught.value.code == "signing_failed"
        issuing._keys, issuing._ring = keys, ring
        held = (await installation.activations.list(created.license.id)).items
        assert len(held) == 1  # durable before it was signed
        result = granted(await installation.activations.activate(Device().activate(created.key)))
        assert (result.created, result.activation.id) == (False, held[0].id)

    tell(tmp_path, story)


def test_sec_26_license_and_activation_have_their_own_status_index_in_both_artifacts(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        seen: dict[str, int] = {}
        for name in ("one", "two"):
            result = granted(await installation.activations.activate(Device(name).activate(created.key)))
            token = verify_license_token(result.token, installation.ring)
            machine_file = open_machine_file(
                result.machine_file.encode(), installation.ring, license_key=created.key, fingerprint=fingerprint(name)
            )
            for grant in (token, machine_file):
                for subject, ref in (
                    (created.license.id, grant.license_status_ref),
                    (result.activation.id, grant.activation_status_ref),
                ):
                    assert ref is not None
                    assert ref.uri == "https://license.example.com/v1/status/0"
                    assert 0 <= ref.index < SHARD_SIZE
                    assert seen.setdefault(subject, ref.index) == ref.index
        assert len(set(seen.values())) == len(seen) == 3

    tell(tmp_path, story)
    rows = query(tmp_path, "SELECT sequence, subject FROM status_indices ORDER BY sequence")
    assert rows == [(1, "license"), (2, "activation"), (3, "activation")]


def test_entitlements_that_are_over_are_left_out_of_new_artifacts(tmp_path: Path) -> None:
    over, open_end = {"key": "beta", "expires_at": str(Instant(START + 10))}, {"key": "export"}

    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        for moment, keys in ((9, ["beta", "export"]), (10, ["export"])):
            clock.at = Instant(START + moment)
            result = granted(await installation.activations.activate(Device().activate(created.key)))
            token = verify_license_token(result.token, installation.ring)
            assert [entitlement.key for entitlement in token.entitlements] == keys

    tell(tmp_path, story, overrides={"entitlements": [over, open_end]})


def test_newer_roots_are_sent_to_a_device_that_says_what_it_knows(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        stored = ("root 1", "root 2", "root 3")
        installation.activations.newer_roots = lambda known: () if known is None else stored[known:]
        for known, sent in ((None, ()), (1, ("root 2", "root 3")), (2, ("root 3",)), (3, ()), (99, ())):
            command = Device().activate(created.key, root_version=known)
            assert granted(await installation.activations.activate(command)).roots == sent

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"nonce": ""}, "invalid_argument"),
        ({"nonce": "x" * 129}, "invalid_argument"),
        ({"ttl_seconds": 0}, "invalid_argument"),
        ({"root_version": 0}, "invalid_argument"),
        ({"license_key": "x" * 513}, "invalid_argument"),
        ({"license_key": "  "}, "invalid_argument"),
        ({"product": ""}, "invalid_argument"),
        ({"user": "x" * 256}, "invalid_argument"),
        ({"domain": "x" * 254}, "invalid_argument"),
        ({"app_version": "x" * 65}, "invalid_argument"),
        ({"device": DeviceClaim(fingerprint="device-1")}, "bad_fingerprint"),
        ({"device": DeviceClaim(fingerprint="0" * 64)}, "placeholder_fingerprint"),
        ({"device": DeviceClaim(fingerprint=fingerprint(1), name="x" * 65)}, "invalid_argument"),
        ({"device": DeviceClaim(fingerprint=fingerprint(1), name="a\x1b[31m")}, "invalid_argument"),
        ({"device": DeviceClaim(fingerprint=fingerprint(1), platform="x" * 65)}, "invalid_argument"),
        ({"device": DeviceClaim(fingerprint=fingerprint(1), public_key="!")}, "bad_base64"),
        ({"device": DeviceClaim(fingerprint=fingerprint(1), public_key="AAAA")}, "bad_key"),
        ({"device": DeviceClaim(fingerprint=fingerprint(1), public_key="A" * 43)}, "bad_key"),  # SEC-06: low order
        ({"device": DeviceClaim(fingerprint=fingerprint(1), components=(("cpu", "x" * 129),))}, "invalid_argument"),
        ({"device": DeviceClaim(fingerprint=fingerprint(1), components=(("c", "d"),) * 65)}, "invalid_argument"),
    ],
)
def test_values_out_of_bounds_are_refused_before_anything_is_looked_up(
    tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        with pytest.raises(CarnetError) as caught:
            await installation.activations.activate(replace(Device().activate(created.key), **changes))
        assert caught.value.code == code
        assert caught.value.fix
        assert created.key not in str(caught.value)

    tell(tmp_path, story)
