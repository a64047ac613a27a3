"""What multiple-choice benchmarks over video share: the text of a question with options, the verdict on an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from statistics import fmean

from harness.scoring.choice import NO_OPTION, first_letter, option_letters, strictly_correct
from harness.types import Json, Score, Scored
from tasks.breakdown import percent_by

BEST_OPTION = "\nOnly give the best option."
"""What VideoChat2, MLVU and lmms-eval put after the options."""


def with_options(
    question: str, candidates: Sequence[str], head: str = "Question: ", list_head: str = "Options:"
) -> str:
    """'Question: q', 'Options:' and a line '(A) x' for each option."""
    return f"{head}{question}\n{list_head}\n{option_lines(candidates)}"


def option_lines(candidates: Sequence[str]) -> str:
    """'(A) x' lines."""
    return "\n".join(
        f"({letter}) {text}" for letter, text in zip(option_letters(len(candidates)), candidates, strict=False)
    )


def llava_mini_prompt(question: str, candidates: Sequence[str]) -> str:
    """The user's text of the released MVBench and MLVU scripts; they cut white space after the last option."""
    return with_options(question, candidates).rstrip() + "\nAnswer with one letter."


def split_options(text: str) -> tuple[str, tuple[str, ...]]:
    """The question and the options of a text that ends with option lines '(A) x', 'A. x', 'A) x' or 'A: x'.

    The options must run from A on. Without such lines, the whole text and no options.
    """
    lines = text.rstrip().split("\n")
    for start in range(len(lines)):
        letters = option_letters(len(lines) - start)
        matches = [
            re.fullmatch(rf"\s*(?:\({letter}\)|{letter}[.):])\s*(.*?)\s*", line)
            for letter, line in zip(letters, lines[start:], strict=False)
        ]
        if len(matches) == len(lines) - start and all(matches):
            return "\n".join(lines[:start]).strip(), tuple(match.group(1) for match in matches if match)
    return text.strip(), ()


def verdict(text: str, options: int, gold: str) -> Score:
    """One answer under the rules that all these benchmarks share; values are 0 or 1.

    `accuracy`: the first option letter in the text is the gold one. `unparsed`: there is none, which counts as wrong.
    `official_strict`, `official_jsonl`: the two figures the released scripts leave; the second reads A from nothing.
    """
    letter = first_letter(text, option_letters(options))
    values = {
        "accuracy": letter == gold,
        "unparsed": letter is None,
        "official_strict": strictly_correct(text, gold),
        "official_jsonl": (letter or "A") == gold,
    }
    return Score({name: float(value) for name, value in values.items()}, {"letter": letter})


def choice_tables(
    scored: Sequence[Scored], tasks: Sequence[str], groups: Mapping[str, Sequence[str]]
) -> dict[str, Json]:
    """Accuracy by task (`meta["task"]`), the plain means of groups of tasks, and over all items (`micro`)."""
    table = percent_by(lambda sample: sample.meta["task"], scored)
    means = {
        group: fmean(present)
        for group, members in groups.items()
        if (present := [table[task]["value"] for task in members if task in table])
    }
    values = [one.result.values for one in scored if isinstance(one.result, Score)]
    return {
        "tasks": {task: table[task] for task in tasks if task in table},
        "absent tasks": [task for task in tasks if task not in table],
        "groups": means,
        **({"micro": 100 * fmean(one["accuracy"] for one in values)} if values else {}),
        "unparsed": unparsed(scored),
        "answer not among the options": sum(one.sample.answer == NO_OPTION for one in scored),
    }


def unparsed(scored: Sequence[Scored]) -> int:
    """How many scored answers hold no option letter."""
    return int(sum(one.result.values["unparsed"] for one in scored if isinstance(one.result, Score)))
