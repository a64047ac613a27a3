"""FLOPs of one answer in closed form, stage by stage. Integers; nothing is run.

FLOPs are 2 per multiply-add. Three conventions: `paper` is what calflops counts, and with it the published numbers come
about; `hardware` is the same work with attention counted and without elementwise operations, as
torch.utils.flop_counter has it; `executed` is what this code really does (the tower stops at the selected layer, logits
of the last position only, compressed tokens go through the projector): what a machine's use is measured against.
The number of text tokens T (the image's placeholder not counted) decides the result: no number is to be shown without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from harness.errors import UnknownName, UserError
from harness.profiler.reducers import OWN_PROJECTION
from harness.profiler.shapes import Shape

STAGES = ("tower", "projector", "compression", "prefusion", "language_model")
TEXT_TOKENS = 43
"""The only T of 10..79 with which the paper's own numbers come out."""
COMPRESSOR_HEADS = 8


@dataclass(frozen=True, slots=True)
class Convention:
    """What is counted. `products`: scores and weighted sums of attention, and no elementwise work.

    `lean`: only the work that this code does; else all tower layers and logits of all positions.
    """

    name: str
    meaning: str
    products: bool
    lean: bool = False


PAPER = Convention("paper", "as calflops counts: linear layers, activations, LayerNorm; no attention products", False)
HARDWARE = Convention("hardware", "every matrix product, attention included; no elementwise operations", True)
EXECUTED = Convention("executed", "matrix products that this code really executes", True, lean=True)
CONVENTIONS: Mapping[str, Convention] = MappingProxyType({one.name: one for one in (PAPER, HARDWARE, EXECUTED)})


@dataclass(frozen=True, slots=True)
class Flops:
    """Prefill of one prompt: `stages` has every name of STAGES, 0 for a stage that the model lacks."""

    stages: Mapping[str, int]
    text_tokens: int
    images: int
    convention: str

    @property
    def total(self) -> int:
        return sum(self.stages.values())


def flops(
    shape: Shape, text_tokens: int = TEXT_TOKENS, convention: str | Convention = "paper", images: int = 1
) -> Flops:
    """FLOPs of the prefill over `images` pictures (or frames) and `text_tokens` tokens of text.

    Raises UnknownName for the convention, UserError for impossible counts.
    """
    rule = convention_of(convention)
    if text_tokens < 1 or images < 0:
        raise UserError(f"{text_tokens} text tokens and {images} images: give at least one token, and no fewer than 0.")
    visual, text = shape.vision_tokens, text_tokens
    fused = shape.patches + visual + text
    per_image = {
        "tower": shape.crops * tower_flops(shape, rule),
        "projector": projector_flops(shape, shape.patches + _projected_again(shape, rule), rule),
        "compression": compression_flops(shape, rule),
        "prefusion": prefusion_flops(shape, fused, rule),
    }
    stages = {stage: images * count for stage, count in per_image.items()}
    stages["language_model"] = language_model_flops(shape, images * visual + text, rule)
    return Flops(MappingProxyType(stages), text_tokens, images, rule.name)


def decode_flops(shape: Shape, context: int, new_tokens: int, convention: str | Convention = "hardware") -> int:
    """FLOPs of the steps that make `new_tokens` more tokens when `context` positions are cached.

    The first token of an answer comes from the prefill, so an answer of N tokens has N - 1 of these steps.
    Step i sees context + i positions (itself included).
    """
    rule = convention_of(convention)
    llama = shape.config.llama
    attended = sum(range(context + 1, context + new_tokens + 1))
    layers = llama["num_hidden_layers"] * (
        new_tokens * _layer_linear(shape, rule) + rule.products * 4 * _heads_width(shape) * attended
    )
    return int(layers + new_tokens * _head(shape))


def convention_of(name: str | Convention) -> Convention:
    """Raises UnknownName."""
    if isinstance(name, Convention):
        return name
    if name not in CONVENTIONS:
        raise UnknownName("FLOPs convention", name, CONVENTIONS)
    return CONVENTIONS[name]


def tower_flops(shape: Shape, rule: Convention) -> int:
    """One picture through CLIP. Its QuickGELU is counted by nobody."""
    tower = shape.tower
    width, tokens = tower["hidden_size"], shape.grid**2 + 1
    depth = tower["num_hidden_layers"]
    run = shape.config.select_layer % (depth + 1) if rule.lean else depth
    patches = 2 * shape.grid**2 * width * tower.get("num_channels", 3) * tower["patch_size"] ** 2
    layer = 2 * tokens * (4 * width**2 + 2 * width * tower["intermediate_size"])
    if rule.products:
        return int(patches + run * (layer + 4 * tokens**2 * width))
    norms = 5 * width * (2 * run * tokens + tokens + 1)  # one before the layers, one of the class token after
    return int(patches + run * layer + norms)


def projector_flops(shape: Shape, tokens: int, rule: Convention) -> int:
    """So many tokens from the tower's width D to the language model's H. Its GELU is exact, one FLOP an element."""
    kind = shape.config.projector
    if kind == "identity" or shape.compression in OWN_PROJECTION:
        return 0
    width, hidden = shape.config.vision_width, shape.config.llama["hidden_size"]
    more = 0 if kind == "linear" else int(kind.removeprefix("mlp").removesuffix("x_gelu")) - 1
    activations = 0 if rule.products else more * hidden
    return int(tokens * (2 * width * hidden + more * 2 * hidden**2 + activations))


def compression_flops(shape: Shape, rule: Convention) -> int:
    """C queries over K patches, before the projector. Its position table is a constant, so its resizing is no cost.

    Average pooling: one FLOP a patch element, as calflops counts it; there is no matrix product in it.
    """
    width, patches, tokens = shape.config.vision_width, shape.compressed_patches, shape.vision_tokens
    if shape.compression == "none":
        return 0
    if shape.compression in OWN_PROJECTION:
        return OWN_PROJECTION[shape.compression](shape, rule.products)
    if shape.compression == "average-pooling":
        return 0 if rule.products else patches * width
    linear = 2 * (2 * patches + 2 * tokens) * width**2
    if rule.products:
        return linear + 4 * tokens * patches * width
    return linear + 5 * width * (patches + tokens) + COMPRESSOR_HEADS * tokens * patches  # LayerNorm, softmax


def prefusion_flops(shape: Shape, tokens: int, rule: Convention) -> int:
    """The blocks before the language model, over [patches | compressed tokens | text] of one image."""
    return shape.prefusion_layers * _layer(shape, tokens, rule)


def language_model_flops(shape: Shape, tokens: int, rule: Convention) -> int:
    """The prefill of so many positions. Logits of all of them, as the released code makes them, or of the last."""
    layers = shape.config.llama["num_hidden_layers"] * _layer(shape, tokens, rule)
    return int(layers + (1 if rule.lean else tokens) * _head(shape))


def _layer(shape: Shape, tokens: int, rule: Convention) -> int:
    return tokens * _layer_linear(shape, rule) + rule.products * 4 * _heads_width(shape) * tokens**2


def _layer_linear(shape: Shape, rule: Convention) -> int:
    """One Llama block for one token, attention products aside: q, k, v, o, gate, up, down, and one SiLU."""
    llama = shape.config.llama
    hidden, inner = llama["hidden_size"], llama["intermediate_size"]
    keys = _head_dim(shape) * llama.get("num_key_value_heads", llama["num_attention_heads"])
    products = 2 * (2 * hidden * _heads_width(shape) + 2 * hidden * keys + 3 * hidden * inner)
    return int(products + (0 if rule.products else inner))


def _head(shape: Shape) -> int:
    return int(2 * shape.config.llama["hidden_size"] * shape.config.llama["vocab_size"])


def _head_dim(shape: Shape) -> int:
    llama = shape.config.llama
    return int(llama.get("head_dim") or llama["hidden_size"] // llama["num_attention_heads"])


def _heads_width(shape: Shape) -> int:
    return _head_dim(shape) * int(shape.config.llama["num_attention_heads"])


def _projected_again(shape: Shape, rule: Convention) -> int:
    """Compressed tokens, which also go through the projector: left out by the paper's numbers."""
    return shape.vision_tokens if rule.lean and shape.compression != "none" else 0
