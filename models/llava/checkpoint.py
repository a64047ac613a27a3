"""Checkpoints in the public layout: config.json and weights, whole or sharded, into a `LlavaModel` and back.

Keys are those of the released code. The tower's weights come from `mm_vision_tower`; copies of them inside the
checkpoint are ignored, as the released loader does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaForCausalLM
from transformers.modeling_utils import load_state_dict

from harness.errors import CheckpointError
from models.llava.config import LlavaConfig, read_config
from models.llava.files import locate, locate_tower
from models.llava.lora import shards
from models.llava.model import LlavaModel
from models.llava.overlay import laid_over, overlay_file
from models.llava.processor import FILE as PROCESSOR_FILE
from models.llava.processor import read_processor, write_processor
from models.llava.reducers import VisualReducer
from models.llava.reducers.table import build_reducer, family_of
from models.llava.tower import ClipTower, VisionTower

SHOWN = 5
_TOWER = "vision_model."
"""Before every key of a public CLIP tower."""
_IGNORED = re.compile(
    r"model\.vision_tower\.|model\.image_newline|.*rotary_emb\.inv_freq|model\.vlm_att_encoder\.(cls\.|.*position_ids)"
)
"""Copies of the tower, LLaVA-1.6's separator, rotary tables that old checkpoints hold, and BERT's unused head."""
_NOT_VISION = re.compile(r"text_model\.|text_projection\.|visual_projection\.|logit_scale|.*position_ids")
"""The rest of a whole CLIP."""


def build(config: LlavaConfig, tower: VisionTower) -> LlavaModel:
    """A model with fresh weights and the reducer that the config asks for. Raises CheckpointError."""
    reducer, depth = build_reducer(config), tower.depth
    if wrong := [layer for layer in reducer.request.layers if not -depth - 1 <= layer <= depth]:
        raise CheckpointError(f"the tower has {depth} layers and no hidden state {wrong}, which its reducer reads.")
    return LlavaModel(config, tower, reducer, LlamaForCausalLM(config.llama_config()))


def load(
    weights: str | Path,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
    tower_dtype: torch.dtype | None = None,
    config: LlavaConfig | None = None,
) -> LlavaModel:
    """Loads a checkpoint folder or hub id, in evaluation mode.

    `tower_dtype` None: `dtype`. `config` None: as config.json says, without a preset's reducer.
    Raises NotAvailable (nothing there) or CheckpointError (files or keys do not fit).
    """
    folder = locate(str(weights))
    config = config or read_config(folder)
    place = locate_tower(config, folder)
    read_tower = partial(load_eva, options=config.options) if place.is_file() else load_tower
    tower = read_tower(place, tower_dtype or dtype)
    with init_empty_weights(include_buffers=False):
        model = build(config, tower)
    model.lm.tie_weights()
    names = {_public(name, model.reducer): name for name, _ in _parameters(model)}
    tensors = shards(folder, _tensors)
    if name := config.options.get("overlay"):
        tensors = laid_over(tensors, overlay_file(folder, name), _tensors, config.llama["vocab_size"])
    _fill(model, names, tensors, str(folder), dtype, device, _IGNORED)
    model.lm.tie_weights()
    return model.to(device).eval()


def load_tower(folder: Path, dtype: torch.dtype) -> ClipTower:
    """transformers' CLIPVisionModel from a folder that holds it or all of CLIP. Raises CheckpointError."""
    processor = read_processor(folder)
    try:
        config = CLIPVisionConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder}: no usable config.json of a CLIP tower ({error}).") from error
    if processor.crop != config.image_size:
        raise CheckpointError(
            f"{folder}: {PROCESSOR_FILE} makes {processor.crop} pixels, config.json wants {config.image_size}."
        )
    with init_empty_weights(include_buffers=False):
        clip = CLIPVisionModel(config)
    names = {f"{_TOWER}{name}": name for name, _ in clip.named_parameters()}
    _fill(clip, names, shards(folder, _tensors), str(folder), dtype, "cpu", _NOT_VISION)
    return ClipTower(clip.eval(), processor)


def load_eva(path: Path, dtype: torch.dtype, options: Mapping[str, Any]) -> VisionTower:
    """LLaMA-VID's tower from its file. `options`: `picture` side in pixels, `heads`. Raises CheckpointError."""
    from transformers import InstructBlipVisionModel

    from models.llava.eva import HEADS, UNUSED, EvaTower, eva_config, eva_key, native_weights

    tensors = _tensors(path)
    config = eva_config(tensors, int(options.get("picture", 224)), int(options.get("heads", HEADS)), str(path))
    with init_empty_weights(include_buffers=False):
        tower = EvaTower(InstructBlipVisionModel(config))
    names = {eva_key(name): name for name, _ in tower.eva.named_parameters()}
    _fill(tower.eva, names, [native_weights(tensors, config)], str(path), dtype, "cpu", UNUSED)
    return tower.requires_grad_(False).eval()


def _fill(
    module: nn.Module,
    names: Mapping[str, str],
    shards: Iterable[Mapping[str, Tensor]],
    where: str,
    dtype: torch.dtype,
    device: str,
    ignored: re.Pattern[str],
) -> None:
    """Gives an empty module its weights, one file at a time, so that no second copy of all stands in memory.

    `names`: key in the files -> parameter. `where`: the files' place, for messages. Raises CheckpointError, listing
    keys that are missing, extra (unless `ignored` matches them) or of another shape.
    """
    given: set[str] = set()
    extra: list[str] = []
    wrong: list[str] = []
    for shard in shards:
        for found, tensor in shard.items():
            key = f"{_TOWER}{found}" if f"{_TOWER}{found}" in names else found  # as transformers 5 writes a new tower
            if key not in names:
                extra += [] if ignored.match(key) else [key]
                continue
            given.add(key)
            owner, _, attribute = names[key].rpartition(".")
            shape = getattr(module.get_submodule(owner), attribute).shape
            if tensor.shape != shape:
                wrong.append(f"{key} {[*tensor.shape]} for {[*shape]}")
                continue
            # Copied, since a view of the mapped file keeps its odd alignment, which changes the last bits of products.
            setattr(module.get_submodule(owner), attribute, nn.Parameter(tensor.to(device, dtype, copy=True)))
    problems = (("missing", sorted(set(names) - given)), ("extra", sorted(extra)), ("of another shape", wrong))
    if found := [_listed(word, keys) for word, keys in problems if keys]:
        family = family_of([*given, *extra])
        raise CheckpointError(
            f"{where}: the weights do not fit config.json: {'; '.join(found)}. "
            f"{f'By their keys they are of {family}. ' if family else ''}"
            "Take config.json and the weights from the same checkpoint, or choose the preset of this model."
        )


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_state_dict(path)  # of a pickle: tensors or nothing
    except Exception as error:  # the readers of the two formats raise a dozen kinds
        raise CheckpointError(
            f"{path}: cannot be read ({type(error).__name__}: {str(error).splitlines()[0]}). Download it again."
        ) from error


def save(model: LlavaModel, folder: Path, dtype: torch.dtype | None = None, tower: str = "vision_tower") -> None:
    """Writes config.json, generation_config.json, model.safetensors and the tower, in a folder inside.

    The caller adds the tokenizer's files. `dtype` None: as the model stands.
    """
    folder.mkdir(parents=True, exist_ok=True)
    raw = {**model.config.raw, "mm_vision_tower": tower}
    (folder / "config.json").write_text(json.dumps(raw, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    ends = {key: raw[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id") if key in raw}
    (folder / "generation_config.json").write_text(json.dumps(ends, indent=2) + "\n", encoding="utf-8")
    own = {_public(name, model.reducer): parameter for name, parameter in _parameters(model)}
    _save(own, folder / "model.safetensors", dtype)
    model.tower.clip.config.save_pretrained(folder / tower)
    clip = {f"{_TOWER}{name}": parameter for name, parameter in model.tower.clip.named_parameters()}
    _save(clip, folder / tower / "model.safetensors", dtype)
    write_processor(model.tower.processor, folder / tower)


def _save(parameters: Mapping[str, Tensor], path: Path, dtype: torch.dtype | None) -> None:
    tensors = {key: tensor.detach().to("cpu", dtype or tensor.dtype).contiguous() for key, tensor in parameters.items()}
    save_file(tensors, path, metadata={"format": "pt"})


def _parameters(model: LlavaModel) -> Iterator[tuple[str, nn.Parameter]]:
    for name, parameter in model.named_parameters():
        if not name.startswith("tower."):
            yield name, parameter


def _public(name: str, reducer: VisualReducer) -> str:
    """Name of the parameter in LlavaModel -> public key."""
    if name.startswith("lm."):
        return name.removeprefix("lm.")
    return reducer.public_key(name.removeprefix("reducer."))


def _listed(word: str, keys: Sequence[str]) -> str:
    shown = ", ".join(keys[:SHOWN]) + (", .." if len(keys) > SHOWN else "")
    return f"{len(keys)} {word} ({shown})"
