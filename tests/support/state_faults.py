"""
Faults under the state directory: its system calls counted, and one of them failing, stopping short or never returning.

The state modules call `os` by name, so their calls are counted where they are made, in this process or in a child that
is killed there. What is inside `filelock` and Python's own files is not counted; it changes nothing that is kept.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from carnet.client import state, state_writing

CALLS: Final = (
    "open",
    "fstat",
    "read",
    "write",
    "fsync",
    "close",
    "replace",
    "unlink",
    "listdir",
    "makedirs",
    "stat",
    "chmod",
)
"""Every call of `os` that the state modules make to read, write or move a file."""

CHANGING: Final = ("open", "write", "fsync", "replace", "makedirs")
"""Those that need room, or the right to write."""

Fault = Callable[[str, Callable[..., Any], tuple[Any, ...]], Any]
"""Gets the name of a call, the real one and its arguments; does what happens instead."""


class Calls:
    """
    Counts the calls of `os` by the state modules, and gives each from the *first* on to *fault*.

    Attributes:
        made: The names of the calls, in order.
    """

    def __init__(self, names: tuple[str, ...] = CALLS) -> None:
        self.names = names
        self.made: list[str] = []

    @contextmanager
    def under(self, first: int, fault: Fault, *, last: int | None = None) -> Iterator[None]:
        """While this lasts, calls number *first* to *last* (from 1; None: to the end) go to *fault*."""
        self.made.clear()
        with pytest.MonkeyPatch.context() as patch:
            for name in self.names:
                patch.setattr(_Os, name, staticmethod(self._counted(name, getattr(os, name), first, last, fault)))
            for module in (state, state_writing):
                patch.setattr(module, "os", _Os)
            yield

    def _counted(
        self, name: str, real: Callable[..., Any], first: int, last: int | None, fault: Fault
    ) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.made.append(name)
            number = len(self.made)
            if first <= number and (last is None or number <= last):
                return fault(name, lambda *given: real(*given, **options), arguments)
            return real(*arguments, **options)

        return call

    @contextmanager
    def counted(self) -> Iterator[None]:
        """While this lasts, calls are only counted."""
        with self.under(1, lambda _, real, arguments: real(*arguments)):
            yield


class _OsMeta(type):
    def __getattr__(cls, name: str) -> Any:
        return getattr(os, name)


class _Os(metaclass=_OsMeta):
    """`os` as the state modules see it: the module, but for what a test puts here."""


def raising(number: int) -> Fault:
    """A call that fails with the error *number*, having done nothing."""

    def fault(name: str, real: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if name == "close":
            real(*arguments)  # a descriptor is gone whatever close says
        raise OSError(number, os.strerror(number))

    return fault


def full_after(size: int) -> Fault:
    """A disk that takes *size* more bytes of a write, and then none."""

    def fault(name: str, real: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if name == "write" and size and len(arguments[1]) > size:
            return real(arguments[0], arguments[1][:size])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return fault


def killed(*, after: bool) -> Fault:
    """The process is killed, before the call or right after it."""

    def fault(_: str, real: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if after:
            real(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    return fault


def killed_amid_write(size: int) -> Fault:
    """The process is killed when *size* bytes of a write are on the disk."""

    def fault(_: str, real: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        real(arguments[0], arguments[1][:size])
        os.kill(os.getpid(), signal.SIGKILL)

    return fault


def dies(work: Callable[[], object]) -> bool:
    """Whether *work*, in a process of its own, is killed; False if it comes to its end."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
