"""
Points in time: whole Unix seconds, UTC, written as RFC 3339 with a `Z`.

An `Instant` is an `int`, so that comparing and adding cost nothing and no `datetime` is imported at start-up; people
get `str(instant)` and `instant.datetime()`. No function here reads a clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from carnet.core.errors import MalformedError

if TYPE_CHECKING:
    from datetime import datetime

MAX_INSTANT = 253402300799
"""9999-12-31T23:59:59Z, the last second that RFC 3339 can write."""

MINUTE = 60
HOUR = 3600
DAY = 86400

_DAYS_PER_ERA = 146097
_TWO_DIGITS = tuple(f"{number:02d}" for number in range(100))  # 2.5 times as fast as formatting; on the hot path


_KEPT_TEXTS = 1024
_texts: dict[int, str] = {}
"""What was written lately: a server writes the same seconds and the same ends thousands of times."""


class Instant(int):
    """Whole seconds since 1970-01-01T00:00:00Z, in 0 … `MAX_INSTANT`; prints as RFC 3339."""

    __slots__ = ()

    def __str__(self) -> str:
        text = _texts.get(self)
        if text is None:
            if len(_texts) >= _KEPT_TEXTS:
                _texts.clear()
            text = _texts[self] = self._text()
        return text

    def _text(self) -> str:
        # Days to civil date, Howard Hinnant's algorithm (public domain): exact for the whole range, no locale.
        days, second = divmod(int(self), DAY)
        era, day_of_era = divmod(days + 719468, _DAYS_PER_ERA)
        year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
        day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
        shifted = (5 * day_of_year + 2) // 153
        day = day_of_year - (153 * shifted + 2) // 5 + 1
        month = shifted + 3 if shifted < 10 else shifted - 9
        year = year_of_era + era * 400 + (month <= 2)
        hour, rest = divmod(second, HOUR)
        two = _TWO_DIGITS
        century = two[year // 100] if 0 <= year < 10000 else year // 100  # printing never fails, whatever it is given
        date = f"{century}{two[year % 100]}-{two[month]}-{two[day]}"
        return f"{date}T{two[hour]}:{two[rest // 60]}:{two[rest % 60]}Z"

    def __repr__(self) -> str:
        return f"Instant({self})"

    def datetime(self) -> datetime:
        """The same instant as an aware `datetime` in UTC."""
        from datetime import UTC, datetime

        return datetime.fromtimestamp(int(self), UTC)


def parse_instant(text: str) -> Instant:
    """
    Read an RFC 3339 time of whole seconds in UTC, for example ``2026-11-22T09:30:00Z``.

    Args:
        text: Exactly ``YYYY-MM-DDTHH:MM:SSZ``; 20 ASCII characters. One spelling per instant (design.md §2 rule 2).

    Raises:
        MalformedError: ``bad_time``: another shape, a date that does not exist, or before 1970.
    """
    if len(text) == 20 and text.isascii() and text[4] + text[7] + text[10] + text[13] + text[16] + text[19] == "--T::Z":
        parts = (text[0:4], text[5:7], text[8:10], text[11:13], text[14:16], text[17:19])
        if all(part.isdigit() for part in parts):
            year, month, day, hour, minute, second = (int(part) for part in parts)
            value = _days_from_civil(year, month, day) * DAY + hour * HOUR + minute * MINUTE + second
            # A month, day, hour, minute or second that does not exist counts on into another one, and prints as that.
            if 0 <= value <= MAX_INSTANT and str(Instant(value)) == text:
                return Instant(value)
    raise MalformedError(
        "bad_time",
        f"{text[:40]!r} is not a time.",
        "Write it as RFC 3339 in UTC, for example 2026-11-22T09:30:00Z.",
    )


def _days_from_civil(year: int, month: int, day: int) -> int:
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * _DAYS_PER_ERA + day_of_era - 719468
