"""The texts people read, in their language: one module for each, all complete (tests/unit/ui/test_translations.py)."""

from __future__ import annotations

from carnet.ui.texts.catalog import Catalog, Phrase

__all__ = ["LANGUAGES", "Catalog", "Phrase", "catalog_for", "language_of"]

LANGUAGES = ("en", "de", "fr")


def catalog_for(language: str | None) -> Catalog:
    """
    The catalogue of *language*, the nearest there is.

    Args:
        language: A language tag or locale name (``de``, ``de-AT``, ``fr_CA.UTF-8``); English for None and all others.
    """
    # Plain import statements, so that PyInstaller and Nuitka see what an app needs.
    known = (language or "").replace("_", "-").split("-")[0].split(".")[0].lower()
    if known == "de":
        from carnet.ui.texts.german import GERMAN

        return GERMAN
    if known == "fr":
        from carnet.ui.texts.french import FRENCH

        return FRENCH
    from carnet.ui.texts.english import ENGLISH

    return ENGLISH


def language_of(environ: dict[str, str], system: str | None) -> str:
    """
    The language of a process, as POSIX and GNU gettext find it.

    Args:
        environ: ``LANGUAGE`` (a list), ``LC_ALL``, ``LC_MESSAGES`` and ``LANG`` count, in this order.
        system: What the operating system says where none of them is set, as on Windows and macOS.
    """
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        for wanted in environ.get(name, "").split(":" if name == "LANGUAGE" else "\0"):
            if wanted in {"C", "POSIX"} or wanted.startswith("C."):
                return "en"
            if wanted:
                return catalog_for(wanted).language
    return catalog_for(system).language
