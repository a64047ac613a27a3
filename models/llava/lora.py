"""LoRA checkpoints in PEFT's layout, merged into their base while it is read: adapter and the weights trained whole.

Published by PruMerge: adapter_config.json, adapter_model.*, non_lora_trainables.bin (the projector), config.json.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from harness.errors import CheckpointError
from models.llava.config import read_json
from models.llava.files import locate
from models.weights import weight_files

SETTINGS = "adapter_config.json"
_WRAPPERS = re.compile(r"^base_model\.model\.|^base_model\.")
_PAIR = re.compile(r"(?P<target>.+)\.lora_(?P<side>[AB])(?:\.default)?\.weight")
_UNSUPPORTED = ("use_dora", "modules_to_save", "rank_pattern", "alpha_pattern", "fan_in_fan_out")
Read = Callable[[Path], Mapping[str, Tensor]]


def is_adapter(folder: Path) -> bool:
    """Whether a checkpoint folder holds a LoRA adapter."""
    return (folder / SETTINGS).is_file()


def base_folder(folder: Path) -> Path:
    """The folder of the model that an adapter was made for; a path is looked for beside the adapter first.

    Raises NotAvailable, CheckpointError.
    """
    name = read_json(folder / SETTINGS).get("base_model_name_or_path")
    if not isinstance(name, str) or not name:
        raise CheckpointError(f"{folder / SETTINGS}: base_model_name_or_path is {name!r}, so its base is not known.")
    beside = folder.parent / name
    return beside if beside.is_dir() else locate(name)


def all_files(folder: Path) -> tuple[Path, ...]:
    """Every file whose weights count: the base's, then the adapter's. Raises NotAvailable, CheckpointError."""
    if not is_adapter(folder):
        return weight_files(folder)
    return (*weight_files(base_folder(folder)), *_own_files(folder))


def shards(folder: Path, read: Read) -> Iterator[Mapping[str, Tensor]]:
    """The weights file by file, LoRA merged in; what the adapter trained whole comes last and counts.

    Raises CheckpointError where the adapter's settings are not plain LoRA or its layers are not in the base.
    """
    if not is_adapter(folder):
        yield from map(read, weight_files(folder))
        return
    scale = _scale(read_json(folder / SETTINGS), folder)
    pairs: dict[str, dict[str, Tensor]] = {}
    whole: dict[str, Tensor] = {}
    for path in _own_files(folder):
        for key, tensor in read(path).items():
            name = _WRAPPERS.sub("", key)
            if match := _PAIR.fullmatch(name):
                pairs.setdefault(f"{match['target']}.weight", {})[match["side"]] = tensor
            else:
                whole[name] = tensor
    if incomplete := sorted(target for target, sides in pairs.items() if len(sides) < 2):
        raise CheckpointError(f"{folder}: only one of lora_A and lora_B of {', '.join(incomplete[:5])}.")
    waiting = set(pairs)
    for path in weight_files(base_folder(folder)):
        shard = dict(read(path))
        for target in waiting & shard.keys():
            update = scale * pairs[target]["B"].float() @ pairs[target]["A"].float()
            if update.shape != shard[target].shape:
                raise CheckpointError(f"{folder}: LoRA of {target} is {[*update.shape]} for {[*shard[target].shape]}.")
            shard[target] = (shard[target].float() + update).to(shard[target].dtype)
        waiting -= shard.keys()
        yield shard
    if waiting:
        raise CheckpointError(
            f"{folder}: {len(waiting)} layers of the adapter are not in its base ({', '.join(sorted(waiting)[:5])}). "
            "Take the base that its adapter_config.json names."
        )
    yield whole


def _own_files(folder: Path) -> tuple[Path, ...]:
    found = [folder / f"adapter_model.{kind}" for kind in ("safetensors", "bin")]
    adapter = next((path for path in found if path.is_file()), None)
    if adapter is None:
        raise CheckpointError(f"{folder}: {SETTINGS} without adapter_model.safetensors or .bin. Download it again.")
    whole = folder / "non_lora_trainables.bin"
    return (adapter, whole) if whole.is_file() else (adapter,)


def _scale(settings: Mapping[str, Any], folder: Path) -> float:
    if wrong := [key for key in _UNSUPPORTED if settings.get(key)]:
        raise CheckpointError(f"{folder / SETTINGS}: {', '.join(wrong)} is not supported; only plain LoRA is merged.")
    rank, alpha = settings.get("r"), settings.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
        raise CheckpointError(f"{folder / SETTINGS}: r is {rank!r} and lora_alpha {alpha!r}, so LoRA cannot be merged.")
    return alpha / (math.sqrt(rank) if settings.get("use_rslora") else rank)
