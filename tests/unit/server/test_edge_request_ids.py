"""Which request ids are taken from outside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.server.api.context import choose_request_id


@pytest.mark.parametrize("offered", [b"a", b"req-17", b"A_b.9", b"x" * 64])
def test_a_harmless_request_id_is_kept(offered: bytes) -> None:
    assert choose_request_id(offered) == offered.decode()


@pytest.mark.parametrize(
    "offered", [None, b"", b"x" * 65, b"a b", b"a\nb", b"<b>", b'"', b"caf\xc3\xa9", b"\xff", b"\x00"]
)
def test_sec_39_anything_else_is_replaced(offered: bytes | None) -> None:
    chosen = choose_request_id(offered)
    assert chosen.isalnum()
    assert len(chosen) == 24


@given(st.binary(max_size=80))
def test_a_request_id_is_always_printable_and_short(offered: bytes) -> None:
    chosen = choose_request_id(offered)
    assert chosen.isascii()
    assert chosen.isprintable()
    assert 0 < len(chosen) <= 64
