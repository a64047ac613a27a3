"""FLOPs of the reducers that stand in the projector's place: MQT-LLaVA's and TokenPacker's, one image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.profiler.shapes import Shape


def mqt_flops(shape: Shape, products: bool) -> int:
    """m queries over P patches, then to the language model's width. `products`: attention instead of LayerNorms."""
    width, patches, tokens = shape.config.vision_width, shape.patches, shape.vision_tokens
    linear = 2 * (2 * patches + 2 * tokens) * width**2 + 2 * tokens * width * shape.config.llama["hidden_size"]
    return int(linear + (4 * tokens * patches * width if products else 5 * width * (tokens + 2 * patches)))


def tokenpacker_flops(shape: Shape, products: bool) -> int:
    """n coarse cells, each over its own patches, of four layers of the tower. GELU is one FLOP an element."""
    width, hidden = shape.config.vision_width, shape.config.llama["hidden_size"]
    patches, tokens = shape.patches, shape.vision_tokens
    keys_and_values = 2 * patches * 2 * (4 * width * width + width * width)
    attention = 2 * (2 * patches + 2 * tokens) * width**2
    linear = 2 * tokens * width**2 + keys_and_values + attention + 2 * tokens * (width * hidden + hidden**2)
    if products:
        return int(linear + 4 * patches * width)
    return int(linear + 5 * width * (tokens + 2 * patches) + 2 * patches * width + tokens * hidden)


OWN_PROJECTION: Mapping[str, Callable[[Shape, bool], int]] = MappingProxyType(
    {"mqt": mqt_flops, "tokenpacker": tokenpacker_flops}
)
"""By reducer; their models have no projector besides."""

_NO_FORM = MappingProxyType(
    {
        "video-chatgpt": "a video of any length has 356 tokens, none of which is one frame's",
        "llama-vid": "every question has its own tokens of every frame: the context, and the content that all share",
        "voco": "all 576 tokens of a picture enter the language model, and text sees its 1 or 2 VoCo tokens alone",
    }
)


def why_uncounted(reducer: str) -> str:
    """Why a reducer's cost is not that of so many tokens a picture."""
    return _NO_FORM.get(reducer, f"the reducer {reducer} decides how many tokens a picture gets")
