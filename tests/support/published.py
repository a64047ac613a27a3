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
from harness.model import Model
from models.llava.config import parse_config
from models.llava.reducers.llama_vid import LlamaVidReducer
from tasks.samples import build
from tests.support.llava_tiny import PATCH, WORDS, raw_config, write_checkpoint


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
    model: str | Model, checkpoint: Path, task: str, folder: Path, ways: Sequence[dict[str, Any]], n: int
) -> list[dict[str, str]]:
    """Answers by sample id, of n samples of a task, run in several ways; all of them must be scored."""
    build([task], folder / "data", 0)
    found = []
    for index, way in enumerate(ways):
        config = RunConfig(
            model if isinstance(model, str) else model.card.name,
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
        evaluate(config, model=None if isinstance(model, str) else model)
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


BERT = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 16,
}
VID = {"picture": 28, "heads": 2, "bert": BERT}
"""Options of a tiny LLaMA-VID."""


def eva_weights(width: int = 16, blocks: int = 3, grid: int = 4, mlp: int = 20) -> dict[str, torch.Tensor]:
    """A file like eva_vit_g.pth: its keys, its half precision, its separate biases."""
    generator = torch.Generator().manual_seed(6)

    def random(*shape: int) -> torch.Tensor:
        return (torch.randn(shape, generator=generator) / 2).half()

    found = {
        "cls_token": random(1, 1, width),
        "pos_embed": random(1, 1 + grid * grid, width),
        "patch_embed.proj.weight": random(width, 3, PATCH, PATCH),
        "patch_embed.proj.bias": random(width),
        "norm.weight": random(width),
        "head.weight": random(3, width),
    }
    for at in (f"blocks.{index}." for index in range(blocks)):
        for norm in ("norm1", "norm2"):
            found |= {f"{at}{norm}.weight": 1 + random(width) / 4, f"{at}{norm}.bias": random(width)}
        found |= {f"{at}attn.q_bias": random(width), f"{at}attn.v_bias": random(width)}
        found |= {f"{at}attn.qkv.weight": random(3 * width, width)}
        found |= {f"{at}attn.proj.weight": random(width, width), f"{at}attn.proj.bias": random(width)}
        found |= {f"{at}mlp.fc1.weight": random(mlp, width), f"{at}mlp.fc1.bias": random(mlp)}
        found |= {f"{at}mlp.fc2.weight": random(width, mlp), f"{at}mlp.fc2.bias": random(width)}
    return found


def write_llama_vid(folder: Path, compress: str | None = "mean", **changes: Any) -> Path:
    """LLaMA-VID beside LAVIS's tower and BERT's vocabulary; its file holds the Q-Former's unused head too."""
    write_checkpoint(folder, compressor_size=None, **changes)
    settings = {"model_type": "llava", "mm_vision_tower": "./model_zoo/LAVIS/eva_vit_g.pth", "num_query": 4}
    rewrite(folder, **settings, compress_type=compress, bert_type="qformer_pretrain")
    (folder / "model_zoo" / "LAVIS").mkdir(parents=True)
    torch.save(eva_weights(), folder / "model_zoo" / "LAVIS" / "eva_vit_g.pth")
    torch.manual_seed(4)
    raw = {**raw_config(compressor_size=None), **settings}
    reducer = LlamaVidReducer(parse_config(raw, "tiny", "llama-vid", VID))
    own = {reducer.public_key(name): 3 * value.detach() for name, value in reducer.named_parameters()}
    own["model.vlm_att_query"] = torch.randn(own["model.vlm_att_query"].shape)
    head = {"model.vlm_att_encoder.cls.predictions.bias": torch.zeros(BERT["vocab_size"])}
    ids = {"model.vlm_att_encoder.bert.embeddings.position_ids": torch.arange(BERT["max_position_embeddings"])[None]}
    change_weights(folder, lambda weights: {**weights, **own, **head, **ids})
    words = folder / "bert-base-uncased"
    words.mkdir()
    (words / "vocab.txt").write_text("\n".join(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)))
    (words / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True})
    )
    return folder
