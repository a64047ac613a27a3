"""What VQA-v2, VizWiz and TextVQA share: ten people's answers to a question, and none where labels are not public.

`Sample.meta["answers"]` holds the ten texts as stored. Answers to questions without them are kept for export; their
result is `NO_LABEL`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from harness.scoring.statistics import MeanOf, point
from harness.scoring.vqa import printed_percent
from harness.types import Missing, Sample, Score, Scored

NO_LABEL = Missing("no public label", "the answer is kept; the evaluation server scores what `run-eval export` writes")


def commonest(answers: Sequence[str]) -> str:
    """The answer that most people gave, the first of them at a tie; "" without answers."""
    return Counter(answers).most_common(1)[0][0] if answers else ""


def overall(scored: Iterable[Scored], metric: str) -> float:
    """A metric's mean in percent with the official two decimals. At least one sample has a score."""
    return printed_percent([one.result.values[metric] for one in scored if isinstance(one.result, Score)])


def printed_by(label: Callable[[Sample], str | None], scored: Iterable[Scored], metric: str) -> dict[str, float]:
    """The same for each label, in the order of their first appearance, as the VQA tools keep them; None is left out."""
    parts: defaultdict[str, list[Scored]] = defaultdict(list)
    for one in scored:
        if isinstance(one.result, Score) and (of := label(one.sample)) is not None:
            parts[of].append(one)
    return {of: overall(part, metric) for of, part in parts.items()}


def means(scored: Sequence[Scored], *metrics: str) -> dict[str, float]:
    """The unrounded mean of each metric in percent, under its name; nothing where nothing is scored."""
    values = {metric: point(MeanOf(metric), scored) for metric in metrics}
    return {metric: value for metric, value in values.items() if value is not None}
