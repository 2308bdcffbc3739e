"""What a screener, or one recognizer alone, sees in a text, as pairs that read well in a table."""

from __future__ import annotations

from guard.domain.entities import CATALOGUE
from guard.screening.engine import Screener, compile_screener
from guard.screening.view import Recognizer

__all__ = ["THRESHOLDS", "alone", "seen", "types"]

THRESHOLDS = {name: row.threshold for name, row in CATALOGUE.items()}
SCREENER = compile_screener()


def alone(recognizer: Recognizer) -> Screener:
    """Return a screener with one recognizer."""
    return Screener(THRESHOLDS, (recognizer,))


def seen(text: str, screener: Screener = SCREENER) -> list[tuple[str, str]]:
    """Return the type and the text of each finding."""
    return [(one.entity_type, text[one.start : one.end]) for one in screener.screen(text)]


def types(text: str, screener: Screener = SCREENER) -> list[str]:
    """Return the type of each finding."""
    return [one.entity_type for one in screener.screen(text)]
