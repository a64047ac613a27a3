"""VQA accuracy, and the normalisers of its relatives: VQA-v2, TextVQA (M4C), VizWiz, and lmms-eval's on VQA-v2.

They look alike and differ in details that decide points, so they are one rule with three switches
(specs/image_benchmarks.md section 1.5). Each is total: any string in, a string out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, reduce
from operator import add

from harness.scoring.vqa_tables import ARTICLES, NUMBERS, PUNCTUATION, vizwiz_contractions, vqa_contractions

_MARKS = frozenset(PUNCTUATION)
_PERIOD = re.compile(r"\.(?!\d)")
_MOST_PERIODS = 32
"""The official scripts pass the flag re.UNICODE, which is 32, where `re.sub` takes the number of replacements."""
_ONE_COMMA = re.compile(r"\d,\d")
_SOME_COMMAS = re.compile(r"(?<=\d),+(?=\d)")
_REMEMBERED = 2**16
_ENOUGH = 3


@dataclass(frozen=True, slots=True)
class Normaliser:
    """One of the family. `contractions`: spelling to contraction, word by word.

    `comma`: what in a text makes all its punctuation vanish instead of becoming spaces. `words_first`: M4C's own first
    step: lower case, no commas, no question marks, and "'s" a word of its own.
    """

    contractions: Mapping[str, str]
    comma: re.Pattern[str] = _ONE_COMMA
    words_first: bool = False

    def __call__(self, text: str) -> str:
        if self.words_first:
            text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's")
        return self._words(self._without_marks(cleaned(text)))

    def _without_marks(self, text: str) -> str:
        """A mark that touches a space anywhere in the text is removed everywhere; another one becomes a space."""
        if marks := _MARKS.intersection(text):
            vanish = self.comma.search(text) is not None
            text = text.translate({ord(m): "" if vanish or f"{m} " in text or f" {m}" in text else " " for m in marks})
        return _PERIOD.sub("", text, count=_MOST_PERIODS)

    def _words(self, text: str) -> str:
        numbered = (NUMBERS.get(word, word) for word in text.lower().split())
        return " ".join(self.contractions.get(word, word) for word in numbered if word not in ARTICLES)


def cleaned(text: str) -> str:
    """Newlines and tabs as spaces, outer white space off: what is compared even where nothing is normalised."""
    return text.replace("\n", " ").replace("\t", " ").strip()


@lru_cache(_REMEMBERED)
def vqa_answer(text: str) -> str:
    """The official VQA evaluator's form of an answer."""
    return _normaliser("vqa")(text)


@lru_cache(_REMEMBERED)
def m4c_answer(text: str) -> str:
    """M4C's form: TextVQA's, and what LLaVA uploads for VQA-v2 and VizWiz. "1,000" becomes "1000", "it's" "it 's"."""
    return _normaliser("m4c")(text)


@lru_cache(_REMEMBERED)
def lmms_vqa_answer(text: str) -> str:
    """lmms-eval's form on VQA-v2: M4C's without its first step."""
    return _normaliser("lmms")(text)


@lru_cache(_REMEMBERED)
def vizwiz_answer(text: str) -> str:
    """The VizWiz evaluator's form of a prediction; it leaves the annotators' answers as they are."""
    return _normaliser("vizwiz")(text)


@cache
def _normaliser(name: str) -> Callable[[str], str]:
    return {
        "vqa": Normaliser(vqa_contractions()),
        "m4c": Normaliser(vqa_contractions(), _SOME_COMMAS, words_first=True),
        "lmms": Normaliser(vqa_contractions(), _SOME_COMMAS),
        "vizwiz": Normaliser(vizwiz_contractions()),
    }[name]


def agreement(answer: str, references: Sequence[str]) -> float:
    """VQA accuracy, 0 to 1: over the annotators, the mean of min(1, others who gave this answer / 3).

    Of ten annotators 1, 2, 3 and 4 who gave it make 0.3, 0.6, 0.9 and 1. At least one reference. The official scripts
    take "others" by inequality of annotation entries, which is this where entries carry an id.
    """
    same = [reference == answer for reference in references]
    total = sum(same)
    return plain_mean([min(1.0, (total - own) / _ENOUGH) for own in same])


def official_vqa_accuracy(answer: str, references: Sequence[str]) -> float:
    """The official VQA-v2 score of one answer: both sides normalised, unless the annotators all say the same.

    Then texts are compared as they stand, in their case: "Yes" is wrong where all ten say "yes".
    """
    answer, references = cleaned(answer), [cleaned(reference) for reference in references]
    if len(set(references)) == 1:
        return agreement(answer, references)
    return agreement(vqa_answer(answer), [vqa_answer(reference) for reference in references])


def plain_mean(values: Sequence[float]) -> float:
    """The mean as the official scripts add it up, from left to right, so that ties round as theirs do."""
    return reduce(add, values, 0.0) / len(values)


def printed_percent(values: Sequence[float]) -> float:
    """The mean in percent with two decimals, as the VQA tools print it. At least one value."""
    return round(100 * plain_mean(values), 2)
