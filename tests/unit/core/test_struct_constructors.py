"""A value type's two constructors, the general and the written-out one, do exactly the same."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
import threading
from typing import Any, Generic, TypeVar

import pytest

from carnet.core import _base
from carnet.core._base import Struct, replace

T = TypeVar("T")


class Leaf(Struct):
    """A value type as most are."""

    kind: str
    count: int = 0
    items: tuple[str, ...] = ()


class Child(Leaf):
    """A value type that adds a field to another."""

    more: int
    count: int = 7


def fresh() -> type[Any]:
    """A new class each time, so that it has been constructed by nobody."""

    class Value(Struct):
        first: str
        second: int = 5
        third: tuple[str, ...] = ()

    return Value


def heat(made: type[Any], **values: Any) -> None:
    for _ in range(_base._OFTEN):
        made(**values)


def is_written_out(kind: type[Any]) -> bool:
    return kind.__init__ is not _base._construct


def test_the_written_out_constructor_is_made_after_many_constructions_and_not_before() -> None:
    kind = fresh()
    for _ in range(_base._OFTEN - 1):
        kind(first="a")
    assert not is_written_out(kind)
    kind(first="a")
    assert is_written_out(kind)
    assert str(inspect.signature(kind)) == "(*, first, second=5, third=())"


def test_both_make_equal_frozen_values_of_the_same_type() -> None:
    kind = fresh()
    before = [kind(first="a"), kind(first="b", second=1, third=("x",))]
    heat(kind, first="a")
    after = [kind(first="a"), kind(third=("x",), first="b", second=1)]
    assert before == after
    assert [hash(value) for value in before] == [hash(value) for value in after]
    assert [repr(value) for value in before] == [repr(value) for value in after]
    for value in before + after:
        assert type(value) is kind
        assert not hasattr(value, "__dict__")
        with pytest.raises(AttributeError, match="frozen"):
            value.first = "c"
        with pytest.raises(AttributeError, match="frozen"):
            value.fourth = 1
        with pytest.raises(AttributeError, match="frozen"):
            del value.second
        assert replace(value, second=9).second == 9
        assert copy.copy(value) == value


@pytest.mark.parametrize("values", [{}, {"second": 1}, {"first": "a", "fourth": 1}, {"first": "a", "self": 1}])
def test_both_refuse_missing_and_unknown_fields(values: dict[str, Any]) -> None:
    kind = fresh()
    with pytest.raises(TypeError):
        kind(**values)
    heat(kind, first="a")
    assert is_written_out(kind)
    with pytest.raises(TypeError):
        kind(**values)
    with pytest.raises(TypeError):
        kind("a")


def test_a_constructor_is_never_inherited() -> None:
    heat(Leaf, kind="a")
    assert is_written_out(Leaf)
    child = Child(kind="a", more=1)
    assert (child.kind, child.count, child.items, child.more) == ("a", 7, (), 1)
    heat(Child, kind="a", more=1)
    assert not is_written_out(Child)
    assert Child(kind="a", more=1) == child
    assert type(Child(kind="a", more=1)) is Child
    with pytest.raises(TypeError):
        Leaf(kind="a", more=1)  # type: ignore[call-arg]
    with pytest.raises(AttributeError, match="frozen"):
        child.more = 2  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(Leaf(kind="a"))) == Leaf(kind="a")  # noqa: S301 - our own bytes


def test_a_generic_class_and_one_below_a_class_without_fields_are_written_out_too() -> None:
    class Bare(Struct):
        def __repr__(self) -> str:
            return "bare"

    class Below(Bare):
        value: int
        other: str = "o"

    class Boxed(Struct, Generic[T]):
        value: T

    below, boxed = Below(value=1), Boxed(value=1)
    heat(Below, value=1)
    heat(Boxed, value=1)
    pairs: list[tuple[Any, Struct]] = [(Below, below), (Boxed, boxed)]
    for kind, first in pairs:
        assert is_written_out(kind)
        again = kind(value=1)
        assert type(again) is kind
        assert again == first
        with pytest.raises(AttributeError, match="frozen"):
            again.value = 2
    assert repr(Below(value=1)) == "bare"
    assert isinstance(Below(value=1), Bare)


def test_a_class_keeps_the_constructor_that_it_defines() -> None:
    class Own(Struct):
        value: int

        def __init__(self, *, value: int) -> None:
            _base._set(self, "value", value + 1)

    heat(Own, value=1)
    assert Own(value=1).value == 2


def test_a_field_may_be_called_anything_that_a_name_can_be() -> None:
    class Odd(Struct):
        _twin: int
        kind: int = 2
        _0: int = 3
        struct: int = 4

    first = Odd(_twin=1)
    heat(Odd, _twin=1)
    assert Odd(_twin=1) == first
    assert (first._twin, first.kind, first._0, first.struct) == (1, 2, 3, 4)


def test_threads_that_construct_at_the_same_time_all_get_whole_values() -> None:
    kind = fresh()
    bad: list[object] = []

    def construct() -> None:
        for number in range(_base._OFTEN):
            value = kind(first=str(number), second=number)
            if type(value) is not kind or value.first != str(number) or value.second != number or value.third != ():
                bad.append(value)

    threads = [threading.Thread(target=construct) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not bad
    assert is_written_out(kind)


def test_a_short_run_never_starts_the_compiler() -> None:
    program = """
import sys
from carnet.core.model import Entitlement
compiled = []
sys.addaudithook(lambda event, arguments: event == "compile" and compiled.append(arguments))
for _ in range(100):
    Entitlement(key="a")
assert not compiled
for _ in range(500):
    Entitlement(key="a")
assert len(compiled) == 1
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
