"""What every adapter needs of a checkpoint: where its files lie, who it is, its tokenizer, its device.

Nothing here imports torch before it is used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.data.hub import snapshot
from harness.data.sources import load_json
from harness.errors import CheckpointError, NotAvailable, UserError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

WORKS_NOW = "What works now: run-eval --model llava-mini-tiny --tasks gqa,mlvu --data sample"
SMALL_FILES = ("*.json", "*.model", "*.jinja")
_FORMATS = ("model.safetensors", "pytorch_model.bin")
"""Preferred first. Files of the second kind are pickles, of which only tensors are read."""
_IDENTITY = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a checkpoint's file. Raises UserError."""
    content = load_json(path)
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds no JSON object. Download the checkpoint again.")
    return content


def locate(weights: str, remedy: str, config_only: bool = False, small_files: Sequence[str] = SMALL_FILES) -> Path:
    """The folder of a checkpoint: a local folder as it is, else a snapshot of the hub id. Raises NotAvailable.

    `remedy`: what to do where there is no network. `config_only`: of a hub id fetch no more than config.json, to learn
    whether it is within reach.
    """
    folder = Path(weights).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_absolute() or weights.startswith("."):
        raise NotAvailable(f"there is no folder {weights}. Check --checkpoint.")
    return fetch(weights, remedy, ["config.json"] if config_only else [*small_files, "*.safetensors"])


def fetch(repository: str, remedy: str, patterns: Sequence[str] = (*SMALL_FILES, "*.safetensors")) -> Path:
    """A snapshot of a hub repository; its pickles only where it has no safetensors. Raises NotAvailable."""
    try:
        folder = snapshot(repository, "model", patterns)
        if "*.safetensors" in patterns and not any(folder.glob("*.safetensors")):
            small = [pattern for pattern in patterns if pattern != "*.safetensors"]
            folder = snapshot(repository, "model", (*small, "*.bin"))
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


def identity_files(folder: Path, *more: str) -> tuple[Path, ...]:
    """Small files that can change an answer as much as weights can."""
    return tuple(folder / name for name in (*_IDENTITY, *more) if (folder / name).is_file())


def digest(files: Sequence[Path]) -> str:
    """sha256 over the files' own digests, in order."""
    return hashlib.sha256(
        "".join(_file_digest(path, path.stat().st_size, path.stat().st_mtime_ns) for path in files).encode()
    ).hexdigest()


@lru_cache
def _file_digest(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pick_device(name: str | None) -> torch.device:
    """The device asked for; None: cuda where there is one. Raises UserError for one that is not there."""
    import torch

    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"--device {name}: not usable here ({str(error).splitlines()[0]}). `--device cpu` always works."
        ) from error
    return device


def load_tokenizer(folder: Path, **settings: Any) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint's folder. Raises CheckpointError."""
    from transformers import AutoTokenizer, PreTrainedTokenizerBase

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, **settings)
    except (OSError, ValueError, ImportError) as error:
        raise CheckpointError(f"{folder}: no usable tokenizer files ({str(error).splitlines()[0]}).") from error
    assert isinstance(tokenizer, PreTrainedTokenizerBase)
    return tokenizer


def stop_tokens(folder: Path, tokenizer: PreTrainedTokenizerBase, stop: str | None) -> frozenset[int]:
    """End tokens: those of generation_config.json, the tokenizer's own, and the template's stop text if it is one."""
    path = folder / "generation_config.json"
    found = read_json(path).get("eos_token_id") if path.is_file() else None
    ends = {*(found if isinstance(found, list) else [found]), tokenizer.eos_token_id}
    if len(written := tokenizer(stop or "", add_special_tokens=False).input_ids) == 1:
        ends.add(written[0])
    return frozenset(ends - {None, tokenizer.unk_token_id})
