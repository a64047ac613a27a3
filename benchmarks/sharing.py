"""What sharing inside a group gains: many questions about one picture or video, against the same one by one.

    python -m benchmarks.sharing [--repeats 3] [--threads 1]

prints one JSON document: samples a second of CPU time both ways and their ratio, medians of interleaved repetitions,
same process and threads, and how many answers were the same. A single question is measured on the shared path too; the
harness itself takes the other one for it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks.bars import bar
from benchmarks.shapes import NEW_TOKENS, SHAPE, llava, never, pictures, prompts
from models.llava.fusion import MediaFusion
from models.llava.generation import greedy
from models.llava.model import LlavaModel
from models.llava.sharing import SharedFusion, answer, split_at_medium

CASES = {
    "32 questions a picture": (1, 32),
    "8 questions a picture": (1, 8),
    "1 question a picture": (1, 1),
    "8 questions on 64 frames": (64, 8),
    "1 question on 64 frames": (64, 1),
}
BARS = {
    "llava-1.5": {"32 questions a picture": 8, "8 questions a picture": 3.5, "1 question a picture": 0.9},
    "llava-mini": {
        "32 questions a picture": 6,
        "8 questions a picture": 3.5,
        "1 question a picture": 0.9,
        "8 questions on 64 frames": 4.5,
        "1 question on 64 frames": 0.9,
    },
}
CHUNK = 8
"""Frames that stand in memory together."""


def one_by_one(model: LlavaModel, pixels: Tensor, rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """Every question takes the whole way, as the released code goes."""
    tokens = []
    for row in rows:
        ids = torch.tensor([row], device=pixels.device)
        fusion = MediaFusion(model, ids, [0])
        for some in pixels.split(CHUNK):
            fusion.add(some, [0] * len(some))
        inputs = model.assemble(fusion, ids, padding_side="left")
        tokens += greedy(model.lm, inputs.embeds, inputs.mask, NEW_TOKENS, never).tokens
    return tokens


def shared(model: LlavaModel, pixels: Tensor, rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """What does not depend on the question is computed once."""
    parts = split_at_medium(rows)
    assert parts is not None
    fusion = SharedFusion(model, *parts)
    for some in pixels.split(CHUNK):
        fusion.add(some)
    return answer(model.lm, fusion.shared(), fusion.questions(), never)


def measure(name: str, case: str, repeats: int) -> dict[str, Any]:
    model, (frames, count) = llava(mini=name == "llava-mini"), CASES[case]
    pixels, rows = pictures(frames), prompts(count)
    alone = 1 if frames > 1 else count  # of a video, a question: the others would take as long again
    ways: dict[str, tuple[Callable[..., list[list[int]]], int]] = {
        "one_by_one": (one_by_one, alone),
        "shared": (shared, count),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    said = {}
    with torch.inference_mode():
        for _ in range(repeats):
            for way, (run, asked) in ways.items():
                started = time.process_time()
                said[way] = run(model, pixels, rows[:asked])
                seconds[way].append((time.process_time() - started) / asked)
    rates = {way: 1 / median(some) for way, some in seconds.items()}
    ratio = median(one / other for one, other in zip(*seconds.values(), strict=True))
    return {
        "model": name,
        "case": case,
        "samples_per_cpu_second": {way: round(rate, 2) for way, rate in rates.items()},
        "ratio": round(ratio, 2),
        "bar": BARS[name][case],
        "met": ratio >= BARS[name][case],
        "equal_answers": sum(a == b for a, b in zip(*said.values(), strict=False)),
        "answers_compared": alone,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = [measure(name, case, args.repeats) for name, cases in BARS.items() for case in cases]
    bars = [bar(f"{row['model']}, {row['case']}", row["ratio"], "times", least=row["bar"]) for row in rows]
    document = {"shape": SHAPE, "threads": args.threads, "repeats": args.repeats, "rows": rows, "bars": bars}
    print(json.dumps(document, indent=2))
