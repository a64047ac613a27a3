"""Makes a tiny model again, from nothing:

    python -m models.llava.training.tiny --model llava-mini-tiny --output DIR [--work DIR] [--processes 2]

Scenes become LLaVA-format data, the tower learns dense labels and is frozen, stage 1 trains the projector on captions,
stage 2 everything but the tower on questions. What stands in the work folder already is not made again, part by part,
so a second model costs its own training alone, and a command that was stopped goes on.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from models.llava import checkpoint
from models.llava.model import LlavaModel
from models.llava.prompts import conversation, prompt_ids
from models.llava.training.data import Encode, batches, packs_of, read_records
from models.llava.training.features import FeatureStore, write_features
from models.llava.training.packed import PackedLlava
from models.llava.training.recipe import STAGE_2
from models.llava.training.shapes import TINY_MODELS, TINY_REDUCERS, parsed_tiny
from models.llava.training.stages import StageSettings, all_but_tower, only_projector, train_stage
from models.llava.training.tokenizer import Tokenizer, build_tokenizer, load_tokenizer
from models.llava.training.tower import dense_set, train_tower

IMAGES, EASY_IMAGES, CLIPS_A_KIND, TOWER_PICTURES = 40_000, 16_000, 1_500, 45_000
CAPTION_STEPS, CAPTIONS_A_BATCH = 200, 32


def scaled(count: int, scale: float) -> int:
    return max(1, round(count * scale))


def prepare(work: Path, scale: float = 1.0) -> Tokenizer:
    """Data, tower, tokenizer and features in `work`, each made if it is not there."""
    data, tower, words, features = (work / name for name in ("data", "tower", "tokenizer", "features"))
    if not (data / "stage2.json").is_file():
        counts = {"--images": IMAGES, "--easy-images": EASY_IMAGES, "--videos": CLIPS_A_KIND}
        options = [str(part) for flag, count in counts.items() for part in (flag, scaled(count, scale))]
        subprocess.run([sys.executable, "-m", "tasks.samples.training", "--output", str(data), *options], check=True)
    if not (tower / "config.json").is_file():
        print(train_tower(dense_set(scaled(TOWER_PICTURES, scale)), tower), file=sys.stderr)
    records = [record for stage in ("stage1", "stage2") for record in read_records(data / f"{stage}.json")]
    if not (words / "tokenizer.json").is_file():
        texts = (turn["value"].removeprefix("<image>") for record in records for turn in record["conversations"])
        build_tokenizer(texts).save_pretrained(words)
    if not (features / "features.json").is_file():
        media = dict.fromkeys(record.get("image") or record["video"] for record in records)
        write_features(tower, data, media, features)
    return load_tokenizer(words)


def encoders(tokenizer: Tokenizer) -> tuple[Encode, Encode]:
    """Text -> ids, of a prompt in the `bare` template and of an answer with its end token."""
    template = conversation("bare")

    def prompt(text: str) -> tuple[int, ...]:
        question = text.removeprefix("<image>").strip()
        return tuple(prompt_ids(question, "<image>" in text, template, tokenizer))

    def answer(text: str) -> tuple[int, ...]:
        return (*tokenizer(text, add_special_tokens=False).input_ids, tokenizer.eos_token_id)

    return prompt, answer


def fresh(name: str, vocabulary: int, tower: Path, seed: int) -> LlavaModel:
    """A tiny model with the trained tower and random weights elsewhere."""
    torch.manual_seed(seed)
    return checkpoint.build(parsed_tiny(name, vocabulary), checkpoint.load_tower(tower, torch.float32))


def train(name: str, work: Path, output: Path, scale: float = 1.0) -> LlavaModel:
    """Both stages for one of `TINY_MODELS`; saves the checkpoint to `output` in half precision and returns it."""
    tokenizer = prepare(work, scale)
    coded, store, data = encoders(tokenizer), FeatureStore(work / "features"), work / "data"

    start = fresh("llava-v1.5-tiny", len(tokenizer), work / "tower", seed=0)
    captioner = PackedLlava(start)
    only_projector(captioner)
    easy = (row for row in read_records(data / "stage1.json") if "easy" in row["id"])
    captions = packs_of(easy, *coded, 1)
    steps = batches(captions, CAPTIONS_A_BATCH, scaled(CAPTION_STEPS, scale), 1)
    train_stage(captioner, steps, store, StageSettings(1e-3, schedule=len(steps)), work / "log")

    model = fresh(name, len(tokenizer), work / "tower", seed=2)
    model.lm.load_state_dict(start.lm.state_dict())
    if name not in TINY_REDUCERS:  # a reducer of its own stands in the projector's place
        model.reducer.projector.load_state_dict(start.reducer.projector.state_dict())
    packed = PackedLlava(model)
    all_but_tower(packed)
    questions = read_records(data / "stage2.json")
    for part in STAGE_2:
        done = work / f"{name}-{part.name}.safetensors"
        if done.is_file():
            packed.load_state_dict(load_file(done))
            continue
        print(f"{name}: {part.name}", file=sys.stderr)
        plan = part.batches(questions, *coded, scale)
        settings = StageSettings(part.rate, part.warmup, round(part.schedule * len(plan)))
        train_stage(packed, plan, store, settings, work / "log" / name)
        if writes():
            save_file(packed.state_dict(), done)
    if writes():
        save(model, tokenizer, work / "tower", output)
    return model


def writes() -> bool:
    """Whether this process writes files: the first of those that train together."""
    return int(os.environ.get("RANK", 0)) == 0


def save(model: LlavaModel, tokenizer: Tokenizer, tower: Path, output: Path) -> None:
    """A checkpoint folder in the public layout, in half precision, with tokenizer and preprocessing files."""
    checkpoint.save(model, output, torch.float16)
    tokenizer.save_pretrained(output)
    processing = (tower / "preprocessor_config.json").read_text()
    (output / "vision_tower" / "preprocessor_config.json").write_text(processing)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=TINY_MODELS, required=True)
    parser.add_argument("--output", type=Path, required=True, help="checkpoint folder to write")
    parser.add_argument(
        "--work", type=Path, default=Path("tiny-work"), help="data, tower and features, shared by models"
    )
    parser.add_argument("--processes", type=int, default=2, help="CPU cores to use (default: %(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of every count, to try the command out")
    asked = parser.parse_args(arguments)
    if "RANK" in os.environ or asked.processes == 1:
        torch.set_num_threads(1)
        train(asked.model, asked.work, asked.output, asked.scale)
        return
    torch.set_num_threads(asked.processes)
    prepare(asked.work, asked.scale)
    together = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(asked.processes), "-m", __spec__.name]
    said = sys.argv[1:] if arguments is None else arguments
    subprocess.run([sys.executable, "-m", *together, *said], check=True)


if __name__ == "__main__":
    main()
