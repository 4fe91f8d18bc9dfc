"""SEC-33: no message of the command repeats a key; and no sentence of ours is taken for one."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.cli.redaction import redact
from carnet.formats.license_key import generate_license_key
from carnet.server.domain.apikeys.service import new_token
from carnet.server.domain.enrolment.tokens import new_enrolment_token
from support.every_artifact import SIGNED_KEY

DOCS = Path(__file__).parents[3] / "docs"
MORE = (
    "{}",
    "unrecognized arguments: {}",
    "argument --license: invalid value: '{}' (choose from csv, jsonl)",
    "There must have been {} among these words.",
)
FORMS: dict[str, Callable[[str], str]] = {
    "as it is": lambda key: key,
    "small": str.lower,
    "with blanks": lambda key: key.replace("-", " "),
    "small with blanks": lambda key: key.lower().replace("-", " "),
    "in one": lambda key: key.replace("-", ""),
    "small in one": lambda key: key.lower().replace("-", ""),
    "with dots": lambda key: key.replace("-", "."),
    "with long dashes": lambda key: key.replace("-", "\u2013"),
    "with underscores": lambda key: key.lower().replace("-", "_"),
}


def sentences() -> list[str]:
    """Every message and every fix that our errors have, as the reference page lists them."""
    page = (DOCS / "reference" / "codes.md").read_text()
    return [cell.strip() for line in page.splitlines() if line.startswith("|") for cell in line.strip("|").split("|")]


def test_no_sentence_of_our_errors_is_taken_for_a_key() -> None:
    found = sentences()
    assert len(found) > 1_000
    assert [each for each in found if redact(each) != each] == []


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.name)
def test_no_sentence_of_the_documentation_is_taken_for_a_key(page: Path) -> None:
    for line in page.read_text().splitlines():
        # What is no prose may look like a key.
        if not re.search(r"`[^`]{20,}`|--fingerprint|nonce|SHA256with|--key-spec", line):
            assert redact(line) == line


@pytest.mark.parametrize(
    "text",
    [
        "The file must have been made with care",
        "there were some files that were left over here",
        "Each line must have five cells here, port 8787 must have free room",
        "There is no license 019123ab-4c5d-7e8f-9abc-def012345678.",
        "carnet.db.before-0009 is older than /var/backups/2027-01-31T10-00-00Z",
        "invalid choice: 'prepare-offline' (choose from 'create-many-things', 'list')",
        "carnet_data/tests_base32_groups.py: line 12345 67890 of file 99999",
        "CARNET_DATABASE_URL_FILE and CARNET_TRUSTED_PROXIES",
        "module-path= in the location, or CARNET_PKCS11_MODULE.",
        "support@example.com wrote on 2027-01-31 at 10:00:00",
        "",
    ],
)
def test_what_people_and_programs_write_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sentence", MORE)
def test_sec_33_a_key_is_reduced_to_its_last_four_wherever_and_however_it_stands(form: str, sentence: str) -> None:
    source = random.Random(f"{form}{sentence}")  # noqa: S311 - the same keys in every run
    for _ in range(100):
        typed = FORMS[form](generate_license_key(source.randbytes))
        said = redact(sentence.format(typed))
        # With blanks, a word beside it of as many letters could be a group as well.
        assert f"…{typed[-4:]}" in said or (" " in typed and "…" in said), (typed, said)
        for begin in range(len(typed) - 7):
            assert typed[begin : begin + 8] not in said


@pytest.mark.parametrize("sentence", MORE)
def test_sec_33_other_secrets_are_reduced_as_well(sentence: str) -> None:
    source = random.Random(sentence)  # noqa: S311 - the same keys in every run
    secrets = [new_token(source.randbytes), new_enrolment_token(source.randbytes), SIGNED_KEY, SIGNED_KEY.lower()]
    secrets += ["ACME-2024-AB12CD34-X9Y8", "OTHER-00012-Xq7Zp-Lm3Rt-Vb8Ns", "acme_12ab34cd_9f8e7d6c5b4a"]
    for secret in secrets:
        said = redact(sentence.format(secret))
        assert f"…{secret[-4:]}" in said, (secret, said)
        assert secret[:12] not in said


@given(st.text(alphabet="abXY019 -_.\u2013/", max_size=200))
def test_what_is_masked_once_stays_masked_and_nothing_is_added(text: str) -> None:
    said = redact(text)
    assert redact(said) == said or "…" in said
    assert len(said) <= len(text)
