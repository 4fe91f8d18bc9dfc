"""German."""

from __future__ import annotations

from carnet.ui.texts.catalog import Catalog

MONTHS = (
    *("Januar", "Februar", "März", "April", "Mai", "Juni"),
    *("Juli", "August", "September", "Oktober", "November", "Dezember"),
)

GERMAN = Catalog(
    language="de",
    plural=lambda n: int(n != 1),
    forms=2,
    date=lambda year, month, day: f"{day}. {MONTHS[month - 1]} {year}",
    notices={
        "offline_window_ending": (
            ("Offline-Lizenz läuft in {n} Tag ab", "Offline-Lizenz läuft in {n} Tagen ab"),
            "Verbinden Sie sich mit dem Internet, um länger offline arbeiten zu können.",
        ),
        "offline_grace": (
            "Offline-Lizenz abgelaufen",
            (
                "Ihre Offline-Lizenz ist abgelaufen. Bitte verbinden Sie sich mit dem Internet, um weiterhin alle "
                "Funktionen zu nutzen."
            ),
        ),
        "offline_window_over": (
            "Lizenzprüfung erforderlich",
            "Bitte verbinden Sie sich mit dem Internet, um Ihre Lizenz prüfen zu lassen.",
        ),
        "license_term_ending": (
            ("Lizenz läuft in {n} Tag ab", "Lizenz läuft in {n} Tagen ab"),
            "Verlängern Sie Ihre Lizenz, um diese Software weiter zu nutzen.",
        ),
        "license_grace": (
            "Lizenz abgelaufen",
            (
                "Ihre Lizenz ist abgelaufen. Bitte verlängern Sie sie, um weiterhin alle Funktionen zu nutzen, und "
                "verbinden Sie sich dann mit dem Internet."
            ),
        ),
        "license_expired": (
            "Lizenz abgelaufen",
            "Bitte verlängern Sie Ihre Lizenz und verbinden Sie sich dann mit dem Internet.",
        ),
        "needs_refresh": (
            "Lizenzprüfung erforderlich",
            (
                "Ihre Lizenz wurde länger nicht geprüft. Bitte verbinden Sie sich mit dem Internet, um weiterhin alle "
                "Funktionen zu nutzen."
            ),
        ),
        "clock_suspect": (
            "Bitte die Uhr prüfen",
            (
                "Die Uhr dieses Geräts wurde zurückgestellt. Bitte stellen Sie sie richtig und verbinden Sie sich mit dem "
                "Internet."
            ),
        ),
        "clock_countdown": (
            "Bitte die Uhr prüfen",
            "Die Uhr dieses Geräts geht nach. Bitte stellen Sie sie richtig, um weiterhin alle Funktionen zu nutzen.",
        ),
        "edition_mismatch": (
            "Lizenz gilt nicht für diese Edition",
            (
                "Ihre Lizenz gilt für eine andere Edition dieser Software. Bitte verlängern oder erweitern Sie sie, um "
                "alle Funktionen zu nutzen."
            ),
        ),
        "version_not_covered": (
            "Lizenz gilt nicht für diese Version",
            (
                "Ihre Lizenz gilt für frühere Versionen dieser Software. Bitte verlängern Sie sie, um alle Funktionen "
                "dieser Version zu nutzen."
            ),
        ),
        "license_revoked": (
            "Lizenz widerrufen",
            (
                "Der Anbieter hat diese Lizenz widerrufen. Bitte wenden Sie sich an den Anbieter oder geben Sie einen "
                "anderen Lizenzschlüssel ein."
            ),
        ),
        "license_suspended": (
            "Lizenz gesperrt",
            (
                "Der Anbieter hat diese Lizenz gesperrt. Bitte wenden Sie sich an den Anbieter und verbinden Sie sich "
                "dann mit dem Internet."
            ),
        ),
        "license_not_started": (
            "Lizenz noch nicht gültig",
            "Diese Lizenz ist noch nicht gültig.{starts}",
        ),
        "not_yet_valid": (
            "Lizenz noch nicht gültig",
            "Diese Lizenzdatei ist noch nicht gültig.{starts} Bitte prüfen Sie, ob die Uhr dieses Geräts richtig geht.",
        ),
        "not_activated": (
            "Software aktivieren",
            "Bitte geben Sie Ihren Lizenzschlüssel ein, um diese Software auf diesem Gerät zu aktivieren.",
        ),
        "deactivated": (
            "Dieses Gerät wurde deaktiviert",
            "Bitte aktivieren Sie dieses Gerät wieder mit Ihrem Lizenzschlüssel.",
        ),
        "activation_not_found": (
            "Dieses Gerät ist nicht mehr aktiviert",
            "Bitte aktivieren Sie dieses Gerät wieder mit Ihrem Lizenzschlüssel.",
        ),
        "license_not_found": (
            "Lizenzschlüssel unbekannt",
            "Bitte prüfen Sie Ihren Lizenzschlüssel auf Tippfehler oder geben Sie einen anderen ein.",
        ),
        "seat_limit_reached": (
            "Alle Plätze sind belegt",
            "Bitte deaktivieren Sie ein Gerät, das Sie nicht mehr benutzen, oder erwerben Sie weitere Plätze.",
        ),
        "wrong_device": (
            "Lizenz eines anderen Geräts",
            (
                "Die Lizenz auf diesem Gerät wurde auf einem anderen aktiviert. Bitte aktivieren Sie dieses Gerät mit Ihrem "
                "Lizenzschlüssel."
            ),
        ),
        "does_not_open": (
            "Lizenz eines anderen Geräts",
            (
                "Diese Lizenzdatei gehört zu einem anderen Gerät oder Lizenzschlüssel. Bitte aktivieren Sie dieses Gerät mit "
                "Ihrem Lizenzschlüssel."
            ),
        ),
        "wrong_product": (
            "Lizenz für ein anderes Produkt",
            "Diese Lizenz gilt für ein anderes Produkt. Bitte geben Sie einen Lizenzschlüssel für dieses ein.",
        ),
        "wrong_domain": (
            "Lizenz gilt nicht für diese Domain",
            (
                "Bitte benutzen Sie diese Software auf einer Domain, für die Ihre Lizenz gilt, oder wenden Sie sich an den "
                "Anbieter."
            ),
        ),
        "not_genuine": (
            "Lizenzdatei nicht anerkannt",
            (
                "Diese Lizenzdatei ist beschädigt oder nicht vom Anbieter. Bitte aktivieren Sie erneut oder bitten Sie den "
                "Anbieter um eine neue Datei."
            ),
        ),
    },
    buttons={
        "connect": "Jetzt verbinden",
        "remind_later": "Später erinnern",
        "try_again": "Erneut versuchen",
        "enter_key": "Anderen Schlüssel eingeben",
        "renew": "Verlängern",
        "activate": "Aktivieren",
        "update_app": "App aktualisieren",
        "contact": "Support kontaktieren",
        "close": "Schließen",
        "back": "Zurück",
        "enter_first_key": "Lizenzschlüssel eingeben",
        "save_request": "Offline-Anfrage speichern",
        "activate_now": "Aktivieren",
        "check_now": "Jetzt prüfen",
    },
    phrases={
        "limited_mode": "Eingeschränkter Modus: Vorhandene Projekte lassen sich weiterhin öffnen.",
        "left_to_connect": (
            "Sie haben noch {n} Tag Zeit, sich zu verbinden.",
            "Sie haben noch {n} Tage Zeit, sich zu verbinden.",
        ),
        "left_to_renew": (
            "Sie haben noch {n} Tag Zeit, die Lizenz zu verlängern.",
            "Sie haben noch {n} Tage Zeit, die Lizenz zu verlängern.",
        ),
        "starts": "Sie beginnt am {date}.",
        "badge_licensed": "Lizenziert",
        "badge_licensed_days": ("Lizenziert · noch {n} Tag", "Lizenziert · noch {n} Tage"),
        "badge_offline_days": ("Lizenziert · {n} Tag offline", "Lizenziert · {n} Tage offline"),
        "badge_ending_days": ("Läuft in {n} Tag ab", "Läuft in {n} Tagen ab"),
        "badge_grace_days": ("Abgelaufen · noch {n} Tag Frist", "Abgelaufen · noch {n} Tage Frist"),
        "badge_limited": "Eingeschränkter Modus",
        "badge_limited_days": ("Eingeschränkt · noch {n} Tag", "Eingeschränkt · noch {n} Tage"),
        "badge_stopped": "Lizenz erforderlich",
        "badge_inactive": "Nicht aktiviert",
        "badge_unknown": "Lizenzstatus unbekannt",
        "badge_for_readers": "Lizenzstatus: {badge}. Öffnet die Einzelheiten.",
        "until_offline": "Offline nutzbar bis {date}",
        "until_term": "Lizenz gültig bis {date}",
        "until_grace": "Nachfrist endet am {date}",
        "status_title": "Ihre Lizenz ist aktiv",
        "status_active": "Alles ist in Ordnung. Sie müssen nichts tun.",
        "status_offline_until": "Dieses Gerät funktioniert ohne Verbindung bis {date}.",
        "status_term_until": "Die Lizenz endet am {date}.",
        "status_no_end": "Die Lizenz gilt unbefristet.",
        "checking": "Der Lizenzserver wird gefragt …",
        "up_to_date": "Danke. Ihre Lizenz ist auf dem neuesten Stand.",
        "no_connection": "Der Lizenzserver war nicht erreichbar. Es hat sich nichts geändert; bitte versuchen Sie es "
        "später noch einmal.",
        "not_done": "Das hat nicht geklappt ({code}). Es hat sich nichts geändert.",
        "key_title": "Lizenzschlüssel eingeben",
        "key_label": "Lizenzschlüssel",
        "key_help": "Er steht in der E-Mail, die Sie beim Kauf erhalten haben.",
        "did_you_mean": "Das könnte ein Tippfehler sein. Meinten Sie {key}?",
        "key_missing": "Bitte geben Sie einen Lizenzschlüssel ein.",
        "opening": "{address} wird im Browser geöffnet …",
        "not_opened": "Es konnte kein Browser geöffnet werden. Die Adresse ist {address}",
        "request_saved": "Gespeichert als {path}. Bringen Sie diese Datei zu einem Computer mit Verbindung.",
        "request_not_saved": "Die Datei konnte nicht gespeichert werden.",
        "icon_good": "In Ordnung",
        "icon_info": "Hinweis",
        "icon_warning": "Warnung",
        "icon_grace": "Nachfrist",
        "icon_error": "Angehalten",
    },
)
