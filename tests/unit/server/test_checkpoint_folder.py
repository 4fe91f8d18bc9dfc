"""Checkpoints in files: what was kept is never lost, whatever a crash or a person leaves between them (SEC-46)."""

from __future__ import annotations

from pathlib import Path

import pytest

from carnet.core.instant import Instant
from carnet.formats.checkpoint import Checkpoint, read_checkpoint, sign_checkpoint
from carnet.formats.keys import Ed25519Signer
from carnet.server.checkpoint_folder import CheckpointFolder

AT = Instant(1_790_000_000)
ORIGIN = "carnet/inst/0"
SIGNER = Ed25519Signer(bytes(range(32)))
NOTES = [sign_checkpoint(Checkpoint(origin=ORIGIN, size=size, root=bytes(32)), SIGNER) for size in (1, 2, 3)]


def kept(folder: Path) -> Path:
    """Two checkpoints in one file."""
    for note in NOTES[:2]:
        CheckpointFolder(folder).add(note, AT)
    (file,) = folder.iterdir()
    return file


@pytest.mark.parametrize("where", ["before", "between", "behind"])
def test_what_a_person_wrote_between_checkpoints_costs_none_of_them(tmp_path: Path, where: str) -> None:
    file, folder = kept(tmp_path), CheckpointFolder(tmp_path)
    said = "read by the auditors\n\n"
    first, second = f"{NOTES[0]}\n", f"{NOTES[1]}\n"
    parts = {"before": (said, first, second), "between": (first, said, second), "behind": (first, second, said)}
    file.write_text("".join(parts[where]), encoding="utf-8")
    assert folder.newest(ORIGIN) == NOTES[1]
    folder.add(NOTES[2], AT)
    assert folder.newest(ORIGIN) == NOTES[2]
    found = list(folder.all())
    assert [each for each in found if each in NOTES] == NOTES
    assert [each.strip() for each in found if each not in NOTES] == [said.strip()]  # told to whoever checks


def test_a_note_that_was_cut_short_anywhere_is_replaced_and_nothing_before_it(tmp_path: Path) -> None:
    file = kept(tmp_path)
    whole, first = file.read_bytes(), len(f"{NOTES[0]}\n".encode())
    for end in range(first, len(whole)):
        file.write_bytes(whole[:end])
        assert list(CheckpointFolder(tmp_path).all()) == NOTES[:1]
        CheckpointFolder(tmp_path).add(NOTES[2], AT)
        assert list(CheckpointFolder(tmp_path).all()) == [NOTES[0], NOTES[2]]
    assert read_checkpoint(NOTES[2]).unverified.size == 3
