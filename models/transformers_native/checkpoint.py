"""A checkpoint's folder for one of transformers' classes: is it there, of the preset's family, and does it fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import CheckpointError, NotAvailable, UnknownName, UserError
from models import Preset, presets
from models.transformers_native.families import FAMILIES, Family
from models.weights import SMALL_FILES, WORKS_NOW, locate, read_json, weight_files

if TYPE_CHECKING:
    import torch

OPTIONS = ("family", "prompt", "frames", "until", "trust_remote_code")
"""Of a preset: `family` is a key of FAMILIES; the others take the place of what the family says."""


def folder_of(preset: Preset, checkpoint: str | None, config_only: bool = False) -> Path:
    """The checkpoint's, or the preset's from the hub. Raises NotAvailable."""
    weights = checkpoint or preset.weights_location()
    if weights is None:
        raise NotAvailable(f"{preset.name} has no published weights. Pass --checkpoint DIR with your own. {WORKS_NOW}")
    remedy = f"hf download {weights} --local-dir DIR, then pass --checkpoint DIR. {WORKS_NOW}"
    code = ("*.py",) if preset.options.get("trust_remote_code") else ()
    return locate(weights, remedy, config_only, (*SMALL_FILES, "*.txt", *code))


def family_of(preset: Preset, folder: Path) -> tuple[str, Family]:
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
            "would run on this machine with all your rights. It is not run unless you say "
            "`--model-options trust_remote_code=true`; read the .py files first. The model's card then says so."
        )
    return wanted, FAMILIES[wanted]


def own_code_of(preset: Preset, folder: Path) -> str | None:
    """transformers' auto class by which the folder's own code is run; None where there is none or it is not trusted."""
    classes = read_json(folder / "config.json").get("auto_map") or {}
    trusted = bool(preset.options.get("trust_remote_code"))
    return next((name for name in classes if name.startswith("AutoModel")), None) if trusted else None


def load_weights(family: Family, own_code: str | None, folder: Path, dtype: torch.dtype, device: torch.device) -> Any:
    """The weights in transformers' class or the folder's own, on the device. Raises CheckpointError."""
    import transformers
    from transformers.utils import logging

    weight_files(folder)
    kind = getattr(transformers, own_code or family.class_name)
    logging.disable_progress_bar()  # the run has one of its own
    try:
        model, info = kind.from_pretrained(
            folder,
            dtype=dtype,
            device_map={"": str(device)},
            local_files_only=True,
            weights_only=True,  # of a pickle: tensors or nothing
            output_loading_info=True,
            **({"trust_remote_code": True} if own_code else {}),
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
