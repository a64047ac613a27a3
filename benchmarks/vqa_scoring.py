"""How long it takes to score all of VQA-v2 val2014: 214,354 made-up answers, from annotation files to metrics.

    python -m benchmarks.vqa_scoring [--questions 214354]

prints one JSON document: seconds of each step on one core, and the most memory the process had. The files are made by
another process, which counts nowhere.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.bars import bar
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.metrics import metrics_of, score_all
from harness.engine.plan import plan_tasks
from harness.types import Response
from tasks.vqav2 import VAL_ANNOTATIONS, VAL_IMAGES, VAL_QUESTIONS, VqaV2

QUESTIONS_AN_IMAGE = 5
_WORDS = ("yes", "no", "2", "two", "a dog", "black and white", "t-shirt", "dont know", "it's red.", "1,000", "On table")
_TYPES = (("is the", "yes/no"), ("how many", "number"), ("what", "other"))


def main(questions: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "benchmarks.vqa_scoring", "--make", folder, "--questions", str(questions)],
            check=True,
        )
        return measure(Path(folder))


def make(root: Path, questions: int) -> None:
    """The official files of val2014, with ten answers a question and rare words among the common ones."""
    rng = random.Random(0)
    rare = [f"thing {number}" for number in range(20_000)]
    asked, annotations = [], []
    for number in range(questions):
        ids = {"question_id": number, "image_id": number // QUESTIONS_AN_IMAGE}
        said = rng.choices((*_WORDS, rng.choice(rare)), k=3)
        answers = [
            {"answer": rng.choice(said), "answer_confidence": "yes", "answer_id": person} for person in range(1, 11)
        ]
        question_type, answer_type = rng.choice(_TYPES)
        types = {"question_type": question_type, "answer_type": answer_type}
        annotations.append({**ids, **types, "multiple_choice_answer": said[0], "answers": answers})
        asked.append({**ids, "question": f"What is shown at place {number}?"})
    (root / VAL_IMAGES).mkdir(parents=True)
    (root / VAL_QUESTIONS).write_text(json.dumps({"questions": asked}), encoding="utf-8")
    (root / VAL_ANNOTATIONS).write_text(json.dumps({"annotations": annotations}), encoding="utf-8")


def measure(root: Path) -> dict[str, Any]:
    config = RunConfig("made-up", ("vqav2",), {"vqav2": DataSource("folder", root)}, root / "run")
    rng = random.Random(1)
    clock = [time.perf_counter()]
    (plan,) = plan_tasks([VqaV2()], config)
    clock.append(time.perf_counter())
    answers = {one.id: Response(one.id, rng.choice((one.answer, *_WORDS)).capitalize()) for one in plan.samples}
    clock.append(time.perf_counter())
    scored = score_all(plan, answers)
    clock.append(time.perf_counter())
    metrics = metrics_of(plan, scored, config)
    clock.append(time.perf_counter())
    read, _, score, aggregate = (round(after - before, 2) for before, after in pairwise(clock))
    total, peak = read + score + aggregate, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "answers": metrics["n_scored"],
        "read_s": read,
        "score_s": score,
        "aggregate_s": aggregate,
        "total_s": round(total, 2),
        "peak_mib": round(peak),
        "bars": [
            bar("214,354 VQA-v2 answers scored", total, "s", most=30),
            bar("most memory", peak, "MiB", most=1024),
        ],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--questions", type=int, default=214_354)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.make:
        make(args.make, args.questions)
    else:
        print(json.dumps(main(args.questions), indent=2))
