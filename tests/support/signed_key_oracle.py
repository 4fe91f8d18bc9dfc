"""
A second reader of signed license keys, written from specs/signed-license-key.md alone: slow, plain, not Carnet's.

It checks every rule one by one where Carnet's reader writes the payload again and compares, and verifies with PyNaCl
where Carnet uses OpenSSL. `read` says what a key means, or None for any key that must be refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
PACKED = "abcdefghijklmnopqrstuvwxyz0123456789-_.*"
SEPARATORS = (
    "-_.,:;/\\|+=~'\"`()[]{}<>«»‘’‚“”„‹›\u00ad\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"  # noqa: RUF001
    "\u00b7\u2022\u200b\u200c\u200d\u2060\ufeff"
)
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
VERSION = re.compile(r"\s*\d+(\.\d+){0,2}([-+].*)?\s*", re.ASCII | re.DOTALL)
LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
EPOCH, LAST, DAY = 1767225600, 253402300799, 86400
TEN_YEARS = 3650 * DAY


class RefusedError(Exception):
    """The key must be refused."""


def need(*, so: bool) -> None:
    """Refuse unless *so*."""
    if not so:
        raise RefusedError


def times_alpha(value: int) -> int:
    """Multiply by two, the generator, in GF(32)."""
    value <<= 1
    return value ^ 0b100101 if value > 31 else value


def symbols_of(text: str) -> list[int]:
    """§4, 1 to 3."""
    need(so=len(text) <= 512)
    symbols = []
    for character in text:
        if character.isspace() or character in SEPARATORS:
            continue
        plain = {"O": "0", "I": "1", "L": "1"}.get(character.upper(), character.upper())
        need(so=character.isascii() and plain in ALPHABET)
        symbols.append(ALPHABET.index(plain))
    need(so=len(symbols) >= 118)
    return symbols


def bytes_of(symbols: list[int]) -> bytes:
    """§3: the bytes, when every check fits and the spare bits are zero."""
    groups = [symbols[start : start + 8] for start in range(0, len(symbols), 8)]
    bits = ""
    for number, group in enumerate(groups):
        *values, check = group
        total = number % 32
        for place, value in enumerate(values, 1):
            product = value
            for _ in range(place):
                product = times_alpha(product)
            total ^= product
            bits += f"{value:05b}"
        need(so=bool(values) and check == (total ^ 31 if group is groups[-1] else total))
    spare = len(bits) % 8
    need(so=spare < 5 and "1" not in bits[len(bits) - spare :])
    return bytes(int(bits[start : start + 8], 2) for start in range(0, len(bits) - spare, 8))


class Cursor:
    """§5.2."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, count: int) -> bytes:
        need(so=count <= len(self.data))
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def number(self) -> int:
        value = 0
        for place in range(6):
            byte = self.take(1)[0]
            value += (byte % 128) << (7 * place)
            if byte < 128:
                need(so=byte > 0 or place == 0)
                return value
        raise RefusedError

    def time(self) -> int:
        value = EPOCH + self.number()
        need(so=value <= LAST)
        return value

    def text(self, most: int | None = 255) -> str:
        head = self.number()
        if head == 0:
            digits = self.take(16).hex()
            return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
        count = head // 2
        if head % 2:
            try:
                text = self.take(count).decode("utf-8", "strict")
            except UnicodeDecodeError:
                raise RefusedError from None
            need(so=any(letter not in PACKED for letter in text))
        else:
            text = self.packed(count)
        need(so=len(text) > 0 and UUID.fullmatch(text) is None)
        need(so=most is None or (len(text) <= most and all(is_printable(letter) for letter in text)))
        return text

    def packed(self, count: int) -> str:
        text = ""
        while count:
            size = min(count, 3)
            value = int.from_bytes(self.take(min(size, 2)), "big")
            need(so=value < 40**size)
            text += "".join(PACKED[value // 40 ** (size - 1 - place) % 40] for place in range(size))
            count -= size
        return text

    def keys(self) -> list[str]:
        keys = self.text(None).split(".")
        need(so=len(set(keys)) == len(keys) and all(KEY.fullmatch(key) for key in keys))
        return keys


def is_printable(letter: str) -> bool:
    """§5.2."""
    return letter == " " or unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}


def is_domain(pattern: str) -> bool:
    """A host name, or one wildcard label before at least two labels; decision.md §9.1."""
    labels = pattern.split(".")
    if labels[0] == "*":
        labels = labels[1:]
        need(so=len(labels) >= 2 and not labels[-1].isdigit())
    return len(".".join(labels)) <= 253 and all(re.fullmatch(LABEL, label) for label in labels)


def facts_of(payload: bytes) -> dict[str, Any]:
    """§5: what the payload says."""
    cursor = Cursor(payload)
    cursor.take(2)
    issued = cursor.time()
    facts: dict[str, Any] = {"issued": issued, "product": cursor.text(), "license": cursor.text()}
    last = 0
    while cursor.data:
        tag = cursor.take(1)[0]
        need(so=last < tag <= 19 and not (tag == 4 and last == 3))
        last = tag
        facts[str(tag)] = field(tag, cursor, facts)
    end, start = facts.get("1"), facts.get("2")
    need(so=end is None or issued < end <= issued + TEN_YEARS)
    need(so=start is None or (issued < start and (end is None or start < end)))
    return facts


def field(tag: int, cursor: Cursor, facts: Mapping[str, Any]) -> Any:
    """§5.3: the value of one field."""
    if tag in {1, 2}:
        return cursor.time()
    if tag == 3:
        device = cursor.take(32).hex()
        need(so=len(set(device)) > 1)
        return device
    if tag in {6, 7}:
        return dict(of_entitlements(tag, cursor, len(facts.get("5", ()))))
    if tag in {5, 12}:
        return cursor.keys()
    if tag in {10, 16}:
        return True
    if tag in {9, 11, 17}:
        return bounded_number(tag, cursor)
    if tag == 15:
        count = cursor.number()
        need(so=0 < count <= 500)
        domains = [cursor.text() for _ in range(count)]
        need(so=all(is_domain(domain) for domain in domains))
        return domains
    if tag == 19:
        index = cursor.number()
        need(so=index < 2**31)
        return index, cursor.text()
    text = cursor.text()
    need(so=tag not in {8, 13} or len(text) <= 100)
    need(so=tag != 8 or text != "signed-key")
    need(so=tag != 14 or VERSION.fullmatch(text) is not None)
    need(so=tag != 4 or (len(text.encode()) in range(8, 256) and text == text.strip() and not is_native(text)))
    return text


def of_entitlements(tag: int, cursor: Cursor, known: int) -> Iterator[tuple[int, Any]]:
    """Fields 6 and 7."""
    count, last = cursor.number(), -1
    need(so=count > 0)
    for _ in range(count):
        place = cursor.number()
        need(so=last < place < known)
        last = place
        yield place, cursor.time() if tag == 6 else cursor.text()


def bounded_number(tag: int, cursor: Cursor) -> int:
    """Fields 9, 11 and 17."""
    number = cursor.number()
    least, most = {9: (0, 365 * DAY), 11: (0, TEN_YEARS), 17: (1, TEN_YEARS)}[tag]
    need(so=least <= number <= most and (tag, number) != (9, 604800))
    return number


def is_native(text: str) -> bool:
    """A native fingerprint, which field 3 carries."""
    return re.fullmatch("[0-9a-f]{64}", text) is not None


def read(text: str, keys: Mapping[str, bytes]) -> dict[str, Any] | None:
    """
    What the key *text* means under the trusted *keys* (32 bytes by key id), or None.

    Does not know every placeholder of fingerprint.md: only devices of one repeated digit.
    """
    try:
        data = bytes_of(symbols_of(text))
        payload, signature = data[:-64], data[-64:]
        need(so=len(payload) >= 2 and payload[0] >> 4 == 1)
        hint = int.from_bytes(payload[:2], "big") % 4096
        for kid, key in keys.items():
            first, second = (BASE64URL.index(letter) for letter in (*kid, "A", "A")[:2])
            if first * 64 + second != hint:
                continue
            try:
                VerifyKey(key).verify(b"carnet/v1/license-key\0" + kid.encode() + b"\0" + payload, signature)
            except BadSignatureError:
                continue
            return {"kid": kid, **facts_of(payload)}
    except RefusedError:
        pass
    return None
