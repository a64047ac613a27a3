"""Option letters: which option a free text names, by our rule and by those of the released scripts and lmms-eval.

The rules disagree on anything but a bare letter, so one is the headline (`first_letter`) and the others are variants.
All are total: no text makes them raise. Letters are upper-case ASCII, "A" the first option.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

NO_OPTION = "@"
"""The gold letter of an item whose answer is none of its options: no answer to it is right."""


def option_letters(count: int) -> str:
    """The letters of `count` options, 26 at most."""
    return string.ascii_uppercase[:count]


def gold_letter(candidates: Sequence[str], answer: str) -> str:
    """The letter of the last candidate equal to the answer, as the released scripts take it; `NO_OPTION` if none is."""
    matching = [
        letter for letter, text in zip(option_letters(len(candidates)), candidates, strict=False) if text == answer
    ]
    return matching[-1] if matching else NO_OPTION


def first_letter(text: str, letters: str) -> str | None:
    """The first character of the text that is an option letter, wherever it stands; None if there is none (unparsed).

    "A person, so B" is A and "Cat" is C. The released LLaVA-Mini scripts write the same letter to their answer file,
    but "A" where there is none.
    """
    return next((character for character in text if character in letters), None)


def strictly_correct(text: str, gold: str) -> bool:
    """The rule of the released MVBench and MLVU result files (`check_ans`).

    With a ")" in the text, the character before the first one must be the gold letter; without, the whole text must be.
    So "(B) x" and "the third one (B)" count, "B." and "B: x" do not.
    """
    before, bracket, _ = text.partition(")")
    return gold != NO_OPTION and (before[-1:] if bracket else text) == gold


def videochat2_correct(text: str, gold: str) -> bool:
    """The rule of VideoChat2's MVBench notebook: the first word, in lower case without periods, lies in or holds "(b)".

    An empty text, and a lone "(" or ")", are therefore right. The notebook puts "(" before the answer's first line.
    """
    word, option = text.lower().split(" ")[0], f"({gold.lower()})"
    return gold != NO_OPTION and (word.replace(".", "") in option or option in word)


def lmms_mvbench_letter(text: str) -> str | None:
    """lmms-eval on MVBench: the first letter A to E that stands alone, in either case (so the article "a" is A)."""
    alone = re.search(r"\b[a-e]\b", text.translate(_PUNCTUATION_TO_SPACE).lower())
    return alone.group().upper() if alone else None


_PUNCTUATION_TO_SPACE = str.maketrans(string.punctuation, " " * len(string.punctuation))

_LETTER = "([A-D])"
_EDGE_MARKS = ",.!?;:'\""
_AT_START = re.compile(rf"\s*{_LETTER}(?![^\W\d_])")
_AT_END = re.compile(rf"(?<![^\W\d_]){_LETTER}\s*$")
_ANNOUNCED = re.compile(r"(?:answer is|choice is|(?:best|correct) option is|i choose)(.*)", re.IGNORECASE | re.DOTALL)
_WRITTEN = tuple(
    re.compile(form.format(_LETTER)) for form in (r"\({}\)", r"{}\.", r"{}:", r"{}\)", r"{}(?= |$)", r"{}")
)


def lmms_mlvu_letter(text: str) -> str:
    """lmms-eval on MLVU: a letter A to D, or "" if none is found. The first of these that applies:

    1. the text begins, or else ends, with an option letter that no other letter touches (outer punctuation aside);
    2. after "answer is", "choice is", "best option is", "correct option is" or "I choose": the letter there that
       shows up last for the first time;
    3. the last letter written "(B)"; then "B."; then "B:"; then "B)"; then "B" before a space or the end;
    4. the last letter anywhere, so "Chair" is C.
    """
    text = text.strip()
    for mark in _EDGE_MARKS:
        text = text.strip(mark)
    if edge := _AT_START.match(text) or _AT_END.search(text):
        return edge.group(1)
    if announced := _ANNOUNCED.search(text):
        rest = announced.group(1)
        if seen := [letter for letter in "ABCD" if letter in rest]:
            return max(seen, key=rest.index)
    for form in _WRITTEN:
        if found := form.findall(text):
            return str(found[-1])
    return ""


_END_MARKS = ",.!?;:'"


def lmms_egoschema_letter(text: str, options: Sequence[str]) -> str | None:
    """lmms-eval on EgoSchema: the option that the text names, or None, where lmms-eval takes one at random.

    Named is "(B)", "B" before a space or "B.", outer punctuation aside; where no option is, in texts of over five
    words, "b. text" in any case. Of several, each placed at its last mention, the first.
    """
    for mark in _END_MARKS:
        text = text.strip(mark)
    text, letters = f" {text} ", option_letters(len(options))
    places = {text.rfind(form.format(letter)): letter for letter in letters for form in ("({})", "{} ", "{}.")}
    places.pop(-1, None)
    if places or len(text.split()) <= 5:
        return places[min(places)] if places else None
    lettered = {letter: f"{letter}. {option}".lower() for letter, option in zip(letters, options, strict=False)}
    return next((letter for letter, option in lettered.items() if option in text.lower()), None)
