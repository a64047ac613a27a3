"""Whether a headline may stand beside the paper's number, and what it then says."""

from __future__ import annotations

from harness.engine.config import RunConfig
from harness.engine.plan import TaskPlan
from harness.judge.contract import JudgeCard
from harness.task import TaskCard


def verdict(
    card: TaskCard,
    config: RunConfig,
    plan: TaskPlan,
    value: float | None,
    ci95: tuple[float, float] | None,
    judge: JudgeCard | None = None,
) -> str:
    """'within interval', 'outside: ours - paper = -1.2', or 'not comparable: why'.

    Whether items that are no questions (`plan.unusable`) belong to the paper's count is up to its split.
    """
    paper = card.paper.get(config.model)
    source = config.sources[card.name]
    n, note = len(plan.samples), plan.task.prompt_note(plan.prompt)
    whole = card.full_size in (n, n - len(plan.unusable))
    reasons = [
        (source.synthetic, "sample data, made from synthetic scenes"),
        (paper is None, f"the paper has no value for {config.model}"),
        (not whole, f"{n:,} of {card.full_size:,} samples of {card.split}"),
        (plan.prompt != card.prompts[0], f"prompt preset {plan.prompt}"),
        (note is not None, str(note)),
        (config.max_frames is not None, f"at most {config.max_frames} frames"),
        (config.clip_bounds, "clips cut to their annotated bounds"),
        (config.max_new_tokens is not None, f"at most {config.max_new_tokens} new tokens"),
        (judge is not None and not judge.model.startswith(card.judges or ("",)), f"judge = {judge and judge.model}"),
        (value is None or ci95 is None, "no headline with an interval"),
    ]
    for applies, reason in reasons:
        if applies:
            return f"not comparable: {reason}"
    assert paper is not None
    assert value is not None
    assert ci95 is not None
    if ci95[0] <= paper <= ci95[1]:
        return "within interval"
    return f"outside: ours - paper = {value - paper:+.{2 if paper < 10 else 1}f}"
