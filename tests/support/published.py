"""Tiny checkpoints in the layouts that baselines published, with random weights that matter to their answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from harness import evaluate
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from tasks.samples import build
from tests.support.llava_tiny import write_checkpoint


def rewrite(folder: Path, **settings: Any) -> None:
    """Changes config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


def write_video_chatgpt(folder: Path, embeddings: bool = True) -> Path:
    """LLaVA-7B-Lightening with `video_chatgpt-7B.bin` beside its weights; the file's own embeddings are optional."""
    write_checkpoint(folder, compressor_size=None, mm_projector_type="linear", model_type="llava")
    rewrite(folder, model_type="llava", mm_use_im_start_end=True)
    weights = load_file(folder / "model.safetensors")
    generator = torch.Generator().manual_seed(5)
    top = {
        f"model.mm_projector.{name}": torch.randn(weights[f"model.mm_projector.{name}"].shape, generator=generator)
        for name in ("weight", "bias")
    }
    if embeddings:
        rows = weights["model.embed_tokens.weight"]
        top["model.embed_tokens.weight"] = torch.cat([rows, torch.randn(3, rows.shape[1], generator=generator)])
    torch.save({key: tensor.half() for key, tensor in top.items()}, folder / "video_chatgpt-7B.bin")
    return folder


def change_weights(folder: Path, change: Any) -> None:
    """Writes `change(weights)` in the place of model.safetensors."""
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors")


def finished(
    model: str, checkpoint: Path, task: str, folder: Path, ways: Sequence[dict[str, Any]], n: int
) -> list[dict[str, str]]:
    """Answers by sample id, of n samples of a task, run in several ways; all of them must be scored."""
    build([task], folder / "data", 0)
    found = []
    for index, way in enumerate(ways):
        config = RunConfig(
            model,
            (task,),
            {task: DataSource("folder", folder / "data", synthetic=True)},
            folder / f"run{index}",
            limit=n,
            max_missing=0.0,
            checkpoint=str(checkpoint),
            workers=0,
            max_new_tokens=6,
            device="cpu",
            dtype="float32",
            **way,
        )
        evaluate(config)
        lines = (folder / f"run{index}" / task / "responses.jsonl").read_text().splitlines()
        found.append({one["id"]: one["text"] for one in map(json.loads, lines)})
        assert len(found[-1]) == n
    return found


def write_voco(folder: Path, **changes: Any) -> Path:
    """LLaVA-1.5 with one word more, `<voco>`, in its vocabulary."""
    write_checkpoint(folder, compressor_size=None, **changes)

    def grown(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        embeds, head = weights["model.embed_tokens.weight"], weights["lm_head.weight"]
        row = embeds.std() * torch.randn(1, embeds.shape[1], generator=torch.Generator().manual_seed(5))
        head = torch.cat([head, head.mean(0, keepdim=True)])
        return weights | {"model.embed_tokens.weight": torch.cat([embeds, row]), "lm_head.weight": head}

    change_weights(folder, grown)
    rewrite(folder, vocab_size=json.loads((folder / "config.json").read_text())["vocab_size"] + 1)
    return folder
