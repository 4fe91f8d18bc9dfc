"""The day of the month on which a license is paid for (users-ask 64, REL-15)."""

from __future__ import annotations

import pytest

from carnet.core.instant import parse_instant
from carnet.core.renewals import renewed_end
from carnet.core.starts import Term
from carnet.server.domain.licenses.terms import cycle_day


@pytest.mark.parametrize(
    ("end", "began", "day"),
    [
        ("2027-02-28T00:00:00Z", "2027-01-31T00:00:00Z", 31),  # February cut it
        ("2028-02-28T00:00:00Z", "2027-01-31T00:00:00Z", 28),  # a leap year has the 29th: the 28th was meant
        ("2028-02-29T00:00:00Z", "2027-01-31T00:00:00Z", 31),
        ("2027-04-30T00:00:00Z", "2027-01-31T00:00:00Z", 31),
        ("2027-04-30T00:00:00Z", "2027-01-30T00:00:00Z", 30),
        ("2027-04-30T00:00:00Z", "2027-01-15T00:00:00Z", 30),  # it was moved to the month's end by hand
        ("2027-04-29T00:00:00Z", "2027-01-31T00:00:00Z", 29),
        ("2027-03-31T00:00:00Z", "2027-01-31T00:00:00Z", 31),
    ],
)
def test_users_ask_64_the_day_of_a_cycle_survives_short_months(end: str, began: str, day: int) -> None:
    assert cycle_day(parse_instant(end), began=parse_instant(began)) == day


def test_users_ask_64_two_years_of_months_from_the_31st_end_on_the_last_day_of_each() -> None:
    began = parse_instant("2027-01-31T00:00:00Z")
    end, days = began, []
    for _ in range(25):
        day = cycle_day(end, began=began)
        end = type(began)(renewed_end(Term(months=1), "anchor_day", old_end=end, now=began, anchor_day=day))
        days.append(str(end)[5:10])
    assert days[:4] == ["02-28", "03-31", "04-30", "05-31"]
    assert days[12:14] == ["02-29", "03-31"]
    assert days[24] == "02-28"
