from typing import Any

import jwt  # PyJWT with its extra "crypto"

TYP = "carnet-license+jwt"


def verify(token: str, jwk: dict[str, str], product: str, device: str) -> dict[str, Any]:
    """The claims of a genuine token for this app on this device; an exception for every other."""
    whole = jwt.decode_complete(
        token,
        jwt.PyJWK(jwk),
        algorithms=[jwk["alg"]],  # the pinned key's algorithm, never the token's
        audience=product,
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},  # `state` judges times
    )
    header: dict[str, Any] = whole["header"]
    claims: dict[str, Any] = whole["payload"]
    if header.get("typ") != TYP or header.get("kid") != jwk["kid"]:
        raise jwt.InvalidTokenError("another kind of token, or another key")
    if claims["aud"] != product:
        raise jwt.InvalidTokenError("for another product")
    if "dev" in claims and claims["dev"] != device:
        raise jwt.InvalidTokenError("for another device")
    for time in (claims.get("nbf"), claims.get("exp")):
        if type(time) is not int:
            raise jwt.InvalidTokenError("without its times")
    return claims


def state(claims: dict[str, Any], now: int) -> str:
    """What a verified token opens at *now*: not_started, active, grace or expired."""
    policy, term = claims["pol"], claims["lic_exp"]
    start = max(claims["nbf"], claims.get("lic_nbf", 0))
    end = claims["exp"]
    over = claims["exp"] + policy["grace"]
    if term is not None:
        end = min(end, term)
        over = min(over, term + policy["term_grace"])
    if now < start:
        return "not_started"
    if now < end:
        return "active"
    return "grace" if now < over else "expired"
