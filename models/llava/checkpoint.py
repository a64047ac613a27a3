"""Checkpoints in the public layout: a folder or a hub id with config.json and (sharded) safetensors.

Keys are those of the released code. The tower's weights come from `mm_vision_tower`; copies of them inside the
checkpoint are ignored, as the released loader does.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPVisionModel, LlamaForCausalLM

from harness.errors import CheckpointError, NotAvailable
from models.llava.config import LlavaConfig, read_config
from models.llava.model import LlavaModel
from models.llava.reducers import VisualReducer
from models.llava.reducers.identity import Identity
from models.llava.reducers.llava_mini import LlavaMini
from models.llava.tower import ClipTower

IGNORED = ("model.vision_tower.", "model.image_newline")
SHOWN = 5


def build(config: LlavaConfig, tower: ClipTower) -> LlavaModel:
    """A model with fresh weights: LLaVA-Mini's reducer when the config has a compressor, else LLaVA-1.5's."""
    reducer: VisualReducer = LlavaMini(config) if config.compressor_size is not None else Identity(config)
    return LlavaModel(config, tower, reducer, LlamaForCausalLM(config.llama_config()))


def locate(weights: str, what: str = "weights") -> Path:
    """The folder of a checkpoint: a local folder as it is, else a snapshot of the hub id. Raises NotAvailable."""
    folder = Path(weights).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_absolute() or weights.startswith("."):
        raise NotAvailable(f"{what}: there is no folder {weights}. Check --checkpoint.")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(weights, allow_patterns=["*.json", "*.safetensors", "*.model", "*.jinja"]))
    except Exception as error:  # the hub client has a dozen kinds of failure, all with the same remedy
        raise NotAvailable(
            f"{what} '{weights}' cannot be reached on the hub ({type(error).__name__}). Download the repository "
            f"{weights} on a machine with a network, put it in a folder, and pass --checkpoint DIR. What works now: "
            "run-eval --model llava-mini-tiny --tasks gqa,mlvu --data sample"
        ) from error


def locate_tower(config: LlavaConfig, folder: Path) -> Path:
    """`mm_vision_tower`: a path from the checkpoint's folder or its parent, an absolute path, or a hub id."""
    for base in (folder, folder.parent):
        if (base / config.vision_tower / "config.json").is_file():
            return base / config.vision_tower
    return locate(config.vision_tower, "vision tower")


def load(
    weights: str | Path, dtype: torch.dtype = torch.float32, device: str = "cpu", tower_dtype: torch.dtype | None = None
) -> LlavaModel:
    """Loads a checkpoint folder or hub id, in evaluation mode.

    `tower_dtype` None: `dtype`. Raises NotAvailable (nothing there) or CheckpointError (files or keys do not fit).
    """
    folder = locate(str(weights))
    config = read_config(folder)
    tower = load_tower(locate_tower(config, folder), tower_dtype or dtype)
    with torch.device("meta"):
        empty = build(config, tower)
    model = _filled(empty, folder, dtype)
    model.tower = tower
    return model.to(device).eval()


def load_tower(folder: Path, dtype: torch.dtype) -> ClipTower:
    """transformers' CLIPVisionModel from a folder of its own. Raises CheckpointError."""
    try:
        clip = CLIPVisionModel.from_pretrained(folder, dtype=dtype, local_files_only=True, attn_implementation="sdpa")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"vision tower {folder}: {error}") from error
    return ClipTower(clip.eval())


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files of a checkpoint, by its index where it is sharded. Raises CheckpointError."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    else:
        names = ["model.safetensors"]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(f"{folder}: {len(missing)} weight files are missing: {', '.join(missing[:SHOWN])}.")
    return tuple(folder / name for name in names)


def _filled(model: LlavaModel, folder: Path, dtype: torch.dtype) -> LlavaModel:
    """Gives a meta-device model its weights, one file at a time, cast to `dtype`."""
    wanted = {name for name, _ in _parameters(model)}
    extra: list[str] = []
    loaded: dict[str, Tensor] = {}
    for path in weight_files(folder):
        for key, tensor in load_file(path).items():
            if key.startswith(IGNORED):
                continue
            name = _inner(key, model.reducer)
            if name in wanted:
                loaded[name] = tensor.to(dtype)
            else:
                extra.append(key)
    missing = sorted(_public(name, model.reducer) for name in wanted - set(loaded))
    if missing or extra:
        raise CheckpointError(
            f"{folder}: the weights do not fit config.json: {_listed('missing', missing)}; "
            f"{_listed('extra', sorted(extra))}. "
            "Take config.json and the weights from the same checkpoint, or choose the preset of this model."
        )
    shapes = {name: parameter.shape for name, parameter in _parameters(model)}
    wrong = [name for name, tensor in loaded.items() if tensor.shape != shapes[name]]
    if wrong:
        found = ", ".join(f"{_public(n, model.reducer)} {[*loaded[n].shape]} for {[*shapes[n]]}" for n in wrong[:SHOWN])
        raise CheckpointError(f"{folder}: {len(wrong)} weights have another shape than config.json says: {found}.")
    for name, tensor in loaded.items():
        owner, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(owner), attribute, nn.Parameter(tensor))
    _renew_buffers(model)
    return model


def _renew_buffers(model: LlavaModel) -> None:
    """Rotary frequencies are buffers that no checkpoint holds; on the meta device they have no values yet."""
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, LlamaRotaryEmbedding):
                setattr(module, name, LlamaRotaryEmbedding(model.config.llama_config()))


def save(model: LlavaModel, folder: Path, dtype: torch.dtype | None = None, tower: str = "vision_tower") -> None:
    """Writes config.json, generation_config.json, model.safetensors and the tower in a folder inside."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = {**model.config.raw, "mm_vision_tower": tower}
    (folder / "config.json").write_text(json.dumps(raw, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    ends = {key: raw[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id") if key in raw}
    (folder / "generation_config.json").write_text(json.dumps(ends, indent=2) + "\n", encoding="utf-8")
    tensors = {
        _public(name, model.reducer): parameter.detach().to(dtype or parameter.dtype).contiguous()
        for name, parameter in _parameters(model)
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    clip = copy.deepcopy(model.tower.clip)
    clip.to(dtype or clip.dtype).save_pretrained(folder / tower)


def _parameters(model: LlavaModel) -> Iterator[tuple[str, nn.Parameter]]:
    for name, parameter in model.named_parameters():
        if not name.startswith("tower."):
            yield name, parameter


def _inner(key: str, reducer: VisualReducer) -> str:
    """Public key -> name of the parameter in LlavaModel."""
    for public, own in reducer.key_prefixes.items():
        if key.startswith(public):
            return f"reducer.{own}{key.removeprefix(public)}"
    return f"lm.{key}"


def _public(name: str, reducer: VisualReducer) -> str:
    """Name of the parameter in LlavaModel -> public key."""
    if name.startswith("lm."):
        return name.removeprefix("lm.")
    for public, own in reducer.key_prefixes.items():
        if name.startswith(f"reducer.{own}"):
            return f"{public}{name.removeprefix(f'reducer.{own}')}"
    return name


def _listed(word: str, keys: list[str]) -> str:
    shown = ", ".join(keys[:SHOWN]) + (", .." if len(keys) > SHOWN else "")
    return f"{len(keys)} {word}" + (f" ({shown})" if keys else "")
