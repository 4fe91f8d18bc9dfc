"""Answers that anybody may keep: an entity tag, how long, and 304 for who has them already (RFC 9110 §13.1.2)."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, Response

from carnet.formats.encoding import sha256_b64url

SHORT: Final = "public, max-age=60"
FOREVER: Final = "public, max-age=31536000, immutable"


class Cacheable:
    """Bytes with their entity tag, made once and served often."""

    __slots__ = ("_cache_control", "_content", "_etag", "_media_type")

    def __init__(self, content: bytes, *, media_type: str, cache_control: str) -> None:
        self._content = content
        self._media_type = media_type
        self._cache_control = cache_control
        self._etag = f'"{sha256_b64url(content)}"'

    def answer(self, request: Request[Any, Any, Any]) -> Response[Any]:
        """The bytes, or 304 when *request* says that it has them."""
        headers = {"ETag": self._etag, "Cache-Control": self._cache_control}
        if _matches(request.headers.get("if-none-match", ""), self._etag):
            return Response(b"", status_code=304, media_type=self._media_type, headers=headers)
        return Response(self._content, media_type=self._media_type, headers=headers)


def _matches(offered: str, etag: str) -> bool:
    """If-None-Match compares weakly: a proxy that compressed our answer may have put W/ before its tag."""
    return offered.strip() == "*" or any(tag.strip().removeprefix("W/") == etag for tag in offered.split(","))
