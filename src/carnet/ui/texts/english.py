"""English: the notices are the core's own, so that an app without this room says the same."""

from __future__ import annotations

from carnet.core.notices import LIMITED_MODE, NOTICES
from carnet.ui.texts.catalog import Catalog, Text

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def _forms(text: str) -> Text:
    """The plural forms of one of the core's texts, where it counts days."""
    if "{days}" not in text:
        return text
    return tuple(text.replace("{days}", days) for days in ("{n} day", "{n} days"))


ENGLISH = Catalog(
    language="en",
    plural=lambda n: int(n != 1),
    forms=2,
    date=lambda year, month, day: f"{day} {MONTHS[month - 1]} {year}",
    notices={code: (_forms(title), _forms(text)) for code, (_, title, text, _) in NOTICES.items()},
    buttons={
        "connect": "Connect Now",
        "remind_later": "Remind Me Later",
        "try_again": "Try Again",
        "enter_key": "Enter New Key",
        "renew": "Renew",
        "activate": "Activate",
        "update_app": "Update App",
        "contact": "Contact Support",
        "close": "Close",
        "back": "Back",
        "enter_first_key": "Enter License Key",
        "save_request": "Save Offline Request",
        "activate_now": "Activate",
        "check_now": "Check Now",
    },
    phrases={
        "limited_mode": LIMITED_MODE,
        "left_to_connect": ("You have {n} day left to connect.", "You have {n} days left to connect."),
        "left_to_renew": ("You have {n} day left to renew.", "You have {n} days left to renew."),
        "starts": "It starts on {date}.",
        "badge_licensed": "Licensed",
        "badge_licensed_days": ("Licensed · {n} day left", "Licensed · {n} days left"),
        "badge_offline_days": ("Licensed · {n} day offline", "Licensed · {n} days offline"),
        "badge_ending_days": ("Expires in {n} day", "Expires in {n} days"),
        "badge_grace_days": ("Expired · {n} day of grace left", "Expired · {n} days of grace left"),
        "badge_limited": "Limited mode",
        "badge_limited_days": ("Limited mode · {n} day left", "Limited mode · {n} days left"),
        "badge_stopped": "License required",
        "badge_inactive": "Not activated",
        "badge_unknown": "License status unknown",
        "badge_for_readers": "License status: {badge}. Opens the details.",
        "until_offline": "Works offline until {date}",
        "until_term": "Licensed until {date}",
        "until_grace": "Grace period ends on {date}",
        "status_title": "Your license is active",
        "status_active": "Everything is in order. You need not do anything.",
        "status_offline_until": "This device works without a connection until {date}.",
        "status_term_until": "The license ends on {date}.",
        "status_no_end": "The license has no end date.",
        "checking": "Asking the license server …",
        "up_to_date": "Thank you. Your license is up to date.",
        "no_connection": "The license server could not be reached. Nothing has changed; please try again later.",
        "not_done": "That did not work ({code}). Nothing has changed.",
        "key_title": "Enter your license key",
        "key_label": "License key",
        "key_help": "You can find it in the e-mail that came with your purchase.",
        "did_you_mean": "There may be a typing error. Did you mean {key}?",
        "key_missing": "Please enter a license key.",
        "opening": "Opening {address} in your browser …",
        "not_opened": "No browser could be opened. The address is {address}",
        "request_saved": "Saved as {path}. Take this file to a computer with a connection.",
        "request_not_saved": "The file could not be saved.",
        "icon_good": "In order",
        "icon_info": "Information",
        "icon_warning": "Warning",
        "icon_grace": "Grace period",
        "icon_error": "Stopped",
    },
)
