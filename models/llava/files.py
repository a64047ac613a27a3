"""Where a checkpoint's files lie: a folder, or a snapshot of a hub repository. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.data.hub import snapshot
from harness.errors import CheckpointError, NotAvailable
from models.llava.config import LlavaConfig, read_json

WORKS_NOW = "What works now: run-eval --model llava-mini-tiny --tasks gqa,mlvu --data sample"
_SMALL_FILES = ("*.json", "*.model", "*.jinja")
_FORMATS = ("model.safetensors", "pytorch_model.bin")
"""Preferred first. Files of the second kind are pickles, of which only tensors are read."""


def locate(weights: str, config_only: bool = False) -> Path:
    """The folder of a checkpoint: a local folder as it is, else a snapshot of the hub id. Raises NotAvailable.

    `config_only`: of a hub id fetch no more than config.json, to learn whether it is within reach.
    """
    folder = Path(weights).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_absolute() or weights.startswith("."):
        raise NotAvailable(f"there is no folder {weights}. Check --checkpoint.")
    remedy = (
        f"hf download {weights} --local-dir DIR, then pass --checkpoint DIR. The vision tower that its config.json "
        "names (mm_vision_tower, e.g. openai/clip-vit-large-patch14-336) is a repository of its own: put it in "
        "DIR/<that name>. "
        f"Data go to --data-root; `run-eval tasks TASK` shows their layout. {WORKS_NOW}"
    )
    return _snapshot(weights, remedy, ["config.json"] if config_only else [*_SMALL_FILES, "*.safetensors"])


def locate_tower(config: LlavaConfig, folder: Path) -> Path:
    """`mm_vision_tower`: a path from the checkpoint's folder or its parent, an absolute path, or a hub id.

    Raises NotAvailable.
    """
    for base in (folder, folder.parent):
        if (base / config.vision_tower / "config.json").is_file():
            return base / config.vision_tower
    return _snapshot(
        config.vision_tower,
        f"hf download {config.vision_tower} --local-dir {folder / config.vision_tower}. {WORKS_NOW}",
    )


def _snapshot(repository: str, remedy: str, patterns: Sequence[str] = (*_SMALL_FILES, "*.safetensors")) -> Path:
    try:
        folder = snapshot(repository, "model", patterns)
        if "*.safetensors" in patterns and not any(folder.glob("*.safetensors")):
            folder = snapshot(repository, "model", (*_SMALL_FILES, "*.bin"))
    except Exception as error:  # the hub client has a dozen kinds of failure, all with the same remedy
        raise NotAvailable(
            f"'{repository}' cannot be had from the hub ({type(error).__name__}). Where there is a network: {remedy}"
        ) from error
    return folder


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The weight files of a checkpoint or tower, by its index where it is sharded. Raises CheckpointError."""
    for single in _FORMATS:
        index = folder / f"{single}.index.json"
        if index.is_file():
            names = sorted(set(read_json(index).get("weight_map", {}).values()))
        elif (folder / single).is_file():
            names = [single]
        else:
            continue
        if missing := [name for name in names if not (folder / name).is_file()]:
            raise CheckpointError(
                f"{folder}: {len(missing)} of {len(names)} weight files are missing: {', '.join(missing[:5])}. "
                "Download the checkpoint again."
            )
        return tuple(folder / name for name in names)
    raise CheckpointError(f"{folder}: holds no weights ({' or '.join(_FORMATS)}). Download the checkpoint again.")
