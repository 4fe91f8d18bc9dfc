"""French. Zero is singular, and a no-break space stands before double punctuation."""

from __future__ import annotations

from carnet.ui.texts.catalog import Catalog

MONTHS = (
    *("janvier", "février", "mars", "avril", "mai", "juin"),
    *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
)

FRENCH = Catalog(
    language="fr",
    plural=lambda n: int(n > 1),
    forms=2,
    date=lambda year, month, day: f"{'1er' if day == 1 else day} {MONTHS[month - 1]} {year}",
    notices={
        "offline_window_ending": (
            ("La licence hors ligne expire dans {n} jour", "La licence hors ligne expire dans {n} jours"),
            "Connectez-vous à Internet pour prolonger votre accès hors ligne.",
        ),
        "offline_grace": (
            "Licence hors ligne expirée",
            (
                "Votre accès hors ligne a expiré. Veuillez vous connecter à Internet pour continuer à utiliser toutes les "
                "fonctions."
            ),
        ),
        "offline_window_over": (
            "Vérification de la licence requise",
            "Veuillez vous connecter à Internet pour faire vérifier votre licence.",
        ),
        "license_term_ending": (
            ("La licence expire dans {n} jour", "La licence expire dans {n} jours"),
            "Renouvelez votre licence pour continuer à utiliser ce logiciel.",
        ),
        "license_grace": (
            "Licence expirée",
            (
                "Votre licence a expiré. Veuillez la renouveler pour continuer à utiliser toutes les fonctions, puis vous "
                "connecter à Internet."
            ),
        ),
        "license_expired": (
            "Licence expirée",
            "Veuillez renouveler votre licence, puis vous connecter à Internet.",
        ),
        "needs_refresh": (
            "Vérification de la licence requise",
            (
                "Votre licence n’a pas été vérifiée récemment. Veuillez vous connecter à Internet pour continuer à utiliser "
                "toutes les fonctions."
            ),
        ),
        "clock_suspect": (
            "Vérifiez l’horloge de cet appareil",
            "L’horloge de cet appareil a été retardée. Veuillez la régler et vous connecter à Internet.",
        ),
        "clock_countdown": (
            "Vérifiez l’horloge de cet appareil",
            "L’horloge de cet appareil retarde. Veuillez la régler pour continuer à utiliser toutes les fonctions.",
        ),
        "edition_mismatch": (
            "La licence ne couvre pas cette édition",
            (
                "Votre licence concerne une autre édition de ce logiciel. Veuillez la renouveler ou l’étendre pour utiliser "
                "toutes les fonctions."
            ),
        ),
        "version_not_covered": (
            "La licence ne couvre pas cette version",
            (
                "Votre licence couvre des versions antérieures de ce logiciel. Veuillez la renouveler pour utiliser toutes "
                "les fonctions de celle-ci."
            ),
        ),
        "license_revoked": (
            "Licence révoquée",
            "L’éditeur a révoqué cette licence. Veuillez contacter l’éditeur ou saisir une autre clé de licence.",
        ),
        "license_suspended": (
            "Licence suspendue",
            "L’éditeur a suspendu cette licence. Veuillez contacter l’éditeur, puis vous connecter à Internet.",
        ),
        "license_not_started": (
            "Licence pas encore valable",
            "Cette licence n’est pas encore valable.{starts}",
        ),
        "not_yet_valid": (
            "Licence pas encore valable",
            (
                "Ce fichier de licence n’est pas encore valable.{starts} Veuillez vérifier que l’horloge de cet appareil est "
                "à l’heure."
            ),
        ),
        "not_activated": (
            "Activez ce logiciel",
            "Veuillez saisir votre clé de licence pour activer ce logiciel sur cet appareil.",
        ),
        "deactivated": (
            "Cet appareil a été désactivé",
            "Veuillez réactiver cet appareil avec votre clé de licence.",
        ),
        "activation_not_found": (
            "Cet appareil n’est plus activé",
            "Veuillez réactiver cet appareil avec votre clé de licence.",
        ),
        "license_not_found": (
            "Clé de licence inconnue",
            "Veuillez vérifier que votre clé de licence ne contient pas de faute de frappe, ou en saisir une autre.",
        ),
        "seat_limit_reached": (
            "Tous les postes sont utilisés",
            "Veuillez désactiver un appareil que vous n’utilisez plus, ou acquérir d’autres postes.",
        ),
        "wrong_device": (
            "Licence d’un autre appareil",
            (
                "La licence enregistrée ici a été activée sur un autre appareil. Veuillez activer cet appareil avec votre "
                "clé de licence."
            ),
        ),
        "does_not_open": (
            "Licence d’un autre appareil",
            (
                "Ce fichier de licence est destiné à un autre appareil ou à une autre clé. Veuillez activer cet appareil "
                "avec votre clé de licence."
            ),
        ),
        "wrong_product": (
            "Licence d’un autre produit",
            "Cette licence concerne un autre produit. Veuillez saisir une clé de licence pour celui-ci.",
        ),
        "wrong_domain": (
            "La licence ne couvre pas ce domaine",
            "Veuillez utiliser ce logiciel sur un domaine couvert par votre licence, ou contacter l’éditeur.",
        ),
        "not_genuine": (
            "Fichier de licence refusé",
            (
                "Ce fichier de licence est endommagé ou ne vient pas de l’éditeur. Veuillez activer de nouveau, ou demander "
                "un nouveau fichier à l’éditeur."
            ),
        ),
    },
    buttons={
        "connect": "Se connecter",
        "remind_later": "Plus tard",
        "try_again": "Réessayer",
        "enter_key": "Saisir une autre clé",
        "renew": "Renouveler",
        "activate": "Activer",
        "update_app": "Mettre à jour l’app",
        "contact": "Contacter l’assistance",
        "close": "Fermer",
        "back": "Retour",
        "enter_first_key": "Saisir la clé de licence",
        "save_request": "Enregistrer la demande",
        "activate_now": "Activer",
        "check_now": "Vérifier",
    },
    phrases={
        "limited_mode": "Mode limité\u00a0: vous pouvez toujours ouvrir les projets existants.",
        "left_to_connect": (
            "Il vous reste {n} jour pour vous connecter.",
            "Il vous reste {n} jours pour vous connecter.",
        ),
        "left_to_renew": ("Il vous reste {n} jour pour renouveler.", "Il vous reste {n} jours pour renouveler."),
        "starts": "Elle commence le {date}.",
        "badge_licensed": "Sous licence",
        "badge_licensed_days": ("Sous licence · encore {n} jour", "Sous licence · encore {n} jours"),
        "badge_offline_days": ("Sous licence · {n} jour hors ligne", "Sous licence · {n} jours hors ligne"),
        "badge_ending_days": ("Expire dans {n} jour", "Expire dans {n} jours"),
        "badge_grace_days": ("Expirée · encore {n} jour de grâce", "Expirée · encore {n} jours de grâce"),
        "badge_limited": "Mode limité",
        "badge_limited_days": ("Mode limité · encore {n} jour", "Mode limité · encore {n} jours"),
        "badge_stopped": "Licence requise",
        "badge_inactive": "Non activé",
        "badge_unknown": "État de la licence inconnu",
        "badge_for_readers": "État de la licence\u00a0: {badge}. Ouvre les détails.",
        "until_offline": "Utilisable hors ligne jusqu’au {date}",
        "until_term": "Licence valable jusqu’au {date}",
        "until_grace": "Le délai de grâce se termine le {date}",
        "status_title": "Votre licence est active",
        "status_active": "Tout est en ordre. Vous n’avez rien à faire.",
        "status_offline_until": "Cet appareil fonctionne sans connexion jusqu’au {date}.",
        "status_term_until": "La licence se termine le {date}.",
        "status_no_end": "La licence n’a pas de date de fin.",
        "checking": "Interrogation du serveur de licences …",
        "up_to_date": "Merci. Votre licence est à jour.",
        "no_connection": "Le serveur de licences est injoignable. Rien n’a changé\u00a0; veuillez réessayer plus tard.",
        "not_done": "Cela n’a pas fonctionné ({code}). Rien n’a changé.",
        "key_title": "Saisissez votre clé de licence",
        "key_label": "Clé de licence",
        "key_help": "Elle se trouve dans l’e-mail reçu lors de votre achat.",
        "did_you_mean": "Il y a peut-être une faute de frappe. Vouliez-vous dire {key}\u00a0?",
        "key_missing": "Veuillez saisir une clé de licence.",
        "opening": "Ouverture de {address} dans votre navigateur …",
        "not_opened": "Aucun navigateur n’a pu être ouvert. L’adresse est {address}",
        "request_saved": "Enregistré sous {path}. Portez ce fichier sur un ordinateur connecté.",
        "request_not_saved": "Le fichier n’a pas pu être enregistré.",
        "icon_good": "En ordre",
        "icon_info": "Information",
        "icon_warning": "Avertissement",
        "icon_grace": "Délai de grâce",
        "icon_error": "Arrêt",
    },
)
