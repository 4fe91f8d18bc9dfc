"""
Calendar arithmetic: months, month ends, days that end everywhere (REL-15, users-ask 64).

UTC and the proleptic Gregorian calendar, as RFC 3339 has them. Everything is total: results are plain seconds that may
lie beyond `MAX_INSTANT`, and whoever stores one checks that first. Whole seconds of exactly 86400 a day: a leap second
is the same instant as the second after it, as in POSIX time.
"""

from __future__ import annotations

from carnet.core._base import Struct
from carnet.core.errors import MalformedError
from carnet.core.instant import DAY, HOUR, MAX_INSTANT, Instant, parse_instant

MONTHS_A_YEAR = 12
LATEST_ZONE_SECONDS = 12 * HOUR
"""UTC-12, where a day ends last; its midnight is noon of the next day in UTC (REL-15)."""

_DAYS_PER_ERA = 146097
_LEAP_SECOND = "23:59:60Z"


class Civil(Struct):
    """A date of the calendar and the seconds since its midnight, UTC."""

    year: int
    month: int
    day: int
    second: int = 0


def civil(seconds: int) -> Civil:
    """The date of an instant, given in seconds since 1970; also beyond the year 9999."""
    days, second = divmod(int(seconds), DAY)
    # Days to civil date, Howard Hinnant's algorithm (public domain), as in `Instant.__str__`.
    era, day_of_era = divmod(days + 719468, _DAYS_PER_ERA)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return Civil(
        year=year_of_era + era * 400 + (month <= 2),
        month=month,
        day=day_of_year - (153 * shifted + 2) // 5 + 1,
        second=second,
    )


def seconds_of(date: Civil) -> int:
    """The instant of a date that exists, in seconds since 1970; the inverse of `civil`."""
    year = date.year - (date.month <= 2)
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (date.month - 3 if date.month > 2 else date.month + 9) + 2) // 5 + date.day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return (era * _DAYS_PER_ERA + day_of_era - 719468) * DAY + date.second


def is_leap_year(year: int) -> bool:
    """Whether *year* has a 29th of February."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in_month(year: int, month: int) -> int:
    """How many days *month* (1 … 12) of *year* has."""
    if month == 2:
        return 29 if is_leap_year(year) else 28
    return 30 if month in {4, 6, 9, 11} else 31


def add_months(at: int, months: int, *, day: int | None = None) -> int:
    """
    The same time of day, *months* calendar months later (or earlier, where negative).

    Args:
        at: Seconds since 1970.
        months: How many.
        day: The day of the month to land on, 1 … 31; None for that of *at*. A month that is too short ends on its last
            day (31 January and one month: 28 or 29 February), so that months never spill into the next.
    """
    date = civil(at)
    years, month = divmod(date.month - 1 + months, MONTHS_A_YEAR)
    year, month = date.year + years, month + 1
    wanted = date.day if day is None else day
    return seconds_of(Civil(year=year, month=month, day=min(wanted, days_in_month(year, month)), second=date.second))


def months_between(earlier: int, later: int, *, day: int | None = None) -> int:
    """
    The greatest number *n* for which `add_months(earlier, n, day=day)` is not after *later*.

    Args:
        earlier: Seconds since 1970; after *later*, the answer is negative.
        later: Seconds since 1970.
        day: As in `add_months`.
    """
    first, last = civil(earlier), civil(later)
    months = (last.year - first.year) * MONTHS_A_YEAR + last.month - first.month
    return months if add_months(earlier, months, day=day) <= later else months - 1


def parse_end(text: str) -> Instant:
    """
    Read an end as people write it: a time, or a date alone.

    A date alone is valid until that day has ended everywhere on earth: the answer is the first second after it at
    UTC-12 (REL-15). ``23:59:60Z``, a leap second (RFC 3339 §5.7), is the first second of the next day.

    Args:
        text: ``2027-05-01``, ``2027-05-01T12:00:00Z`` or ``2016-12-31T23:59:60Z``.

    Returns:
        The first second that is past the end; no later than can be written.

    Raises:
        MalformedError: ``bad_time``: another shape, or a date that does not exist.
    """
    date = text
    later = DAY + LATEST_ZONE_SECONDS
    if text.endswith("T" + _LEAP_SECOND):
        date, later = text[: -len(_LEAP_SECOND) - 1], DAY
    elif "T" in text:
        return parse_instant(text)
    return Instant(min(_midnight(date, text) + later, MAX_INSTANT))


def _midnight(date: str, text: str) -> int:
    try:
        return parse_instant(f"{date}T00:00:00Z")
    except MalformedError as error:
        raise _bad_end(text) from error


def _bad_end(text: str) -> MalformedError:
    return MalformedError(
        "bad_time",
        f"{text[:40]!r} is not a date or a time.",
        "Write a date, for example 2027-05-01, or a time, for example 2027-05-01T12:00:00Z.",
    )
