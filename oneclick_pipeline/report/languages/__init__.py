"""The languages of the page.

In comes a code, `ru` or `en`; out comes a `Language` that writes figures and texts. Begin with `language`.

language     how a language writes numbers, months and plurals, and the form of its texts
ru, en       all texts, one line each, and the words of either language
recognition  the texts of a month whose scores are no forecast
"""

from dataclasses import replace

from oneclick_pipeline.contracts.scores import FORECAST, RECOGNITION
from oneclick_pipeline.report.languages import en, recognition, ru
from oneclick_pipeline.report.languages.language import NO_BREAK, Language, cut

__all__ = ["NO_BREAK", "Language", "cut", "language"]


_RECOGNITION = {"ru": recognition.RU, "en": recognition.EN}


def language(code: str, unit_roubles: float | None = None, meaning: str = FORECAST) -> Language:
    """A language by its code.

    Args:
        code: `ru` or `en`.
        unit_roubles: How many roubles a finance unit is; None where the store does not say.
        meaning: What the scores of the month are about, see `contracts.scores.MEANING`.
    """
    spoken = {"ru": ru.LANGUAGE, "en": en.LANGUAGE}[code]
    texts = spoken.texts if meaning != RECOGNITION else {**spoken.texts, **_RECOGNITION[code]}
    return replace(spoken, unit_roubles=unit_roubles, texts=texts)
