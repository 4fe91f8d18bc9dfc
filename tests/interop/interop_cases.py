"""Genuine and damaged license tokens of one algorithm, as unrelated verifiers are asked about them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from carnet.core._base import Struct, replace
from carnet.core.decision import Evidence, Host
from carnet.core.errors import MalformedError, NotGenuineError
from carnet.core.instant import DAY, Instant
from carnet.core.model import Grant
from carnet.core.rules import decide
from carnet.formats.encoding import b64url_decode, b64url_encode
from carnet.formats.jose_keys import generate_private_pem, public_pem, signer_from_pem
from carnet.formats.keys import Algorithm, KeyRing, PublicKey, Signer
from carnet.formats.license_token import issue_license_token, verify_license_token
from support.tokens import DEVICE, GRANT, ISSUED_AT, OTHER_SIGNER

ALGORITHMS: Final[tuple[Algorithm, ...]] = ("Ed25519", "ES256", "RS256")
ORDERS: Final = {
    "Ed25519": 2**252 + 27742317777372353535851937790883648493,  # RFC 8032 §5.1
    "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,  # SEC 2 §2.4.2
}
TERM_END: Final = ISSUED_AT + 275 * DAY
PLAIN: Final = replace(
    GRANT,
    policy=replace(
        GRANT.policy,
        edition=None,
        below_version=None,
        domains=(),
        clock_strictness="off",
        max_revocation_age_seconds=None,
    ),
)


class Case(Struct):
    """One token and the situation in which it is judged."""

    name: str
    token: str
    key: PublicKey
    product: str = "hustl"
    device: str = DEVICE
    now: int = ISSUED_AT + DAY

    def question(self) -> dict[str, Any]:
        """What the programs of other languages read."""
        jwk = self.key.to_jwk()
        return {
            "token": self.token,
            "jwk": jwk,
            "alg": jwk["alg"],
            "kid": self.key.kid,
            "pem": public_pem(self.key),
            "product": self.product,
            "device": self.device,
            "now": self.now,
        }

    def our_outcome(self) -> str:
        """What our verifier and our decision say, in the words that the programs print."""
        try:
            grant = verify_license_token(self.token, KeyRing.single("token", self.key))
        except (MalformedError, NotGenuineError):
            return "refused"
        decision = decide(
            Evidence(grants=(grant,), device=self.device),
            Instant(self.now),
            Host(product=self.product, app_version=None),
        )
        if decision.state in ("wrong_product", "wrong_device"):
            return "refused"
        return "active" if decision.state == "expiring" else decision.state


def cases(alg: Algorithm) -> list[Case]:
    """Every case of *alg*, under new keys."""
    return list(_Maker(alg).all())


def _small(alg: Algorithm) -> str:
    """A private key whose signatures have unused bits in their last Base64 character: RSA of 2048 bits, not 3072."""
    if alg != "RS256":
        return generate_private_pem(alg)
    private = rsa.generate_private_key(65537, 2048)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class _Maker:
    def __init__(self, alg: Algorithm) -> None:
        self.alg = alg
        self.pem = _small(alg)
        self.signer = signer_from_pem(self.pem)
        self.other = signer_from_pem(_small(alg))
        self.key = self.signer.public_key
        self.token = self._with_both_special_characters()
        self.head, self.body, self.mark = self.token.split(".")
        self.header: dict[str, Any] = json.loads(b64url_decode(self.head, "It"))
        self.claims: dict[str, Any] = json.loads(b64url_decode(self.body, "It"))
        self.signature = b64url_decode(self.mark, "It")

    def _with_both_special_characters(self) -> str:
        # The letters in which the two alphabets of Base64 differ, both in the signature.
        for number in range(10_000):
            token = issue_license_token(replace(PLAIN, id=f"tok-{number}"), self.signer)
            if {"-", "_"} <= set(token.rpartition(".")[2]):
                return token
        raise AssertionError

    def case(self, name: str, token: str, **situation: Any) -> Case:
        return Case(name=name, token=token, key=self.key, **situation)

    def signed(self, header: bytes | str | dict[str, Any], payload: bytes | str | dict[str, Any]) -> str:
        """A token of any header and payload (a string is taken as already encoded) under the genuine key."""
        text = ".".join(
            part
            if isinstance(part, str)
            else b64url_encode(part if isinstance(part, bytes) else json.dumps(part).encode())
            for part in (header, payload)
        )
        return f"{text}.{b64url_encode(self.signer.sign(text.encode()))}"

    def with_header(self, **change: Any) -> str:
        return self.signed({**self.header, **change}, self.body)

    def with_claims(self, **change: Any) -> str:
        return self.signed(self.head, {**self.claims, **change})

    def without(self, claim: str) -> str:
        return self.signed(self.head, {name: value for name, value in self.claims.items() if name != claim})

    def marked(self, signature: bytes) -> str:
        return f"{self.head}.{self.body}.{b64url_encode(signature)}"

    def all(self) -> Iterator[Case]:
        yield from self.genuine()
        yield from self.situations()
        yield from self.unsealed()
        yield from self.headers()
        yield from self.spellings()
        yield from self.contents()
        yield from self.signatures()

    def genuine(self) -> Iterator[Case]:
        yield self.case("genuine", self.token)

        def issued(**change: Any) -> str:
            return issue_license_token(replace(PLAIN, **change), self.signer)

        yield self.case("genuine: perpetual", issued(license_expires_at=None))
        yield self.case("genuine: for any device", issued(device=None), device="e" * 64)
        yield self.case("genuine: no entitlements", issued(entitlements=()))
        yield self.case("genuine: other letters", issued(customer="Zoë Ångström 顧客 🎟", product="hustl"))
        yield self.case("genuine: another spelling of header and payload", self.signed(self.header, self.claims))
        yield self.case("genuine: a claim that nobody knows", self.with_claims(more={"x": [1, None, True, "y"]}))
        escaped = self.claims["aud"][0].encode().hex().zfill(4)
        text = json.dumps(self.claims).replace('"aud": "h', f'"aud": "\\u{escaped}')
        yield self.case("genuine: escapes", self.signed(self.head, text.encode()))
        if self.alg == "ES256":
            r, s = self.signature[:32], int.from_bytes(self.signature[32:], "big")
            yield self.case("genuine: the twin signature", self.marked(r + (ORDERS["ES256"] - s).to_bytes(32, "big")))
        if self.alg == "Ed25519":
            yield self.case("genuine: the newer name of the algorithm", self.with_header(alg="Ed25519"))

    def situations(self) -> Iterator[Case]:
        short = replace(PLAIN, offline_until=Instant(TERM_END), license_starts_at=Instant(ISSUED_AT + 10))
        plain, term = self.claims, json.loads(b64url_decode(self.issue(short).split(".")[1], "It"))
        for second in (-1, 0, 1):
            for end, token, at in (
                ("nbf", self.token, plain["nbf"]),
                ("exp", self.token, plain["exp"]),
                ("exp + grace", self.token, plain["exp"] + plain["pol"]["grace"]),
                ("the license's start", self.issue(short), term["lic_nbf"]),
                ("the license's end", self.issue(short), term["lic_exp"]),
                ("the end of grace, which is that of exp", self.issue(short), TERM_END + plain["pol"]["grace"]),
                (
                    "the end of grace, which is that of the term",
                    self.issue(replace(short, license_expires_at=Instant(TERM_END - 4 * DAY))),
                    TERM_END - 4 * DAY + plain["pol"]["term_grace"],
                ),
            ):
                yield self.case(f"now: {end} {second:+}", token, now=at + second)
        yield self.case("another product", self.token, product="hustl2")
        yield self.case("product in capitals", self.token, product="Hustl")
        yield self.case("another device", self.token, device="f" + DEVICE[1:])
        yield self.case("device in capitals", self.token, device=DEVICE.upper())

    def issue(self, grant: Grant) -> str:
        return issue_license_token(grant, self.signer)

    def unsealed(self) -> Iterator[Case]:
        other = self.issue(replace(PLAIN, license_id="license-2")).split(".")
        yield self.case("a changed claim", f"{self.head}.{other[1]}.{self.mark}")
        yield self.case("the signature of another token", f"{self.head}.{self.body}.{other[2]}")
        yield self.case("another key, by its id", issue_license_token(PLAIN, self.other))
        stranger = signer_with_id(self.other, self.key.kid)
        yield self.case("another key under the id of ours", issue_license_token(PLAIN, stranger))
        yield self.case("no signature", f"{self.head}.{self.body}.")
        yield self.case("two parts", f"{self.head}.{self.body}")
        yield self.case("four parts", f"{self.token}.")
        yield self.case("nothing", "")
        yield self.case("two dots", "..")
        yield self.case("cut off in the payload", self.token[: len(self.head) + 40])
        yield self.case("cut off by a character", self.token[:-1])
        yield self.case("one character too many", f"{self.token}A")
        flipped = bytes([self.signature[0] ^ 1]) + self.signature[1:]
        yield self.case("one bit of the signature", self.marked(flipped))
        for name in ("none", "None", "NONE"):
            head = b64url_encode(json.dumps({**self.header, "alg": name}).encode())
            yield self.case(f"alg {name}, unsigned", f"{head}.{self.body}.")
            yield self.case(f"alg {name}, the old signature", f"{head}.{self.body}.{self.mark}")
        secrets: tuple[tuple[str, bytes], ...] = (("PEM", public_pem(self.key).encode()), ("bytes", self.key.raw))
        for what, secret in secrets:
            text = f"{b64url_encode(json.dumps({**self.header, 'alg': 'HS256'}).encode())}.{self.body}"
            mac = hmac.new(secret, text.encode(), hashlib.sha256).digest()
            yield self.case(f"HS256 with the public key ({what}) as secret", f"{text}.{b64url_encode(mac)}")

    def headers(self) -> Iterator[Case]:
        for name in ("EdDSA", "ES256", "RS256", "ES384", "RS512", "PS256", "HS256", "none", "", 7, None):
            if name != self.header["alg"]:
                yield self.case(f"alg {name!r}, signed", self.with_header(alg=name))
        yield self.case("alg in other case, signed", self.with_header(alg=self.header["alg"].swapcase()))
        for name in ("alg", "kid", "typ"):
            rest = {member: value for member, value in self.header.items() if member != name}
            yield self.case(f"no {name}, signed", self.signed(rest, self.body))
        for typ in ("JWT", "carnet-answer+jwt", "Carnet-License+JWT", "application/carnet-license+jwt", 7):
            yield self.case(f"typ {typ!r}, signed", self.with_header(typ=typ))
        yield self.case("kid of a stranger, signed", self.with_header(kid="A" * 43))
        yield self.case("kid that is a number, signed", self.with_header(kid=7))
        yield self.case("header with a jwk, signed", self.with_header(jwk=OTHER_SIGNER.public_key.to_jwk()))
        yield self.case("header with a jku, signed", self.with_header(jku="https://license.example.com/jwks.json"))
        yield self.case("header with an unknown member, signed", self.with_header(more=1))
        yield self.case("crit of an unknown member, signed", self.with_header(crit=["more"], more=1))
        yield self.case("crit that is empty, signed", self.with_header(crit=[]))
        yield self.case("payload that is not encoded, signed", self.with_header(crit=["b64"], b64=False))
        twice = json.dumps(self.header)[:-1] + f', "kid": "{self.key.kid}"}}'
        yield self.case("header that names a member twice, signed", self.signed(twice.encode(), self.body))
        capital = json.dumps({**self.header, "KID": "A" * 43})
        yield self.case("header with a member in capitals too, signed", self.signed(capital.encode(), self.body))
        yield self.case("header that is a list, signed", self.signed(b"[]", self.body))
        yield self.case("header that is no JSON, signed", self.signed(b"{", self.body))

    def spellings(self) -> Iterator[Case]:
        for name, text in (("a blank", " "), ("a newline", "\n"), ("a carriage return", "\r\n"), ("a tab", "\t")):
            yield self.case(f"{name} after the token", self.token + text)
            yield self.case(f"{name} before the token", text + self.token)
            yield self.case(f"{name} in the signature", f"{self.token[:-9]}{text}{self.token[-9:]}")
            yield self.case(
                f"{name} in the payload, signed", self.signed(self.head, self.body[:8] + text + self.body[8:])
            )
        yield self.case("padding after the signature", self.token + "=" * (-len(self.mark) % 4))
        yield self.case("wrong padding after the signature", self.token + "=")
        yield self.case("the other alphabet", self.token.replace("-", "+").replace("_", "/"))
        yield self.case("last bits of the signature", f"{self.head}.{self.body}.{self.last_bits(self.mark)}")
        yield self.case("letters that are not ASCII", f"{self.head}.{self.body}.{self.mark[:-1]}é")
        yield self.case("a full-width dot", f"{self.head}.{self.body}\uff0e{self.mark}")
        for length in (1, 2):  # unused bits and padding need a length that is no multiple of three
            raw = json.dumps(self.claims).encode()
            raw += b" " * ((length - len(raw)) % 3)
            encoded = b64url_encode(raw)
            yield self.case(
                f"last bits of a payload of 3n + {length} bytes, signed",
                self.signed(self.head, self.last_bits(encoded)),
            )
            yield self.case(
                f"padding after a payload of 3n + {length} bytes, signed",
                self.signed(self.head, base64.urlsafe_b64encode(raw).decode()),
            )
        flat = json.dumps({"token": self.token.split(".")})
        yield self.case("JSON serialisation", flat)

    @staticmethod
    def last_bits(encoded: str) -> str:
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        assert len(encoded) % 4
        return encoded[:-1] + alphabet[alphabet.index(encoded[-1]) + 1]

    def contents(self) -> Iterator[Case]:
        text = json.dumps(self.claims)

        def payload(name: str, data: bytes) -> Case:
            return self.case(f"{name}, signed", self.signed(self.head, data))

        yield payload("a claim named twice", f'{text[:-1]}, "sub": "license-2"}}'.encode())
        yield payload("exp named twice", f'{text[:-1]}, "exp": {self.claims["exp"] + DAY}}}'.encode())
        yield payload("exp in capitals too", f'{text[:-1]}, "EXP": {self.claims["nbf"] + 1}}}'.encode())
        yield payload("a fraction", f'{text[:-1]}, "more": 1.5}}'.encode())
        yield payload(
            "exp with a fraction of nothing", text.replace(str(self.claims["exp"]), f"{self.claims['exp']}.0").encode()
        )
        yield payload("exp with an exponent", text.replace(f'"exp": {self.claims["exp"]}', '"exp": 1.8e9').encode())
        yield payload("an integer beyond 2^53", f'{text[:-1]}, "more": 9007199254740993}}'.encode())
        yield payload("NaN", f'{text[:-1]}, "more": NaN}}'.encode())
        yield payload("a trailing comma", f"{text[:-1]},}}".encode())
        yield payload("text after the object", f"{text} x".encode())
        yield payload("a byte order mark", b"\xef\xbb\xbf" + text.encode())
        yield payload(
            "bytes that are not UTF-8", text.replace("customer-1", "customer-X").encode().replace(b"X", b"\xff")
        )
        yield payload("half a surrogate pair", text.replace("customer-1", "\\ud800").encode())
        yield payload("a NUL in a claim", text.replace("customer-1", "\\u0000").encode())
        yield payload("21 levels", f'{text[:-1]}, "more": {"[" * 20}{"]" * 20}}}'.encode())
        yield payload("an empty payload", b"")
        yield payload("a payload that is a list", b"[]")
        yield payload("a payload that is no JSON", b"license")
        for claim in ("iss", "aud", "sub", "jti", "iat", "nbf", "exp", "lic_exp", "pol", "ent"):
            yield self.case(f"no {claim}, signed", self.without(claim))
        exp = self.claims["exp"]
        for name, change in (
            ("aud that is a list", {"aud": ["hustl"]}),
            ("aud with another product beside ours", {"aud": ["other", "hustl"]}),
            ("dev that is null", {"dev": None}),
            ("dev that is a list", {"dev": [DEVICE]}),
            ("exp that is text", {"exp": str(exp)}),
            ("exp that is true", {"exp": True}),
            ("exp that is null", {"exp": None}),
            ("nbf after exp", {"nbf": exp + 1}),
            ("iat after nbf", {"iat": self.claims["nbf"] + 1}),
            ("sub that is a number", {"sub": 7}),
            ("more than ten years", {"exp": self.claims["iat"] + 3650 * DAY + 1, "lic_exp": None}),
            ("a grace that is text", {"pol": {**self.claims["pol"], "grace": "1"}}),
            ("no name of the policy", {"pol": {k: v for k, v in self.claims["pol"].items() if k != "name"}}),
            ("two entitlements of one key", {"ent": [{"key": "a"}, {"key": "a"}]}),
            ("a status without its list", {"status": {"status_list": {"idx": -1, "uri": "x"}}}),
        ):
            yield self.case(f"{name}, signed", self.with_claims(**change))
        yield self.case("more than 8 KiB, signed", self.with_claims(more="x" * 8192))

    def signatures(self) -> Iterator[Case]:
        size = len(self.signature)
        yield self.case("a signature of zeros", self.marked(bytes(size)))
        yield self.case("a signature of ones", self.marked(b"\xff" * size))
        yield self.case("a signature with a byte more", self.marked(self.signature + b"\x00"))
        yield self.case("a signature with a zero byte before", self.marked(b"\x00" + self.signature))
        private = load_pem_private_key(self.pem.encode(), None)
        text = f"{self.head}.{self.body}".encode()
        if self.alg == "Ed25519":
            s = int.from_bytes(self.signature[32:], "little") + ORDERS["Ed25519"]
            yield self.case("S plus the group order", self.marked(self.signature[:32] + s.to_bytes(32, "little")))
        elif isinstance(private, ec.EllipticCurvePrivateKey):
            r, s = int.from_bytes(self.signature[:32], "big"), int.from_bytes(self.signature[32:], "big")
            order = ORDERS["ES256"]
            yield self.case("DER", self.marked(encode_dss_signature(r, s)))
            yield self.case("r of 33 bytes", self.marked(r.to_bytes(33, "big") + s.to_bytes(33, "big")))
            for name, pair in (("r = 0", (0, s)), ("s = 0", (r, 0)), ("r = n", (order, s)), ("s = n", (r, order))):
                yield self.case(name, self.marked(b"".join(part.to_bytes(32, "big") for part in pair)))
            wide = private.sign(text, ec.ECDSA(hashes.SHA512()))
            yield self.case("another hash", self.marked(raw_of(wide)))
        elif isinstance(private, rsa.RSAPrivateKey):
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
            yield self.case("PSS", self.marked(private.sign(text, pss, hashes.SHA256())))
            yield self.case("another hash", self.marked(private.sign(text, padding.PKCS1v15(), hashes.SHA512())))
            plus = int.from_bytes(self.signature, "big") + private.public_key().public_numbers().n
            if plus < 256**size:
                yield self.case("plus the modulus", self.marked(plus.to_bytes(size, "big")))


def raw_of(der: bytes) -> bytes:
    """An ECDSA signature in JOSE's form."""
    return b"".join(part.to_bytes(32, "big") for part in decode_dss_signature(der))


class _Renamed:
    """A signer under another id."""

    def __init__(self, signer: Signer, kid: str) -> None:
        self.kid = kid
        self.public_key = PublicKey(kid, signer.public_key.alg, signer.public_key.raw)
        self.sign: Callable[[bytes], bytes] = signer.sign


def signer_with_id(signer: Signer, kid: str) -> Signer:
    """*signer*, claiming to be *kid*."""
    return _Renamed(signer, kid)
