"""
The one base class of Carnet's value types: frozen, slotted, keyword-only, cheap to import.

It does what `dataclasses.dataclass(frozen=True, slots=True, kw_only=True)` does for us, without the 17 ms that
importing `dataclasses` adds to every start of a licensed application (design.md §3, docs/decisions/0002).

Invariants: instances never change; equality and hash are by value and exact type; unknown or missing fields raise
`TypeError` at construction. Defaults must be immutable, because they are shared.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar, dataclass_transform

_set = object.__setattr__


def _is_class_variable(annotation: object) -> bool:
    text = annotation if isinstance(annotation, str) else repr(annotation)
    return text.startswith(("ClassVar", "typing.ClassVar"))


class _StructMeta(type):
    """Turns the annotations of a class body into slots, in order, base classes first."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> _StructMeta:
        own: dict[str, Any] = namespace.get("__annotations__", {})
        names = [field for field, kind in own.items() if not _is_class_variable(kind)]
        defaults = {field: namespace.pop(field) for field in names if field in namespace}
        namespace["__slots__"] = tuple(names)
        inherited: tuple[str, ...] = ()
        for base in bases:
            inherited += getattr(base, "__fields__", ())
            defaults = {**getattr(base, "__defaults__", {}), **defaults}
        namespace["__fields__"] = inherited + tuple(names)
        namespace["__defaults__"] = defaults
        namespace["__match_args__"] = namespace["__fields__"]
        return super().__new__(mcls, name, bases, namespace, **options)


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Struct(metaclass=_StructMeta):
    """A frozen value with named fields. Subclass it with annotations, as with `dataclasses`."""

    __fields__: ClassVar[tuple[str, ...]]
    __defaults__: ClassVar[dict[str, Any]]

    def __init__(self, **values: Any) -> None:
        defaults = self.__defaults__
        for field in self.__fields__:
            if field in values:
                _set(self, field, values.pop(field))
            elif field in defaults:
                _set(self, field, defaults[field])
            else:
                raise TypeError(f"{type(self).__name__}() needs {field!r}")
        if values:
            raise TypeError(f"{type(self).__name__}() has no field {next(iter(values))!r}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, field) == getattr(other, field) for field in self.__fields__)

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, field) for field in self.__fields__)))

    def __repr__(self) -> str:
        fields = ", ".join(f"{field}={getattr(self, field)!r}" for field in self.__fields__)
        return f"{type(self).__name__}({fields})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), {field: getattr(self, field) for field in self.__fields__})


# Bound to the class and not to its name: a string here would start the compiler, 1.2 ms at every import of Carnet.
_S = TypeVar("_S", bound=Struct)


def _rebuild(kind: type[_S], values: dict[str, Any]) -> _S:
    return kind(**values)


def replace(value: _S, /, **changes: Any) -> _S:
    """
    A copy of *value* with *changes* applied.

    Raises:
        TypeError: A change names no field of *value*.
    """
    fields = {field: getattr(value, field) for field in value.__fields__}
    fields.update(changes)
    return type(value)(**fields)
