"""Plans of next roots: in whatever order things are asked, one key signs for each role and the chain is followed."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from carnet.core.errors import UsageError
from carnet.core.instant import DAY, Instant
from carnet.formats.keys import ROLES, Ed25519Signer, Role
from carnet.formats.root import Root, build_root, next_root, sign_root
from carnet.server.domain.trust.life import NAMED
from carnet.server.domain.trust.plan import Intent, NewKey, Plan, RootKeys, plan_root, plan_rotation
from carnet.server.records import SigningKey
from carnet.server.signing.file_store import KEY_GROUPS

START = Instant(1_790_000_000)
GROUPS = tuple(tuple(role for role in ROLES if role in group) for group in KEY_GROUPS)
ROOT_SIGNERS = [Ed25519Signer(bytes([200 + number]) * 32) for number in range(3)]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["announce", "rotate", "retire", "compromise", "roots", "wait"]),
        st.integers(0, 40),
        st.booleans(),
    ),
    min_size=1,
    max_size=20,
)


class World:
    """An installation's keys, changed only as the plans say."""

    def __init__(self) -> None:
        self.now = START
        self.made = 0
        self.keys: tuple[SigningKey, ...] = ()
        self.root_signers = ROOT_SIGNERS[:2]
        for group in GROUPS:
            signer = self.signer()
            self.keys += (
                SigningKey(
                    kid=signer.kid,
                    alg="Ed25519",
                    roles=group,
                    public_key=signer.public_key.raw,
                    location="file:x.json",
                    state="active",
                    announced_at=START,
                    activated_at=START,
                ),
            )
        self.root = build_root(
            version=1,
            issuer="i",
            issued_at=START,
            expires_at=Instant(START + 100 * DAY),
            keys={
                "root": [signer.public_key for signer in self.root_signers],
                **{role: [self.public(key)] for key in self.keys for role in key.roles},
            },
            root_threshold=2,
        )

    def signer(self) -> Ed25519Signer:
        self.made += 1
        return Ed25519Signer(self.made.to_bytes(32, "big"))

    @staticmethod
    def public(key: SigningKey) -> Any:
        from carnet.formats.keys import load_ed25519

        return load_ed25519(key.public_key)

    def new(self, group: tuple[Role, ...]) -> NewKey:
        return NewKey(roles=group, public_key=self.signer().public_key, location="file:y.json")

    def take(self, step: tuple[str, int, bool]) -> None:
        what, number, flag = step
        key = self.keys[number % len(self.keys)]
        intent: Intent | None = None
        try:
            if what == "announce":
                intent = Intent(announce=(self.new(GROUPS[number % len(GROUPS)]),))
            elif what == "retire":
                intent = Intent(retire=(key.kid,))
            elif what == "compromise":
                intent = Intent(
                    compromise=(key.kid,), replace=(self.new(key.roles),) if key.state == "active" or flag else ()
                )
            elif what == "roots":
                chosen = ROOT_SIGNERS if flag else ROOT_SIGNERS[1:]
                intent = Intent(root_keys=RootKeys(keys=tuple(s.public_key for s in chosen), threshold=2))
            elif what == "wait":
                self.now = Instant(self.now + number * 3600)
            else:
                roles = None if flag else (GROUPS[number % len(GROUPS)][0],)
                self.keep(plan_rotation(self.keys, roles, now=self.now, announce_seconds=DAY))
            if intent is not None:
                self.keep(plan_root(self.root, self.keys, intent, issued_at=self.now, now=self.now))
        except UsageError as refused:
            assert refused.code in {"conflict", "key_not_announced", "key_not_announced_long_enough"}  # noqa: PT017

    def keep(self, plan: Plan) -> None:
        if plan.root is not None:
            by_both = {signer.kid: signer for signer in (*ROOT_SIGNERS,)}
            named = {key.kid for root in (self.root, plan.root) for key in root.role_keys("root")}
            signed = sign_root(plan.root, [by_both[kid] for kid in sorted(named)])
            assert next_root(self.root, signed) == plan.root
            self.root = plan.root
        changed = {key.kid: key for key in plan.keys}
        known = {key.kid for key in self.keys}
        self.keys = tuple(changed.get(key.kid, key) for key in self.keys)
        self.keys += tuple(key for kid, key in changed.items() if kid not in known)

    def check(self) -> None:
        for role in ROLES[1:]:
            active = [key for key in self.keys if key.state == "active" and role in key.roles]
            assert len(active) == 1, role
            named = {key.kid for key in self.root.role_keys(role)}
            assert named == {key.kid for key in self.keys if key.state in NAMED and role in key.roles}
            assert len([key for key in self.keys if key.state == "announced" and role in key.roles]) <= 1


@settings(max_examples=60)
@given(steps=STEPS)
def test_r_18_one_key_signs_for_each_role_and_the_root_names_exactly_the_living_ones(
    steps: list[tuple[str, int, bool]],
) -> None:
    world = World()
    world.check()
    for step in steps:
        world.take(step)
        world.check()


@settings(max_examples=30)
@given(number=st.integers(0, 3), later=st.integers(0, 40))
def test_the_same_intent_plans_the_same_root_whenever_it_is_installed(number: int, later: int) -> None:
    world = World()
    intent = Intent(announce=(world.new(GROUPS[number]),))

    def planned(after: int) -> Root | None:
        now = Instant(START + after)
        return plan_root(world.root, world.keys, intent, issued_at=START, now=now).root

    assert planned(later) == planned(0)


def test_a_plan_keeps_the_oldest_formats_and_renews_the_expiry() -> None:
    world = World()
    plan = plan_root(world.root, world.keys, Intent(), issued_at=Instant(START + DAY), now=world.now)
    assert plan.root is not None
    assert plan.root.minimum_formats == world.root.minimum_formats
    assert plan.root.expires_at == START + DAY + 3650 * DAY
    assert not plan.keys


def test_sec_24_what_takes_the_place_of_a_lost_key_signs_at_once_and_the_lost_one_is_in_no_root() -> None:
    world = World()
    lost, made = world.keys[0], world.new(world.keys[0].roles)
    plan = plan_root(
        world.root, world.keys, Intent(compromise=(lost.kid,), replace=(made,)), issued_at=START, now=START
    )
    assert plan.root is not None
    assert [key.kid for key in plan.root.role_keys("token")] == [made.public_key.kid]
    assert {key.kid: key.state for key in plan.keys} == {lost.kid: "compromised", made.public_key.kid: "active"}
    assert [(each.kid, each.by) for each in plan.replaced] == [(lost.kid, made.public_key.kid)]
