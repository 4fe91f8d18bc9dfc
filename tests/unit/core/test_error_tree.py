"""The error tree: what a caller can tell apart, and what a person reads."""

from __future__ import annotations

import pickle

import pytest

from carnet.core import errors
from carnet.core.errors import CarnetError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CarnetError)]


@pytest.mark.parametrize("kind", KINDS)
def test_each_error_has_code_message_and_fix(kind: type[CarnetError]) -> None:
    error = kind("some_code", "It is so.", "Do that.")
    assert (error.code, error.message, error.fix) == ("some_code", "It is so.", "Do that.")
    assert str(error) == "It is so. Do that."
    assert str(kind("some_code", "It is so.")) == "It is so."
    assert error.retryable is (kind is errors.TransportError)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(copy), copy.code, copy.fix) == (kind, "some_code", "Do that.")


def test_the_docstring_draws_every_branch() -> None:
    assert errors.__doc__ is not None
    for kind in KINDS:
        assert kind.__name__ in errors.__doc__
