"""Reducers by name, and how the weights of a family are told from another's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from harness.errors import UnknownName
from harness.registry import Registry
from models.llava.config import LlavaConfig
from models.llava.reducers import VisualReducer
from models.llava.reducers.identity import Identity
from models.llava.reducers.llava_mini import LlavaMini

REDUCERS: Mapping[str, str] = MappingProxyType(
    {
        "prumerge": "models.llava.reducers.prumerge:PruMerge",
        "prumerge-plus": "models.llava.reducers.prumerge:PruMergePlus",
        "mqt": "models.llava.reducers.mqt:Mqt",
        "tokenpacker": "models.llava.reducers.tokenpacker:TokenPacker",
        "video-chatgpt": "models.llava.reducers.video_chatgpt:VideoChatGpt",
        "llama-vid": "models.llava.reducers.llama_vid:LlamaVidReducer",
        "voco": "models.llava.reducers.voco:Voco",
    }
)
"""Those that a preset can put on the LLaVA architecture."""
_SIGNATURES = {
    "model.query_abstractor.": "MQT-LLaVA",
    "model.mm_projector.q_proj_1.": "TokenPacker",
    "model.vlm_att_": "LLaMA-VID",
    "model.compressor.": "LLaVA-Mini",
    "multi_modal_projector.": "transformers' own LLaVA layout",
    "language_model.": "transformers' own LLaVA layout",
    "model.mm_projector.": "LLaVA-1.5",
}
"""Beginnings of keys, the first that is found decides."""


def build_reducer(config: LlavaConfig) -> VisualReducer:
    """What a config asks for: its `reducer`, else LLaVA-Mini's where there is a compressor, else LLaVA-1.5's.

    Raises UnknownName, and UserError or CheckpointError for options that the reducer cannot have.
    """
    if not config.reducer:
        return LlavaMini(config) if config.compressor_size is not None else Identity(config)
    if config.reducer not in REDUCERS:
        raise UnknownName("reducer", config.reducer, REDUCERS)
    kind: Any = Registry("reducer", REDUCERS).load(config.reducer)
    built: VisualReducer = kind(config)
    return built


def family_of(keys: Iterable[str]) -> str | None:
    """Whose weights these are, by their keys; None where nothing tells."""
    keys = list(keys)
    for beginning, family in _SIGNATURES.items():
        if any(key.startswith(beginning) for key in keys):
            return family
    return None
