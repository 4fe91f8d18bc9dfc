"""
Makes the vectors of strict JSON and bundles: `specs/vectors/{strict-json,bundle}/`.

`python tools/vectors_formats.py` writes them; `tests/unit/formats/test_format_vectors.py` makes them
again, compares, and runs them. The inputs are written here by hand, with fixed keys; the outcomes are what
`carnet.formats` says, and are reviewed as text.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from carnet.formats.answer import issue_answer  # noqa: E402
from carnet.formats.bundle import Bundle, write_bundle  # noqa: E402
from carnet.formats.encoding import armor  # noqa: E402
from carnet.formats.root import sign_root  # noqa: E402
from carnet.formats.strict_json import dump_json  # noqa: E402
from support.format_scenarios import (  # noqa: E402 - found on the path that is set above
    ANSWER,
    ANSWER_SIGNER,
    ROOT_SIGNERS,
    TOKEN,
    Scenario,
    root_of,
    scenario,
    write,
)

# ── strict JSON ──────────────────────────────────────────────────────────────────────────────────────────────────────

_JSON_TEXTS: tuple[tuple[str, str, str, Any], ...] = (
    ("empty-object", "3.1", "Refusing the smallest object.", "{}"),
    ("blanks", "3.1", "Refusing JSON's four blanks around tokens.", ' \t\r\n{ "a" : [ 1 , null ] } \n'),
    ("escapes", "3.1", "Reading escapes or surrogates other than RFC 8259.", '"\\u00e9\\n\\/\\ud83d\\ude00"'),
    ("case-differs", "3.2", "Comparing names without case.", '{"a":1,"A":2}'),
    ("normal-forms-differ", "3.2", "Normalising names before comparing them.", '{"é":1,"e\u0301":2}'),
    ("largest-integer", "3.3", "Being off by one at 2^53 - 1.", "9007199254740991"),
    ("smallest-integer", "3.3", "Being off by one at -(2^53 - 1).", "-9007199254740991"),
    ("minus-zero", "3.3", "Reading -0 as a number that is not the integer 0.", "-0"),
    ("depth-20", "3.4", "Being off by one in the depth.", ["[" * 20, "]" * 20]),
    ("string-of-brackets", "3.4", "Counting brackets in strings as depth.", ['"', {"repeat": "[{", "times": 30}, '"']),
    ("values-4096", "3.4", "Being off by one in the number of values.", ["[", {"repeat": "1,", "times": 4094}, "1]"]),
    ("string-16384", "3.4", "Being off by one in the length of a string.", ['"', {"repeat": "a", "times": 16384}, '"']),
    ("empty", "3.1", "Taking nothing for null.", ""),
    ("trailing-data", "3.1", "Stopping at the end of the first value.", "{} {}"),
    ("trailing-comma", "3.1", "Forgiving a comma before the end.", "[1,]"),
    ("single-quotes", "3.1", "Reading JavaScript instead of JSON.", "{'a':1}"),
    ("comment", "3.1", "Skipping comments.", "/**/{}"),
    ("no-break-space", "3.1", "Taking any Unicode blank for a blank.", "\u00a0{}"),
    ("vertical-tab", "3.1", "Taking any ASCII blank for a blank.", "{}\u000b"),
    ("leading-zero", "3.3", "Reading octal, or dropping the zero.", "01"),
    ("plus", "3.3", "Reading a sign that JSON does not have.", "+1"),
    ("arabic-digits", "3.3", "Taking any Unicode digit for a digit.", "[1\u0662]"),
    ("raw-newline-in-string", "3.5", "Forgiving control characters in strings.", '"a\nb"'),
    ("bad-escape", "3.5", "Keeping an escape that does not exist.", '"\\x41"'),
    ("hex-with-sign", "3.5", "Reading four characters with a general number reader.", '"\\u+123"'),
    ("hex-with-underscore", "3.5", "Reading four characters with a general number reader.", '"\\u1_23"'),
    ("duplicate", "3.2", "Taking the last of two members of one name, or the first.", '{"exp":1,"exp":2}'),
    ("duplicate-escaped", "3.2", "Comparing names before unescaping them.", '{"exp":1,"\\u0065xp":2}'),
    ("duplicate-deep", "3.2", "Looking for duplicates in the outermost object only.", '[[{"a":{"b":1,"b":1}}]]'),
    ("fraction", "3.3", "Reading 1.0 as the integer 1.", "1.0"),
    ("exponent", "3.3", "Reading 1e3 as the integer 1000.", "1e3"),
    ("infinite-float", "3.3", "Reading an exponent that overflows to infinity.", "1e400"),
    ("nan", "3.3", "Reading NaN as a number, or as null.", "NaN"),
    ("infinity", "3.3", "Reading Infinity.", "[-Infinity]"),
    ("integer-2-53", "3.3", "Rounding an integer that a double cannot keep.", "9007199254740993"),
    ("integer-5000-digits", "3.3", "Spending quadratic time on a long number.", {"repeat": "1", "times": 5000}),
    ("nul", "3.5", "Passing NUL to code that takes it for an end.", '"a\\u0000b"'),
    ("half-surrogate", "3.5", "Reading a text that cannot be encoded again.", '"\\ud800"'),
    ("surrogates-swapped", "3.5", "Pairing surrogates in the wrong order.", '"\\udc00\\ud800"'),
    ("half-surrogate-name", "3.5", "Checking values but not names.", '{"\\ud800":1}'),
    ("depth-21", "3.4", "Having no bound on the depth.", ["[" * 21, "]" * 21]),
    ("depth-4000", "3.4", "Overflowing the stack.", [{"repeat": "[", "times": 4000}, {"repeat": "]", "times": 4000}]),
    ("values-4097", "3.4", "Having no bound on the number of values.", ["[", {"repeat": "1,", "times": 4095}, "1]"]),
    ("string-16385", "3.4", "Having no bound on the length of a string.", ['"', {"repeat": "a", "times": 16385}, '"']),
    ("name-16385", "3.4", "Bounding values but not names.", ['{"', {"repeat": "a", "times": 16385}, '":1}']),
)  # fmt: skip


def strict_json() -> Iterator[Scenario]:
    """Texts that strict readers take, and texts that lenient ones take too."""
    for name, section, catches, text in _JSON_TEXTS:
        yield scenario(f"strict-json/{name}", section, catches, {"text": text})
    for name, catches, data in (
        ("byte-order-mark", "Skipping a byte order mark.", b"\xef\xbb\xbf{}"),
        ("latin-1", "Replacing bytes that are not UTF-8.", b'"\xe9"'),
        ("overlong", "Reading an overlong encoding.", b'"\xc0\x80"'),
        ("encoded-surrogate", "Reading surrogates that are encoded as UTF-8.", b'"\xed\xa0\x80"'),
        ("beyond-unicode", "Reading a code point beyond U+10FFFF.", b'"\xf4\x90\x80\x80"'),
        ("utf-16", "Guessing the encoding.", "{}".encode("utf-16-le")),
        ("raw-nul", "Stopping at a zero byte.", b"{}\x00"),
    ):
        yield scenario(f"strict-json/{name}", "3.1", catches, {"bytes_hex": data.hex()})
    yield scenario("strict-json/size-at", "3.4", "Being off by one in the size.", {"text": '"abc"', "max_bytes": 5})
    yield scenario(
        "strict-json/size-after", "3.4", "Parsing before looking at the size.", {"text": '"abc"', "max_bytes": 4}
    )


# ── bundle ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def bundle() -> Iterator[Scenario]:
    """Boxes, whole and damaged."""
    whole = Bundle(
        roots=(sign_root(root_of(), ROOT_SIGNERS[:1]).decode(),),
        token=TOKEN,
        answer=issue_answer(ANSWER, ANSWER_SIGNER),
    )
    text = write_bundle(whole)

    def box(name: str, section: str, catches: str, described: Any) -> Scenario:
        if isinstance(described, bytes):
            return scenario(f"bundle/{name}", section, catches, {"bytes_hex": described.hex()})
        return scenario(f"bundle/{name}", section, catches, {"bundle": described})

    def content(name: str, catches: str, members: Any) -> Scenario:
        data = members if isinstance(members, bytes) else dump_json(members)
        return box(name, "4", catches, armor("CARNET BUNDLE", data))

    small = write_bundle(Bundle(token="a.b.c"))  # noqa: S106 - not a password
    yield box("genuine", "2", "Refusing an ordinary bundle.", text)
    yield box("empty", "2", "Needing a member that is optional.", write_bundle(Bundle()))
    yield box(
        "mailed",
        "3",
        "Refusing what mail programs do to line ends and edges.",
        "\r\n" + text.replace("\n", " \r\n") + "\r\n\r\n",
    )
    yield box("byte-order-mark", "3", "Refusing what editors put in front.", f"\ufeff{small}")
    yield box("utf-16", "3", "Refusing what shells on Windows write.", small.encode("utf-16"))
    yield box("cut", "4", "Reading half a bundle.", text[:-40])
    yield box("other-label", "4", "Taking another kind of armour.", small.replace("CARNET BUNDLE", "MACHINE FILE"))
    yield box("text-before", "4", "Looking for a bundle inside another text.", f"Hello,\n{small}")
    yield box(
        "long-lines",
        "4",
        "Forgiving another wrapping.",
        text.replace("\n", "", 2).replace("BUNDLE-----", "BUNDLE-----\n", 1),
    )
    yield box("not-base64", "4", "Skipping characters that are not Base64.", small.replace("ey", "e*", 1))
    yield content("format-2", "Reading a format that this version does not know.", {"format": 2})
    yield content("format-true", "Taking true for 1.", {"format": True})
    yield content("no-format", "Giving the format a default.", {"token": "a.b.c"})
    yield content("unknown-member", "Ignoring something that might matter.", {"format": 1, "license_key": "x"})
    yield content("null-member", "Two spellings of nothing.", {"format": 1, "token": None})
    yield content("empty-list", "Two spellings of nothing.", {"format": 1, "roots": []})
    yield content("member-twice", "Taking the last of two members.", b'{"format":1,"token":"a","token":"b"}')
    yield content("blanks", "Having two spellings of one bundle.", b'{"format": 1}')


PARTS = (strict_json, bundle)

if __name__ == "__main__":
    print(f"{write(PARTS)} vectors of strict JSON and bundles")
