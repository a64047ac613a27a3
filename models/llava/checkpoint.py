"""Checkpoints in the public layout: config.json and weights, whole or sharded, into a `LlavaModel` and back.

Keys are those of the released code. The tower's weights come from `mm_vision_tower`; copies of them inside the
checkpoint are ignored, as the released loader does.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPVisionModel, LlamaForCausalLM
from transformers.modeling_utils import load_state_dict

from harness.errors import CheckpointError
from models.llava.config import LlavaConfig, read_config
from models.llava.files import locate, locate_tower, weight_files
from models.llava.model import LlavaModel
from models.llava.processor import FILE as PROCESSOR_FILE
from models.llava.processor import read_processor, write_processor
from models.llava.reducers import VisualReducer
from models.llava.reducers.identity import Identity
from models.llava.reducers.llava_mini import LlavaMini
from models.llava.tower import ClipTower

SHOWN = 5


def build(config: LlavaConfig, tower: ClipTower) -> LlavaModel:
    """A model with fresh weights: LLaVA-Mini's reducer when the config has a compressor, else LLaVA-1.5's."""
    reducer: VisualReducer = LlavaMini(config) if config.compressor_size is not None else Identity(config)
    return LlavaModel(config, tower, reducer, LlamaForCausalLM(config.llama_config()))


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
        model = build(config, tower)
    _fill(model, folder, dtype, device)
    return model.to(device).eval()


def load_tower(folder: Path, dtype: torch.dtype) -> ClipTower:
    """transformers' CLIPVisionModel from a folder of its own. Raises CheckpointError."""
    try:
        clip, report = CLIPVisionModel.from_pretrained(
            folder, dtype=dtype, local_files_only=True, attn_implementation="sdpa", output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"vision tower {folder}: {error}") from error
    if missing := sorted(report["missing_keys"]):
        raise CheckpointError(f"vision tower {folder}: {_listed('missing', missing)}. Download the tower again.")
    processor = read_processor(folder)
    if processor.crop != clip.config.image_size:
        raise CheckpointError(
            f"vision tower {folder}: {PROCESSOR_FILE} makes pictures of {processor.crop} pixels, "
            f"config.json wants {clip.config.image_size}."
        )
    return ClipTower(clip.eval(), processor)


def _fill(model: LlavaModel, folder: Path, dtype: torch.dtype, device: str) -> None:
    """Gives a model on the meta device its weights, one file at a time, so that no second copy stands in memory."""
    wanted = dict(_parameters(model))
    given: set[str] = set()
    extra: list[str] = []
    wrong: list[str] = []
    for path in weight_files(folder):
        for key, tensor in _tensors(path).items():
            name = _inner(key, model.reducer)
            if _ignored(key):
                continue
            if name not in wanted:
                extra.append(key)
                continue
            given.add(name)
            if tensor.shape != wanted[name].shape:
                wrong.append(f"{key} {[*tensor.shape]} for {[*wanted[name].shape]}")
                continue
            owner, _, attribute = name.rpartition(".")
            # Copied, since a view of the mapped file keeps its odd alignment, which changes the last bits of products.
            setattr(model.get_submodule(owner), attribute, nn.Parameter(tensor.to(device, dtype, copy=True)))
    missing = sorted(_public(name, model.reducer) for name in set(wanted) - given)
    if missing or extra or wrong:
        found = [_listed(word, keys) for word, keys in (("missing", missing), ("extra", sorted(extra))) if keys]
        found += [_listed("of another shape", wrong)] if wrong else []
        raise CheckpointError(
            f"{folder}: the weights do not fit config.json: {'; '.join(found)}. "
            "Take config.json and the weights from the same checkpoint, or choose the preset of this model."
        )
    model.lm.tie_weights()
    _renew_buffers(model)


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_state_dict(path)  # of a pickle: tensors or nothing
    except Exception as error:  # the readers of the two formats raise a dozen kinds
        raise CheckpointError(
            f"{path}: cannot be read ({type(error).__name__}: {str(error).splitlines()[0]}). Download it again."
        ) from error


def _ignored(key: str) -> bool:
    """Copies of the tower, LLaVA-1.6's separator, and the rotary tables that old checkpoints hold."""
    return key.startswith(("model.vision_tower.", "model.image_newline")) or key.endswith("rotary_emb.inv_freq")


def _renew_buffers(model: LlavaModel) -> None:
    """Rotary frequencies are buffers that no checkpoint holds; on the meta device they have no values yet."""
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, LlamaRotaryEmbedding):
                setattr(module, name, LlamaRotaryEmbedding(model.config.llama_config()))


def save(model: LlavaModel, folder: Path, dtype: torch.dtype | None = None, tower: str = "vision_tower") -> None:
    """Writes config.json, generation_config.json, model.safetensors and the tower, in a folder inside.

    The caller adds the tokenizer's files. `dtype` None: as the model stands.
    """
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
    write_processor(model.tower.processor, folder / tower)


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


def _listed(word: str, keys: Sequence[str]) -> str:
    shown = ", ".join(keys[:SHOWN]) + (", .." if len(keys) > SHOWN else "")
    return f"{len(keys)} {word}" + (f" ({shown})" if keys else "")
