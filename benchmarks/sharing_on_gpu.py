"""What sharing and batching gain on a GPU, on the shapes of Vicuna-7B and CLIP ViT-L/336 with random weights in bf16.

    python -m benchmarks.sharing_on_gpu [--repeats 5] > results/measured/sharing.json

prints one JSON document: samples a second and their ratios, medians of interleaved repetitions with the device waited
for. `--small --device cpu` runs the same on the shapes of the CPU benchmark, to try the script out; its ratios say
nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks import shapes
from benchmarks.bars import bar
from benchmarks.sharing import CHUNK, one_by_one, shared
from harness.profiler.clocks import WallClock
from harness.profiler.fresh import fresh_model
from harness.profiler.shapes import shape_of
from models.llava.fusion import MediaFusion
from models.llava.generation import greedy
from models.llava.model import LlavaModel

MODELS = {"llava-1.5": "llava-v1.5-7b", "llava-mini": "llava-mini-7b"}
Answers = list[list[int]]


def batched(model: LlavaModel, pixels: Tensor, rows: Sequence[Sequence[int]]) -> Answers:
    """A row a question, all in one call, each the whole way; picture k for question k, or one for all."""
    ids = torch.tensor(rows, device=pixels.device)
    media = [row if len(pixels) == len(rows) else 0 for row in range(len(rows))]
    fusion = MediaFusion(model, ids, media)
    fusion.add(pixels, sorted(set(media)))
    inputs = model.assemble(fusion, ids, padding_side="left")
    return greedy(model.lm, inputs.embeds, inputs.mask, shapes.NEW_TOKENS, shapes.never).tokens


def picture_by_picture(model: LlavaModel, pixels: Tensor, rows: Sequence[Sequence[int]]) -> Answers:
    return [one_by_one(model, pixels[at : at + 1], [row])[0] for at, row in enumerate(rows)]


Way = Callable[[LlavaModel, Tensor, Sequence[Sequence[int]]], Answers]


@dataclass(frozen=True, slots=True)
class Case:
    """`fast` against `slow` on `frames` pictures and so many questions; `slow` is timed on the first `alone`."""

    what: str
    model: str
    frames: int
    questions: int
    slow: Way
    fast: Way
    least: float
    alone: int


CASES = (
    Case("32 questions a picture, shared against batch 1", "llava-1.5", 1, 32, one_by_one, shared, 8, 8),
    Case("32 questions a picture, shared against batch 1", "llava-mini", 1, 32, one_by_one, shared, 6, 8),
    Case("32 questions a picture, shared against batched", "llava-mini", 1, 32, batched, shared, 3, 32),
    Case("16 pictures of one question, batched", "llava-1.5", 16, 16, picture_by_picture, batched, 2.5, 16),
    Case("16 pictures of one question, batched", "llava-mini", 16, 16, picture_by_picture, batched, 2.5, 16),
    Case("8 questions on 64 frames, shared against batch 1", "llava-mini", 64, 8, one_by_one, shared, 5, 1),
)


def measure(case: Case, model: LlavaModel, device: torch.device, repeats: int) -> dict[str, Any]:
    pixels = shapes.pictures(case.frames).to(device, model.lm.lm_head.weight.dtype)
    rows, clock = shapes.prompts(case.questions), WallClock(device)
    seconds: dict[str, list[float]] = {"slow": [], "fast": []}
    said: dict[str, Answers] = {}
    with torch.inference_mode():
        for repeat in range(repeats + 1):
            for name, way, asked in (("slow", case.slow, rows[: case.alone]), ("fast", case.fast, rows)):
                start = clock.mark()
                said[name] = way(model, pixels, asked)
                if repeat:  # the first is a warm-up
                    seconds[name].append(clock.ms(start, clock.mark()) / 1e3 / len(asked))
    return {
        "model": case.model,
        "what": case.what,
        "samples_per_s": {name: round(1 / median(some), 2) for name, some in seconds.items()},
        "ratio": median(slow / fast for slow, fast in zip(*seconds.values(), strict=True)),
        "equal_answers": sum(a == b for a, b in zip(*said.values(), strict=False)),
        "answers_compared": case.alone,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="shapes of the CPU benchmark, in float32")
    args = parser.parse_args()
    device = torch.device(args.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("there is no CUDA device here; `--small --device cpu` tries the script out", file=sys.stderr)
        return 2
    rows = []
    for name, preset in MODELS.items():
        if args.small:
            model = shapes.llava(mini=name == "llava-mini").to(device)
        else:
            shape = shape_of(preset)
            model = fresh_model(shape.config, shape.vision, device, torch.bfloat16)
        rows += [
            measure(case, model, device, args.repeats) | {"least": case.least} for case in CASES if case.model == name
        ]
        del model
    bars = [bar(f"{row['model']}, {row['what']}", row["ratio"], "times", least=row["least"]) for row in rows]
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    kind = shapes.SHAPE if args.small else "Vicuna-7B and CLIP ViT-L/336, bf16, random weights"
    document = {"device": where, "torch": torch.__version__, "shape": kind, "frames_a_chunk": CHUNK, "rows": rows}
    print(json.dumps({**document, "bars": bars}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
