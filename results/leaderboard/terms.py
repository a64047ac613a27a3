"""Under what a number came about, and what sets it apart from the benchmark as it is published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.types import Json

if TYPE_CHECKING:
    from harness.task import TaskCard

SAMPLE = "sample"


@dataclass(frozen=True, slots=True)
class Terms:
    """Numbers are ranked with each other only under equal terms and without deviations.

    `judge`: who graded, with the endpoint; None where nobody has to. `samples`: digest of generated samples, so that
    two sample sets are told apart; None where the published ones were asked.
    """

    deviations: tuple[str, ...]
    judge: str | None
    samples: str | None


def terms_of(
    entry: Mapping[str, Json], config: Mapping[str, Json], task: Mapping[str, Json], card: TaskCard | None
) -> Terms:
    """`entry`: of metrics.json; `config`, `task`: of run.json; `card`: None for a task that is not installed here."""
    judge = entry.get("judge")
    return Terms(
        tuple(_deviations(entry, config, task, card)),
        None if judge is None else "@".join(filter(None, (judge["spec"], judge["endpoint"]))),
        task.get("samples_sha256") if entry["data"] == SAMPLE else None,
    )


def _deviations(
    entry: Mapping[str, Json], config: Mapping[str, Json], task: Mapping[str, Json], card: TaskCard | None
) -> Iterator[str]:
    """In words, the most telling first."""
    n, limit, named = entry["n"], config["limit"], config["samples"]
    full = card.full_size if card is not None else n
    if entry["data"] != SAMPLE and n not in (full, full + task.get("unusable", 0)):
        assert card is not None
        yield f"{n:,} of {full:,} samples of {card.split}"
    elif named is not None:
        yield f"{n:,} chosen samples (--samples)"
    elif limit is not None and n >= limit:
        yield f"the first {n:,} samples (--limit)"
    if card is not None and entry["prompt"] != card.prompts[0]:
        yield f"prompt preset {entry['prompt']}, not {card.prompts[0]}"
    if note := entry.get("prompt_note"):
        yield str(note)
    if config["max_frames"] is not None:
        yield f"at most {config['max_frames']} frames"
    if config["clip_bounds"]:
        yield "clips cut to their annotated bounds"
    if config["max_new_tokens"] is not None:
        yield f"at most {config['max_new_tokens']} new tokens"
    if quirks := entry.get("quirks"):
        yield f"quirk {', '.join(quirks)}"
