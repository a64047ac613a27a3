"""A ready adapter from a preset: which family the weights are of, transformers' class for it, prompts and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import CheckpointError, NotAvailable, UnknownName, UserError
from harness.model import ModelCard
from models import Preset, presets
from models.transformers_native.families import FAMILIES, Family
from models.transformers_native.pictures import NativePreparer, Picturing, picturing
from models.weights import (
    SMALL_FILES,
    WORKS_NOW,
    digest,
    identity_files,
    load_tokenizer,
    locate,
    pick_device,
    read_json,
    stop_tokens,
    weight_files,
)

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig

    from models.transformers_native.adapter import NativeAdapter

OPTIONS = ("family", "prompt", "frames", "trust_remote_code")
"""Of a preset: `family` is a key of FAMILIES; the others take the place of what the family says."""
PICTURES, VIDEOS = "preprocessor_config.json", "video_preprocessor_config.json"
QFORMER_WORDS = "qformer_tokenizer"
_MORE_FILES = (PICTURES, VIDEOS, "chat_template.json", "chat_template.jinja", "vocab.json", "merges.txt")
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_VIDEO_PIXELS = (128 * 28 * 28, 768 * 28 * 28)
"""Qwen's bounds for a frame."""
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
    from models.transformers_native.prompts import prompts
    from models.transformers_native.vision import Vision

    folder = _folder(preset, checkpoint)
    name, family = _family(preset, folder)
    place = pick_device(device)
    precision: torch.dtype = getattr(torch, dtype or ("float32" if place.type == "cpu" else family.dtype))
    model = _model(preset, family, folder, precision, place)
    config = model.config
    tokenizer = load_tokenizer(folder)
    words = load_tokenizer(folder / QFORMER_WORDS) if family.sees == "queries" else None
    raw = _settings(folder / PICTURES)
    image, video = _picturings(folder, raw, family, config)
    frames = int(preset.options.get("frames", family.frames))
    said = prompts(family, tokenizer, folder, preset.options.get("prompt"))
    picture_tokens = _tokens(config, family, image)
    frame_tokens = _tokens(config, family, video, frame=True) if video else 0
    limit = getattr(config.get_text_config(decoder=True), "max_position_embeddings", None)
    trusted = bool(preset.options.get("trust_remote_code"))
    mean, std = (tuple(raw.get(key) or usual) for key, usual in (("image_mean", _MEAN), ("image_std", _STD)))
    remarks = (f"code from the checkpoint's folder was run (trust_remote_code): {folder}",) if trusted else ()
    code = sorted(folder.glob("*.py")) if trusted else ()
    files = (*weight_files(folder), *identity_files(folder, *_MORE_FILES), *code)
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
                "trust_remote_code": trusted,
            },
            source=str(checkpoint or preset.weights),
            notes=remarks,
        ),
        stop_tokens(folder, tokenizer, family.stop),
        limit,
        picture_tokens,
        frame_tokens,
    )


def check(preset: Preset, checkpoint: str | None) -> None:
    """Whether the weights are within reach and of the preset's family, from their config.json alone.

    Raises NotAvailable, CheckpointError.
    """
    _family(preset, _folder(preset, checkpoint, config_only=True))


def _folder(preset: Preset, checkpoint: str | None, config_only: bool = False) -> Path:
    weights = checkpoint or preset.weights_location()
    if weights is None:
        raise NotAvailable(f"{preset.name} has no published weights. Pass --checkpoint DIR with your own. {WORKS_NOW}")
    remedy = f"hf download {weights} --local-dir DIR, then pass --checkpoint DIR. {WORKS_NOW}"
    return locate(weights, remedy, config_only, (*SMALL_FILES, "*.txt"))


def _family(preset: Preset, folder: Path) -> tuple[str, Family]:
    """The preset's family, which the checkpoint must be of. Raises CheckpointError, UnknownName."""
    for option in preset.options:
        if option not in OPTIONS:
            raise UnknownName(f"option of preset {preset.name}", option, OPTIONS)
    wanted = str(preset.options.get("family"))
    if wanted not in FAMILIES:
        raise UnknownName(f"family of preset {preset.name}", wanted, FAMILIES)
    path = folder / "config.json"
    if not path.is_file():
        raise CheckpointError(f"{folder}: holds no config.json, so it is no checkpoint folder.")
    raw = read_json(path)
    found = raw.get("model_type")
    if "mm_vision_tower" in raw:
        raise CheckpointError(
            f"{folder}: this is a checkpoint in LLaVA's own layout; the preset {preset.name} wants transformers' "
            f"{wanted}. A built-in preset reads it: --model llava-v1.5-7b or --model llava-mini."
        )
    if found != wanted:
        others = [name for name, one in presets().items() if found and one.options.get("family") == found]
        raise CheckpointError(
            f"{folder}: this is a {found} checkpoint; the preset {preset.name} wants {wanted}. "
            + (f"Its presets are: --model {' or '.join(others)}." if others else "No preset here reads that family.")
        )
    if raw.get("auto_map") and not preset.options.get("trust_remote_code"):
        raise CheckpointError(
            f"{folder}: its config.json names code of its own (auto_map: {', '.join(sorted(raw['auto_map']))}), which "
            "would run on this machine with all your rights. It is not run unless a preset of your own says "
            "`options: {trust_remote_code: true}`; read the .py files first. The model's card then says so."
        )
    return wanted, FAMILIES[wanted]


def _model(preset: Preset, family: Family, folder: Path, dtype: torch.dtype, device: torch.device) -> Any:
    """The weights in transformers' class, on the device. Raises CheckpointError."""
    import transformers
    from transformers.utils import logging

    weight_files(folder)
    trusted = bool(preset.options.get("trust_remote_code"))
    kind = transformers.AutoModelForImageTextToText if trusted else getattr(transformers, family.class_name)
    logging.disable_progress_bar()  # the run has one of its own
    try:
        model, info = kind.from_pretrained(
            folder,
            dtype=dtype,
            device_map={"": str(device)},
            local_files_only=True,
            weights_only=True,  # of a pickle: tensors or nothing
            output_loading_info=True,
            **({"trust_remote_code": True} if trusted else {}),
        )
    except (MemoryError, KeyboardInterrupt, UserError):
        raise
    except Exception as error:  # the readers of files and configurations raise a dozen kinds
        if type(error).__name__ == "OutOfMemoryError":
            raise
        raise CheckpointError(
            f"{folder}: cannot be loaded as {family.class_name} ({type(error).__name__}: "
            f"{str(error).strip().splitlines()[0] if str(error).strip() else 'no more is said'}). Download it again."
        ) from error
    problems = [(word, sorted(map(str, info[f"{word}_keys"]))) for word in ("missing", "mismatched")]
    if wrong := [f"{len(keys)} {word} ({', '.join(keys[:5])})" for word, keys in problems if keys]:
        raise CheckpointError(
            f"{folder}: the weights do not fit config.json: {'; '.join(wrong)}. "
            "Take config.json and the weights from the same checkpoint."
        )
    return model.eval()


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
        return image, picturing({**of_video, "image_grid_pinpoints": None}, patch, merge, bounds)
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
