"""`carnet inspect` under attack: every kind of artifact, changed, and no signature in the way."""

from __future__ import annotations

import json
from typing import Any, Final

from carnet.cli.inspection.readers import as_json, explain
from carnet.formats.encoding import b64url_decode, b64url_encode
from support.attack_judging import Parser
from support.attack_mutators import Mutator
from support.every_artifact import EVERY
from support.tokens import ISSUED_AT

_TEXTS: Final = tuple(text.encode() for text in EVERY.values())
_TOKENS: Final = tuple(text.split(".") for text in EVERY.values() if text.count(".") == 2 and text.startswith("eyJ"))
_OBJECTS: Final = tuple(text for text in EVERY.values() if text.startswith("{"))


def _changed(mutator: Mutator) -> bytes:
    random = mutator.random
    if random.random() < 0.2:
        return mutator.text_of(mutator.of_json(json.loads(random.choice(_OBJECTS))))
    header, payload, signature = random.choice(_TOKENS)
    head, claims = (json.loads(b64url_decode(part, "A part")) for part in (header, payload))
    if random.random() < 0.3:
        head = mutator.of_json(head)
    claims = mutator.of_json(claims)
    return ".".join((*(b64url_encode(mutator.text_of(part)) for part in (head, claims)), signature)).encode()


def _explain(data: bytes) -> Any:
    kind, explained = explain(data, ISSUED_AT)
    return json.dumps(
        as_json(kind, explained)
    ).encode()  # as it is printed: no half surrogates, nothing that is no JSON


PARSERS: Final = {"inspection": Parser(seeds=_TEXTS, read=_explain, craft=_changed)}
