"""The Merkle tree against the reference tree of RFC 6962's authors, and against one written out by its definition."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.core.errors import NotGenuineError, UsageError
from carnet.formats.encoding import sha256
from carnet.formats.merkle import (
    EMPTY_ROOT,
    Growing,
    Range,
    consistency_ranges,
    fold,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    perfect,
    subtrees_of,
    verify_consistency,
    verify_inclusion,
)

# transparency-dev/merkle, testonly/constants.go (Apache-2.0): inputs, and the roots of their trees by size.
LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZES = st.integers(1, 70)


def defined(hashes: Sequence[bytes]) -> bytes:
    """MTH as RFC 9162 §2.1.1 writes it down."""
    if not hashes:
        return sha256(b"")
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node_hash(defined(hashes[:split]), defined(hashes[split:]))


def tree(size: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(4, "big")) for number in range(size)]


def hash_of(hashes: Sequence[bytes], leaves: Range) -> bytes:
    """As whoever keeps a tree does it: out of perfect subtrees."""
    parts = subtrees_of(leaves)
    return fold([perfect(hashes[at << height : (at + 1) << height]) for height, at in parts])


def path(hashes: Sequence[bytes], ranges: Sequence[Range]) -> list[bytes]:
    return [hash_of(hashes, each) for each in ranges]


def test_hashes_are_those_of_the_reference_tree() -> None:
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    node = node_hash(b"N123", b"N456")
    assert node.hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    assert EMPTY_ROOT.hex() == ROOTS[0]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_the_reference_tree(size: int) -> None:
    growing = Growing()
    for leaf in LEAVES[:size]:
        growing.add(leaf_hash(leaf))
    assert growing.root().hex() == ROOTS[size]
    assert defined([leaf_hash(leaf) for leaf in LEAVES[:size]]).hex() == ROOTS[size]


@given(size=st.integers(0, 70), more=st.integers(0, 40))
def test_a_tree_that_goes_on_from_its_edge_is_the_tree_of_all_leaves(size: int, more: int) -> None:
    hashes = tree(size + more)
    edge = [perfect(hashes[at << height : (at + 1) << height]) for height, at in subtrees_of((0, size))]
    growing = Growing(size, edge)
    for leaf in hashes[size:]:
        growing.add(leaf)
    assert growing.size == size + more
    assert growing.root() == defined(hashes)


@given(size=SIZES, data=st.data())
def test_the_proof_of_a_leaf_fits_its_leaf_its_place_and_its_tree_only(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    hashes = tree(size)
    root, proof = defined(hashes), path(hashes, inclusion_ranges(index, size))
    verify_inclusion(hashes[index], index, size, proof, root)
    wrong = [
        (leaf_hash(b"another"), index, size, proof, root),
        (hashes[index], index, size, proof, leaf_hash(b"another")),
        (hashes[index], index, size, [*proof, root], root),
        (hashes[index], -1, size, proof, root),
        (hashes[index], size, size, proof, root),
    ]
    if size > 1:
        wrong += [
            (hashes[index], (index + 1) % size, size, proof, root),
            (hashes[index], index, size, proof[:-1], root),
            (hashes[index], index, size, proof[1:], root),
        ]
    for case in wrong:
        with pytest.raises(NotGenuineError) as refused:
            verify_inclusion(*case)
        assert refused.value.code == "not_in_log"


@given(size=SIZES, data=st.data())
def test_the_proof_that_a_tree_grew_fits_these_two_trees_only(size: int, data: st.DataObject) -> None:
    before = data.draw(st.integers(0, size))
    hashes = tree(size)
    old, new = defined(hashes[:before]), defined(hashes)
    proof = path(hashes, consistency_ranges(before, size))
    verify_consistency(before, size, old, new, proof)
    other = leaf_hash(b"another")
    wrong = [
        (before, size, other, new, proof),
        (before, size, old, new, [*proof, other]),
        (size + 1, size, new, new, []),
    ]
    if 0 < before < size:
        wrong += [(before, size, old, other, proof), (before, size, old, new, proof[:-1]), (before, size, old, new, [])]
    for case in wrong:
        with pytest.raises(NotGenuineError) as refused:
            verify_consistency(*case)
        assert refused.value.code == "log_forked"


@given(size=st.integers(2, 70), data=st.data())
def test_no_proof_leads_from_a_tree_to_one_whose_past_was_changed(size: int, data: st.DataObject) -> None:
    before = data.draw(st.integers(1, size - 1))
    changed = data.draw(st.integers(0, before - 1))
    hashes = tree(size)
    old = defined(hashes[:before])
    hashes[changed] = leaf_hash(b"changed")
    with pytest.raises(NotGenuineError):
        verify_consistency(before, size, old, defined(hashes), path(hashes, consistency_ranges(before, size)))


def test_what_no_tree_has_is_refused() -> None:
    for call in (
        lambda: inclusion_ranges(3, 3),
        lambda: inclusion_ranges(-1, 3),
        lambda: consistency_ranges(4, 3),
        lambda: Growing(3, [b"\0" * 32]),
    ):
        with pytest.raises(UsageError) as refused:
            call()
        assert refused.value.code == "bad_tree"
