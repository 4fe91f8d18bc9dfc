"""What campaigns found once, so that it is found at once if it comes back."""

from __future__ import annotations

import io
import json
import zlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carnet.client.state_file import open_copy, peek, state_from_json
from carnet.client.state_sealing import seal_copy
from carnet.core.errors import MalformedError, NotGenuineError
from carnet.formats.checkpoint import read_checkpoint
from carnet.formats.encoding import sha256
from carnet.formats.log_proof import read_log_proof
from carnet.formats.primitives import hkdf_sha256
from carnet.formats.root_draft import read_draft
from carnet.formats.strict_json import dump_json
from carnet.server.domain.bulk.lines import Unreadable, read_lines
from support import attack_files as files
from support.attack_logs import DRAFT, PROOF


@pytest.mark.parametrize("value", [{}, [], [""], 7, None, True])
@pytest.mark.parametrize("place", ["salt", "slot salt", "slot key"])
def test_a_state_whose_header_holds_something_else_than_texts_is_damaged(place: str, value: Any) -> None:
    header = json.loads(files.STATE.split(b"\n", 2)[1])
    if place == "salt":
        header["salt"] = value
    else:
        header["slots"][0][place.removeprefix("slot ")] = value
    payload = b"carnet-state 1\n" + dump_json(header) + b"\n" + bytes(60)
    assert peek(payload + sha256(payload), files.PRODUCT).condition == "damaged"


def test_a_state_whose_unknown_members_are_in_another_order_can_be_written_again() -> None:
    state = state_from_json({"zeal": 1, "": [2], "iat": {"a": None}, "contacts": 3})
    sealed = seal_copy(state, product="p", sequence=1, key=bytes(32), anchors=files.ANCHORS, kept=(), entropy=bytes(32))
    assert open_copy(sealed, peek(sealed, "p"), "p", files.ANCHORS).state == state


def test_a_part_of_a_backup_whose_texts_are_none_is_damaged() -> None:
    head = files.BACKUP[: files.BACKUP.index(b"\n", 16) + 1]
    key = hkdf_sha256(bytes(range(2, 34)), salt=b"s" * 32, info=b"carnet/v1/backup", length=32)
    sealed = AESGCM(key).encrypt(bytes(11) + b"\0", zlib.compress(b"\x93\xa4file\xa1\x80\xc4\x00"), head)
    with pytest.raises(NotGenuineError) as refused:
        files.read_backup(head + len(sealed).to_bytes(4, "big") + sealed)
    assert refused.value.code == "backup_damaged"


def test_a_line_with_other_cells_is_told_with_a_remedy() -> None:
    (line,) = read_lines(io.StringIO("key,product,policy\nK-1,hustl\n", newline=""), "csv")
    assert isinstance(line, Unreadable)
    assert line.error.code == "bad_import"
    assert "as many cells" in line.error.fix


def test_a_checkpoint_with_half_a_character_is_refused_and_not_failed_over() -> None:
    with pytest.raises(MalformedError) as refused:
        read_checkpoint("\ud800\n7\n\n\u2014 a b\n")
    assert refused.value.code == "bad_checkpoint"


@pytest.mark.parametrize("blank", [b"\x0b", b"\x0c"])
def test_blanks_that_json_does_not_have_are_not_forgiven(blank: bytes) -> None:
    for read, genuine in ((read_log_proof, PROOF), (read_draft, DRAFT)):
        read(b" \r\n\t" + genuine)
        with pytest.raises(MalformedError) as refused:
            read(blank + genuine)
        assert refused.value.code == "bad_json"
