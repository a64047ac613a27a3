"""Where a checkpoint's files lie: a folder, or a snapshot of a hub repository. Nothing here imports torch."""

from __future__ import annotations

from pathlib import Path

from harness.errors import NotAvailable
from models.llava.config import LlavaConfig
from models.weights import WORKS_NOW, fetch
from models.weights import locate as locate_files

WORDS = ("*.json", "*.txt")


def locate(weights: str, config_only: bool = False) -> Path:
    """The folder of a checkpoint: a local folder as it is, else a snapshot of the hub id. Raises NotAvailable.

    `config_only`: of a hub id fetch no more than config.json, to learn whether it is within reach.
    """
    remedy = (
        f"hf download {weights} --local-dir DIR, then pass --checkpoint DIR. The vision tower that its config.json "
        "names (mm_vision_tower, e.g. openai/clip-vit-large-patch14-336) is a repository of its own: put it in "
        "DIR/<that name>. "
        f"Data go to --data-root; `run-eval tasks TASK` shows their layout. {WORKS_NOW}"
    )
    return locate_files(weights, remedy, config_only)


def locate_tower(config: LlavaConfig, folder: Path) -> Path:
    """`mm_vision_tower`: a path from the checkpoint's folder or its parent, an absolute path, or a hub id.

    One that ends in .pth is a single file, of which there is no repository. Raises NotAvailable.
    """
    if config.vision_tower.endswith(".pth"):
        name = Path(config.vision_tower)
        for place in (folder / name, folder / name.name, folder.parent / name, folder.parent / name.name):
            if place.is_file():
                return place
        raise NotAvailable(f"{folder}: its vision tower {name.name} is not here. Get it from LAVIS and put it there.")
    for base in (folder, folder.parent):
        if (base / config.vision_tower / "config.json").is_file():
            return base / config.vision_tower
    return fetch(
        config.vision_tower,
        f"hf download {config.vision_tower} --local-dir {folder / config.vision_tower}. {WORKS_NOW}",
    )


def locate_words(name: str, folder: Path) -> Path:
    """The folder of a further tokenizer: in the checkpoint's, beside it, or from the hub. Raises NotAvailable."""
    for base in (folder, folder.parent):
        if (base / name).is_dir():
            return base / name
    return fetch(name, f"hf download {name} --include '*.json' '*.txt' --local-dir {folder / name}", WORDS)
