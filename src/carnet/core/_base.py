"""
The one base class of Carnet's value types: frozen, slotted, keyword-only, cheap to import.

It does what `dataclasses.dataclass(frozen=True, slots=True, kw_only=True)` does for us, without the 17 ms that
importing `dataclasses` adds to every start of a licensed application (design.md §3, docs/decisions/0002).

Invariants: instances never change; equality and hash are by value and exact type; unknown or missing fields raise
`TypeError` at construction. Defaults must be immutable, because they are shared.

Two constructors do the same: a general one, which costs nothing at start-up, and one with the field names written out,
which is made when a class has been constructed `_OFTEN` times and is four times as fast. An app's start never pays the
1.5 ms that making it takes; a server and a busy process have it after the first moments.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar, dataclass_transform

_set = object.__setattr__
_set_class = object.__dict__["__class__"].__set__

_OFTEN = 500


def _is_class_variable(annotation: object) -> bool:
    text = annotation if isinstance(annotation, str) else repr(annotation)
    return text.startswith(("ClassVar", "typing.ClassVar"))


class _StructMeta(type):
    """Turns the annotations of a class body into slots, in order, base classes first."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> _StructMeta:
        own: dict[str, Any] = namespace.get("__annotations__", {})
        names = [field for field, kind in own.items() if not _is_class_variable(kind)]
        defaults = {field: namespace.pop(field) for field in names if field in namespace}
        inherited: tuple[str, ...] = ()
        for base in bases:
            inherited += getattr(base, "__fields__", ())
            defaults = {**getattr(base, "__defaults__", {}), **defaults}
        # A field that a base class has already keeps its slot and its place; only its default may change.
        new = tuple(field for field in names if field not in inherited)
        namespace["__slots__"] = new
        namespace["__fields__"] = inherited + new
        namespace["__defaults__"] = defaults
        namespace["__match_args__"] = namespace["__fields__"]
        namespace["__constructed__"] = [0]
        if bases:
            # Each class has its own constructor, so that none inherits one that was written out for its base; and
            # freezing stands in each class and not in `Struct`, so that a twin with the same layout can do without it.
            namespace.setdefault("__init__", _construct)
            namespace["__setattr__"] = _refuse_to_set
            namespace["__delattr__"] = _refuse_to_delete
        return super().__new__(mcls, name, bases, namespace, **options)


def _refuse_to_set(self: Struct, name: str, _value: object) -> None:
    raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be set")


def _refuse_to_delete(self: Struct, name: str) -> None:
    raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be deleted")


def _construct(self: Struct, **values: Any) -> None:
    """The general constructor."""
    kind = type(self)
    defaults = kind.__defaults__
    for field in kind.__fields__:
        if field in values:
            _set(self, field, values.pop(field))
        elif field in defaults:
            _set(self, field, defaults[field])
        else:
            raise TypeError(f"{kind.__name__}() needs {field!r}")
    if values:
        raise TypeError(f"{kind.__name__}() has no field {next(iter(values))!r}")
    count = kind.__constructed__[0] + 1  # threads may lose some; it is no statistic
    kind.__constructed__[0] = count
    if count == _OFTEN:
        _write_out_constructor(kind)


def _write_out_constructor(kind: type[Struct]) -> None:
    """
    Give *kind* a constructor with its field names written out.

    While it fills the fields, the instance is of a twin class with the same slots, which is not frozen: plain attribute
    assignment is then the interpreter's fastest path. Nobody else can have seen the instance yet.
    """
    fields, defaults = kind.__fields__, kind.__defaults__
    if kind.__dict__["__slots__"] != fields:
        return  # with slots of a base class it has another layout than a twin would; the general constructor stays
    # Of several bases (`Generic` is one) only this one has a say in the layout.
    bases = (kind.__base__ or Struct,)
    twin = type.__new__(_StructMeta, kind.__name__, bases, {"__slots__": fields, "__setattr__": object.__setattr__})
    parameters = ", ".join(f"{field}=__struct_{field}" if field in defaults else field for field in fields)
    lines = [f"def __init__(self, *, {parameters}):", "    __struct_0(self, __struct_1)"]
    lines += [f"    self.{field} = {field}" for field in fields]
    lines += ["    self.__class__ = __struct_2"]
    scope: dict[str, Any] = {f"__struct_{field}": value for field, value in defaults.items()}
    scope |= {"__name__": kind.__module__, "__struct_0": _set_class, "__struct_1": twin, "__struct_2": kind}
    exec("\n".join(lines), scope)  # noqa: S102 - our own class's field names, as `dataclasses` does it
    scope["__init__"].__qualname__ = f"{kind.__qualname__}.__init__"
    kind.__init__ = scope["__init__"]  # type: ignore[method-assign]


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Struct(metaclass=_StructMeta):
    """A frozen value with named fields. Subclass it with annotations, as with `dataclasses`."""

    __fields__: ClassVar[tuple[str, ...]]
    __defaults__: ClassVar[dict[str, Any]]
    __constructed__: ClassVar[list[int]]

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
