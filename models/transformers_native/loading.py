"""A ready adapter from a preset: which family the weights are of, transformers' class for it, prompts and pictures."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import CheckpointError
from harness.model import ModelCard
from models import Preset
from models.transformers_native.checkpoint import OPTIONS, family_of, folder_of, load_weights, own_code_of
from models.transformers_native.families import Family
from models.transformers_native.pictures import NativePreparer, Picturing, picturing
from models.weights import (
    digest,
    identity_files,
    load_tokenizer,
    pick_device,
    read_json,
    stop_tokens,
    weight_files,
)

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig

    from models.transformers_native.adapter import NativeAdapter

PICTURES, VIDEOS = "preprocessor_config.json", "video_preprocessor_config.json"
QFORMER_WORDS = "qformer_tokenizer"
_MORE_FILES = (PICTURES, VIDEOS, "chat_template.json", "chat_template.jinja", "vocab.json", "merges.txt")
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_VIDEO_PIXELS = (128 * 28 * 28, 768 * 28 * 28)
"""Qwen's bounds for a frame, of its released tools; files beside the weights often repeat those for pictures."""
_PHOTOGRAPH = 1280
"""Qwen's tokens of a megapixel, about; few pictures of benchmarks have more."""


def load(preset: Preset, checkpoint: str | None, device: str | None, dtype: str | None, reader: str) -> NativeAdapter:
    """Loads a preset of a family that transformers has a class for. `device` None: cuda where there is one; `dtype`
    None: float32 on CPU, else the family's.

    Raises NotAvailable, CheckpointError, and UserError for a device that is not there.
    """
    import torch
    import transformers

    from models.transformers_native.adapter import VERSION, NativeAdapter
    from models.transformers_native.decoder import Decoder
    from models.transformers_native.prompts import prompts
    from models.transformers_native.vision import Vision

    folder = folder_of(preset, checkpoint)
    name, family = family_of(preset, folder)
    place = pick_device(device)
    precision: torch.dtype = getattr(torch, dtype or ("float32" if place.type == "cpu" else family.dtype))
    own_code = own_code_of(preset, folder)
    model = load_weights(family, own_code, folder, precision, place)
    config = model.config
    tokenizer = load_tokenizer(folder)
    words = load_tokenizer(folder / QFORMER_WORDS) if family.sees == "queries" else None
    raw = _settings(folder / PICTURES)
    image, video = _picturings(folder, raw, family, config)
    frames = int(preset.options.get("frames", family.frames))
    said = prompts(family, tokenizer, folder, preset.options.get("prompt"))
    picture_tokens = _tokens(config, family, image)
    frame_tokens = _tokens(config, family, video, frame=True) if video else 0
    words_config = config.get_text_config(decoder=True)
    limit = getattr(words_config, "max_position_embeddings", None)
    until = str(preset.options.get("until", family.until))
    mean, std = (tuple(raw.get(key) or usual) for key, usual in (("image_mean", _MEAN), ("image_std", _STD)))
    remarks = (f"code from the checkpoint's folder was run (trust_remote_code): {folder}",) if own_code else ()
    if not (family.prefix and Decoder(model).keeps_all):
        remarks += (f"a picture is read anew for each question: {family.why or 'attention in windows'}",)
    code = sorted(folder.glob("*.py")) if own_code else ()
    small = (*identity_files(folder, *_MORE_FILES), *identity_files(folder / QFORMER_WORDS, "vocab.txt"))
    files = (*weight_files(folder), *small, *code)
    return NativeAdapter(
        model,
        family,
        Vision(model, family, mean, std, words),
        said,
        NativePreparer(image, video, frames, family.spread, reader),
        ModelCard(
            name=preset.name,
            digest=digest(files),
            dtype=str(precision).removeprefix("torch."),
            version=f"transformers-native-{VERSION}, transformers {transformers.__version__}",
            modalities=preset.modalities,
            settings={
                "family": name,
                "prompts": dict(said.templates),
                "vision_tokens": picture_tokens,
                "image": image.facts(),
                **({"video": video.facts(), "frames": frames, "spread": family.spread} if video else {}),
                "mean": list(mean),
                "std": list(std),
                "context": limit,
                "until": until,
                "trust_remote_code": own_code is not None,
            },
            source=str(checkpoint or preset.weights),
            notes=remarks,
        ),
        stop_tokens(folder, tokenizer, family.stop) | _ends(words_config.eos_token_id),
        limit,
        until,
        picture_tokens,
        frame_tokens,
    )


def settable(preset: Preset) -> Collection[str]:
    """What --model-options may name. `trust_remote_code` runs the checkpoint's own code, as the card then says."""
    return OPTIONS


def check(preset: Preset, checkpoint: str | None) -> None:
    """Whether the weights are within reach and of the preset's family, from their config.json alone.

    Raises NotAvailable, CheckpointError.
    """
    family_of(preset, folder_of(preset, checkpoint, config_only=True))


def _ends(found: int | list[int] | None) -> frozenset[int]:
    """End tokens of a configuration; BLIP-2 on OPT has its only there."""
    return frozenset(() if found is None else found if isinstance(found, list) else [found])


def _settings(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise CheckpointError(f"{path.parent}: holds no {path.name}, so what its pictures are like is not known.")
    return read_json(path)


def _picturings(
    folder: Path, raw: Mapping[str, Any], family: Family, config: PretrainedConfig
) -> tuple[Picturing, Picturing | None]:
    """For pictures and for frames, of which none is cut into tiles. Raises CheckpointError."""
    vision = config.vision_config
    patch, merge = int(vision.patch_size), int(getattr(vision, "spatial_merge_size", 1))
    of_video = {**raw, **(read_json(folder / VIDEOS) if (folder / VIDEOS).is_file() else {})}
    bounds = None if (folder / VIDEOS).is_file() else _VIDEO_PIXELS
    try:
        image = picturing(raw, patch, merge)
        if not family.video:
            return image, None
        video = picturing({**of_video, "image_grid_pinpoints": None}, patch, merge, bounds)
        return image, replace(video, most=min(video.most, _VIDEO_PIXELS[1]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / PICTURES}: not understood ({type(error).__name__}: {error}).") from error


def _tokens(config: PretrainedConfig, family: Family, way: Picturing, frame: bool = False) -> int:
    """Visual tokens of a picture or frame, about or at most: with them batches are filled."""
    vision = config.vision_config
    if family.sees == "latents":
        return int(config.perceiver_config.resampler_n_latents) if config.use_resampler else 257
    if hasattr(config, "num_query_tokens"):
        return int(config.num_query_tokens)
    if way.way == "patches":
        return min(way.most // way.factor**2, _PHOTOGRAPH) // (vision.temporal_patch_size if frame else 1)
    patches = (vision.image_size // vision.patch_size) ** 2 + 1
    return patches // 4 if frame and family.sees == "tiles" else way.most_parts() * patches
