"""What can be asked about many licenses, and what is answered."""

from __future__ import annotations

from typing import Literal

from carnet.core._base import Struct
from carnet.core.instant import Instant
from carnet.core.model import LicenseStatus
from carnet.core.renewals import RenewalBasis

Format = Literal["csv", "jsonl"]
BulkAction = Literal["suspend", "reinstate", "revoke", "renew"]

MAX_CHANGED = 10_000
"""Licenses that one change may concern: about a second under the database's write lock."""


class ChangeLicenses(Struct):
    """
    Do one thing to many licenses: to all of them or, if one of them refuses, to none.

    Attributes:
        action: What.
        ids: Which; or None, and then the filters say which, of which at least one is needed.
        product: Of this product.
        policy: Following the policy of this name.
        customer: Of this customer.
        status: Of this status.
        reason: Why, for the audit.
        expires_at: For `renew`: the new end; not with `duration_seconds`.
        duration_seconds: For `renew`: how much longer; None takes what is usual.
        duration_months: For `renew`: the same in months.
        basis: For `renew`: from where; None takes what each license's conditions say.
        dry_run: Only say what would happen.
        within: Licenses of other products are as if they were not there; None: of all.
    """

    action: BulkAction
    ids: tuple[str, ...] | None = None
    product: str | None = None
    policy: str | None = None
    customer: str | None = None
    status: LicenseStatus | None = None
    reason: str | None = None
    expires_at: Instant | None = None
    duration_seconds: int | None = None
    duration_months: int | None = None
    basis: RenewalBasis | None = None
    dry_run: bool = False
    within: tuple[str, ...] | None = None


class Refusal(Struct):
    """A license that the change does not fit, and why."""

    license_id: str
    code: str
    message: str


class ChangedLicenses(Struct):
    """
    What happened, or would have.

    Attributes:
        chosen: How many licenses it concerned.
        changed: How many were changed, or would have been; 0 where one refused.
        unchanged: How many are so already.
        refused: Those it does not fit, at most 100 of them, and `refused_total` all of them.
        missing: Ids that are no license's, at most 100 of them.
        done: It was done: no dry run, and nothing refused or missing.
    """

    chosen: int
    changed: int
    unchanged: int
    refused: tuple[Refusal, ...]
    refused_total: int
    missing: tuple[str, ...]
    done: bool


class ImportOptions(Struct):
    """
    How to import a file.

    Attributes:
        form: Its form.
        product: For lines that name none.
        policy: For lines that name none.
        skip_known: Pass over keys that a license has already, instead of telling them as bad.
        skip_bad: Import the good lines although there are bad ones.
        dry_run: Only look.
        most: How many lines it may have; None: any number.
        within: Other products, and customers that are not theirs, are as if they were not there; None: all are.
    """

    form: Format
    product: str | None = None
    policy: str | None = None
    skip_known: bool = False
    skip_bad: bool = False
    dry_run: bool = False
    most: int | None = None
    within: tuple[str, ...] | None = None


class BadLine(Struct):
    """A line that cannot be imported: its number in the file, counted from 1 with the header, and why."""

    line: int
    code: str
    message: str


class Imported(Struct):
    """
    What an import did.

    Attributes:
        lines: How many lines had a license.
        imported: How many licenses were made.
        skipped: How many had been made before, where those are to be skipped.
        bad: Every line that could not be imported, at most 1,000 of them, and `bad_total` all of them.
        done: Everything in the file is a license now. Where it is false and `imported` is not 0, a part of the file is:
            importing it again, skipping what is there, does the rest.
        stopped: Why it stopped in the middle; empty where it did not.
    """

    lines: int
    imported: int
    skipped: int
    bad: tuple[BadLine, ...]
    bad_total: int
    done: bool
    stopped: str = ""
