"""The base of the value types: frozen, by value, strict about its fields."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import ClassVar

import pytest

from carnet.core._base import Struct, replace


class Point(Struct):
    LIMIT: ClassVar[int] = 9

    x: int
    y: int = 0


class Named(Point):
    name: str
    y: int = 5


def test_fields_come_in_order_with_their_defaults() -> None:
    assert Point.__fields__ == ("x", "y")
    assert Point(x=1) == Point(x=1, y=0)
    assert Point.LIMIT == 9
    assert Named.__fields__ == ("x", "y", "name")
    assert Named(x=1, name="a").y == 5
    assert Named(x=1, name="a", y=7).y == 7


def test_missing_and_unknown_fields_are_type_errors() -> None:
    with pytest.raises(TypeError, match="needs 'x'"):
        Point()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="no field 'z'"):
        Point(x=1, z=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Point(1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="no field 'z'"):
        replace(Point(x=1), z=2)


def test_values_never_change() -> None:
    point = Point(x=1)
    with pytest.raises(AttributeError, match="frozen"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match="frozen"):
        point.z = 2  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="frozen"):
        del point.x
    assert not hasattr(point, "__dict__")
    assert not hasattr(Named(x=1, name="a"), "__dict__")


def test_equality_and_hash_are_by_value_and_exact_type() -> None:
    assert Point(x=1) != Point(x=2)
    assert hash(Point(x=1)) == hash(Point(x=1, y=0))
    assert Point(x=1) != Named(x=1, y=0, name="")
    assert Point(x=1) != (1, 0)


def test_copies_are_equal() -> None:
    point = Named(x=1, name="a")
    assert replace(point, x=2) == Named(x=2, name="a")
    assert copy.deepcopy(point) == point
    assert pickle.loads(pickle.dumps(point)) == point  # noqa: S301 - our own bytes
    assert repr(Point(x=1)) == "Point(x=1, y=0)"


class Often(Struct):
    LIMIT: ClassVar[int] = 9

    x: int
    y: int = 0

    def __repr__(self) -> str:
        return "hidden"


def test_a_class_that_is_made_often_behaves_the_same() -> None:
    """Its constructor is written out after a while; nothing else may change with that."""
    early = Often(x=1)
    before = Often.__init__
    for number in range(1000):
        assert Often(x=number).x == number
    assert Often.__init__ is not before
    late = Often(x=1)
    assert type(late) is Often
    assert late == early
    assert hash(late) == hash(early)
    assert repr(late) == "hidden"
    assert (Often(x=1, y=7).y, late.y) == (7, 0)
    assert copy.deepcopy(late) == late
    assert pickle.loads(pickle.dumps(late)) == early  # noqa: S301 - our own bytes
    assert replace(late, y=5) == Often(x=1, y=5)
    assert not hasattr(late, "__dict__")
    with pytest.raises(AttributeError, match="frozen"):
        late.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match="frozen"):
        del late.x
    with pytest.raises(AttributeError, match="frozen"):
        late.z = 2  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="x"):
        Often()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="z"):
        Often(x=1, z=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Often(1)  # type: ignore[call-arg]


HEAVY = ("dataclasses", "enum34", "json", "base64", "datetime", "pathlib", "logging", "asyncio", "socket", "inspect")


@pytest.mark.parametrize("module", ["carnet.core.rules", "carnet.core.seats", "carnet.core.policies"])
def test_the_core_loads_nothing_heavy(module: str) -> None:
    code = f"import {module}, sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_an_active_decision_loads_no_texts() -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from carnet.core.rules import decide\n"
        "from carnet.core.decision import Evidence, Host\n"
        "from carnet.core.model import Grant, Policy\n"
        "from carnet.core.instant import Instant\n"
        "grant = Grant(kind='token', id='t', issuer='i', product='p', license_id='l', issued_at=Instant(0),\n"
        "    not_before=Instant(0), offline_until=Instant(9), policy=Policy(name='p'))\n"
        "assert decide(Evidence(grants=(grant,)), Instant(1), Host(product='p')).state == 'active'\n"
        "print(*[name for name in ('reasons', 'notices', 'facts', 'domains', 'versions')\n"
        "    if 'carnet.core.' + name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
