"""A ready adapter from a preset: checkpoint, tokenizer, preprocessing and identity."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import CheckpointError, NotAvailable
from harness.model import ModelCard
from models import Preset
from models.llava.prompts import conversation
from models.weights import WORKS_NOW, digest, identity_files, load_tokenizer, pick_device, stop_tokens

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from models.llava.adapter import LlavaAdapter
    from models.llava.config import LlavaConfig
    from models.llava.reducers import VisualReducer

PICTURE = 336
"""Pixels along one side of the published towers' pictures."""
TOWER_DTYPE = "float32"
"""The released loader gives the tower no dtype, so CLIP runs in float32 beside a half-precision language model."""


def load(preset: Preset, checkpoint: str | None, device: str | None, dtype: str | None, reader: str) -> LlavaAdapter:
    """Loads a LLaVA-family preset. `device` None: cuda where there is one; `dtype` None: float32 on CPU, else float16.

    Raises NotAvailable, CheckpointError, and UserError for a device that is not there.
    """
    import torch

    from models.llava.adapter import VERSION, LlavaAdapter
    from models.llava.checkpoint import load as load_model
    from models.llava.config import read_config
    from models.llava.files import locate, locate_tower
    from models.llava.lora import all_files, base_folder, is_adapter
    from models.llava.overlay import overlay_file
    from models.llava.preprocess import LlavaPreparer

    weights = _weights(preset, checkpoint)
    place = pick_device(device)
    precision: torch.dtype = getattr(torch, dtype or ("float32" if place.type == "cpu" else "float16"))
    folder = locate(weights)
    config = read_config(folder, preset.reducer, preset.options)
    _require_variant(preset, config, folder)
    tower = locate_tower(config, folder)
    words = base_folder(folder) if is_adapter(folder) and not (folder / "tokenizer_config.json").is_file() else folder
    tokenizer, template = load_tokenizer(words, config=config.llama_config()), conversation(preset.conversation)
    if tokenizer.add_tokens(list(template.words), special_tokens=True):
        config = replace(config, llama={**config.llama, "vocab_size": max(len(tokenizer), config.llama["vocab_size"])})
    model = load_model(folder, precision, str(place), tower_dtype=getattr(torch, TOWER_DTYPE), config=config)
    of_tower = (tower,) if tower.is_file() else all_files(tower)
    files = (*all_files(folder), *of_tower, *_identity_files(folder, tower), *_teach(model.reducer, tokenizer, folder))
    if overlay := config.options.get("overlay"):
        files = (*files, overlay_file(folder, overlay))
    reducer = {"reducer": config.reducer, **config.options} if config.reducer else {}
    if spread := model.reducer.spread:
        reducer |= {"frames": f"{spread} at segment midpoints"}
    return LlavaAdapter(
        model,
        tokenizer,
        template,
        LlavaPreparer(
            model.tower.processor,
            config.resolution_ratio,
            config.pad_to_square,
            reader,
            spread=model.reducer.spread,
            squeeze=model.reducer.squeeze,
        ),
        ModelCard(
            name=preset.name,
            digest=digest(files),
            dtype=str(precision).removeprefix("torch."),
            version=f"llava-{VERSION}",
            modalities=preset.modalities,
            settings={
                "conversation": preset.conversation,
                "vision_tokens": model.reducer.token_count(model.tower.grid**2),
                "resolution_ratio": config.resolution_ratio,
                "pad_to_square": config.pad_to_square,
                "max_length": config.max_length,
                "tower_dtype": TOWER_DTYPE,
                **reducer,
            },
            source=weights if checkpoint or not preset.shipped else f"models/{preset.weights}",
            notes=model.reducer.notes,
        ),
        stop_tokens(folder, tokenizer, template.stop),
    )


def settable(preset: Preset) -> Collection[str]:
    """What --model-options may name: MQT's number of tokens."""
    return ("tokens",) if preset.reducer == "mqt" else ()


def check(preset: Preset, checkpoint: str | None) -> None:
    """Whether the weights are within reach, from their config.json alone. Raises NotAvailable, CheckpointError."""
    from models.llava.config import read_config
    from models.llava.files import locate

    folder = locate(_weights(preset, checkpoint), config_only=True)
    _require_variant(preset, read_config(folder, preset.reducer, preset.options), folder)


def _require_variant(preset: Preset, config: LlavaConfig, folder: Path) -> None:
    """That a checkpoint has what the preset of an ablation says. Raises CheckpointError."""
    has = {
        "prefusion_layers": config.prefusion_layers,
        "vision_tokens": config.vision_tokens,
        "resolution": PICTURE * config.resolution_ratio,
        "compression": "none" if config.compressor_size is None else "query",
    }
    wrong = [f"{key} {has[key]} instead of {value}" for key, value in preset.expects.items() if has[key] != value]
    if wrong:
        raise CheckpointError(
            f"{folder}: this is no checkpoint of {preset.name}: {', '.join(wrong)}. `--model {preset.variant_of}` "
            "takes any of its variants; their cost can be counted without weights: run-eval profile --model "
            f"{preset.name}."
        )


def _weights(preset: Preset, checkpoint: str | None) -> str:
    weights = checkpoint or preset.weights_location()
    if weights is None:
        raise NotAvailable(
            f"the weights of {preset.name} were never published. Pass --checkpoint DIR with your own, or use "
            f"llava-mini, the public Llama-3.1-8B checkpoint. {WORKS_NOW}"
        )
    return weights


def _teach(reducer: VisualReducer, tokenizer: PreTrainedTokenizerBase, folder: Path) -> tuple[Path, ...]:
    """Gives a reducer what it needs of words. Returns files that count beyond the model's. Raises NotAvailable."""
    from models.llava.files import locate_words
    from models.llava.reducers import AskingReducer

    if word := reducer.kept_word:
        reducer.kept = tokenizer.convert_tokens_to_ids(word)
    if not isinstance(reducer, AskingReducer):
        return ()
    of_questions = locate_words(reducer.vocabulary, folder)
    reducer.words = load_tokenizer(of_questions, truncation_side="left")
    return identity_files(of_questions, "vocab.txt")


def _identity_files(folder: Path, tower: Path) -> tuple[Path, ...]:
    """Small files that can change an answer as much as weights can."""
    of_tower = (tower / "config.json", tower / "preprocessor_config.json")
    return (*identity_files(folder), *(path for path in of_tower if path.is_file()))
