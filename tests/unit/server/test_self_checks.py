"""Which artifacts are checked before they leave (docs/decisions/0048)."""

from __future__ import annotations

from carnet.core.model import Policy
from carnet.core.policies import PRESETS
from carnet.server.domain.activations.checking import EVERY, SelfChecks

ONE, OTHER = PRESETS["consumer"], PRESETS["enterprise"]


def test_the_first_under_each_policy_is_checked() -> None:
    checks = SelfChecks()
    assert [checks.is_due(policy) for policy in (ONE, OTHER, ONE, OTHER)] == [True, True, False, False]


def test_then_one_in_sixty_four_is() -> None:
    checks = SelfChecks()
    due = [checks.is_due(ONE) for _ in range(4 * EVERY + 1)]
    assert [number for number, is_due in enumerate(due) if is_due] == [0, EVERY, 2 * EVERY, 3 * EVERY, 4 * EVERY]


def test_after_one_that_was_not_sound_all_are_for_a_while() -> None:
    checks = SelfChecks(every=4)
    assert [checks.is_due(ONE) for _ in range(2)] == [True, False]
    checks.failed()
    assert [checks.is_due(ONE) for _ in range(9)] == [True] * 5 + [False] * 3 + [True]


def test_more_policies_than_are_remembered_are_checked_anew_and_never_less() -> None:
    checks = SelfChecks()
    policies = [Policy(name=f"policy-{number}") for number in range(3000)]
    assert all(checks.is_due(policy) for policy in policies)
    assert not checks.is_due(policies[-1])
