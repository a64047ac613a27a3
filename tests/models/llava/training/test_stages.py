"""The two stages: what each trains, and that training works on LLaVA-format files from the writer to the loss."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.llava.model import LlavaModel
from models.llava.training.data import Example, Pack, packs_of, read_records
from models.llava.training.features import FeatureStore, write_features
from models.llava.training.packed import PackedLlava
from models.llava.training.recipe import STAGE_2
from models.llava.training.shapes import TINY_MODELS
from models.llava.training.stages import BatchDataset, StageSettings, all_but_tower, only_projector, train_stage
from models.llava.training.tiny import encoders, fresh
from models.llava.training.tokenizer import Tokenizer, build_tokenizer
from models.llava.training.tower import dense_set, train_tower
from tasks.samples.training import write

PARTS = {part.name: part for part in STAGE_2}
SCALE = 0.001
"""One or two batches of each portion."""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, clips, a tower hardly trained, and its features."""
    root = tmp_path_factory.mktemp("work")
    write(root / "data", images=40, easy_images=64, videos=10, workers=1)
    train_tower(dense_set(200, workers=1), root / "tower", epochs=1, batch=64)
    rows = json.loads((root / "data" / "stage2.json").read_text())
    write_features(root / "tower", root / "data", dict.fromkeys(r.get("image") or r["video"] for r in rows), root)
    return root


@pytest.fixture(scope="module")
def tokenizer(work: Path) -> Tokenizer:
    rows = [row for stage in ("stage1", "stage2") for row in json.loads((work / "data" / f"{stage}.json").read_text())]
    return build_tokenizer(turn["value"] for row in rows for turn in row["conversations"])


def _questions(work: Path) -> list[dict[str, Any]]:
    return read_records(work / "data" / "stage2.json")


def _state(model: LlavaModel) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def _part(name: str) -> str:
    return ".".join(name.split(".")[:2])


def _changed(model: LlavaModel, before: dict[str, torch.Tensor]) -> set[str]:
    """Parts of the model in which a parameter moved."""
    return {_part(k) for k, v in model.state_dict().items() if not torch.equal(v, before[k])}


def test_clips_have_a_frame_a_second(work: Path) -> None:
    store, rows = FeatureStore(work), json.loads((work / "data" / "stage2.json").read_text())
    clip = next(row["video"] for row in rows if "video" in row)
    assert store.features([clip]).shape == (1, 8, 36, 128)


def test_stage_1_trains_the_projector_only(work: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = fresh("llava-v1.5-tiny", len(tokenizer), work / "tower", seed=0)
    packed, before = PackedLlava(model), _state(model)
    only_projector(packed)
    captions = packs_of(read_records(work / "data" / "stage1.json"), *encoders(tokenizer), 1)
    train_stage(packed, [captions[:4], captions[4:8]], FeatureStore(work), StageSettings(1e-3, 1), tmp_path)
    assert _changed(model, before) == {"reducer.projector"}


@pytest.mark.parametrize("name", TINY_MODELS)
def test_stage_2_trains_all_but_the_tower(name: str, work: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = fresh(name, len(tokenizer), work / "tower", seed=0)
    packed, before = PackedLlava(model), _state(model)
    all_but_tower(packed)
    plan = PARTS["pictures"].batches(_questions(work), *encoders(tokenizer), SCALE)
    train_stage(packed, plan, FeatureStore(work), StageSettings(1e-3, 1), tmp_path)
    assert _changed(model, before) == {_part(k) for k, _ in model.named_parameters() if not k.startswith("tower.")}


def test_loss_falls_on_clips_and_pictures(work: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = fresh("llava-mini-tiny", len(tokenizer), work / "tower", seed=0)
    packed = PackedLlava(model)
    all_but_tower(packed)
    plan = PARTS["clips"].batches(_questions(work), *encoders(tokenizer), SCALE)
    log = train_stage(packed, plan * 5, FeatureStore(work), StageSettings(2e-3, 1), tmp_path, log_steps=len(plan))
    losses = [entry["loss"] for entry in log if "loss" in entry]
    assert losses[-1] < 0.5 * losses[0]


def test_curriculum_begins_with_simple_pictures(work: Path, tokenizer: Tokenizer) -> None:
    plan = PARTS["pictures"].batches(_questions(work), *encoders(tokenizer), SCALE)
    easy = ["easy" in (pack.medium or "") for batch in plan for pack in batch]
    assert easy == sorted(easy, reverse=True)
    assert 0 < sum(easy) < len(easy)


def test_tower_learns_colours_of_patches(work: Path, tmp_path: Path) -> None:
    right = train_tower(dense_set(600, workers=1), tmp_path, epochs=6, batch=64)
    assert right["color"] > 0.3
    assert np.isfinite(right["place_error"])


@pytest.mark.parametrize("shares", [1, 2, 3])
def test_shares_of_a_batch_are_all_of_it_one_after_the_other(shares: int) -> None:
    examples = [Example((1, 5 + number), (2,)) for number in range(5)]
    batch = [Pack(None, (example,)) for example in examples]
    dataset = BatchDataset([batch, batch[:1]], None, shares)
    assert len(dataset) == 2 * shares
    seen = [row[0].tolist() for share in range(shares) for row in dataset[share]["input_ids"]]
    assert sorted(seen) == [[*example.prompt, *example.answer] for example in examples]
    assert all(len(dataset[shares + share]["input_ids"]) == 1 for share in range(shares))
