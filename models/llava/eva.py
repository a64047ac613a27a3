"""EVA-ViT-g, LLaMA-VID's picture tower: transformers' class of the same architecture, under the published names.

`eva_vit_g.pth` (LAVIS; fp16) has a bias for queries and values and none for keys. Its 40th block and head are not used:
features are what the 39th gives, class token included, without a last norm.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import InstructBlipVisionConfig, InstructBlipVisionModel

from harness.errors import CheckpointError
from models.llava.processor import Processor
from models.llava.tower import FeatureRequest, VisionTower, VisualFeatures

DEPTH = 39
HEADS = 16
UNUSED = re.compile(r"norm\.|fc_norm\.|head\.")
"""Keys of the file beyond its blocks that features do not need."""
_BLOCK = re.compile(r"blocks\.(\d+)\.")
_BIAS = re.compile(r"(blocks\.\d+\.attn\.)([qv])_bias")
_NAMES = (
    ("embeddings.class_embedding", "cls_token"),
    ("embeddings.position_embedding", "pos_embed"),
    ("embeddings.patch_embedding.", "patch_embed.proj."),
    ("encoder.layers.", "blocks."),
    (".self_attn.projection.", ".attn.proj."),
    (".self_attn.", ".attn."),
    (".layer_norm", ".norm"),
)


class EvaTower(VisionTower):
    """The last block's output with class token, whatever layer is asked for by the one name it has (-1)."""

    def __init__(self, eva: InstructBlipVisionModel) -> None:
        super().__init__(Processor(eva.config.image_size, eva.config.image_size))
        eva.post_layernorm = nn.Identity()  # that of the released Q-Former model is another module's here
        self.eva = eva.requires_grad_(False)

    @property
    def grid(self) -> int:
        return int(self.eva.config.image_size // self.eva.config.patch_size)

    @property
    def depth(self) -> int:
        return int(self.eva.config.num_hidden_layers)

    @torch.no_grad()
    def forward(self, pixels: Tensor, request: FeatureRequest) -> VisualFeatures:
        """Normalised pixels [b, 3, S, S] -> [b, 1 + N, D] in the dtype of `pixels`."""
        dtype = self.eva.embeddings.patch_embedding.weight.dtype
        hidden = self.eva.encoder(inputs_embeds=self.eva.embeddings(pixels.to(dtype))).last_hidden_state
        return VisualFeatures({layer: hidden.to(pixels.dtype) for layer in request.layers})


def eva_config(tensors: Mapping[str, Tensor], picture: int, heads: int, where: str) -> InstructBlipVisionConfig:
    """The shape of a file's tower for pictures of `picture` pixels. Raises CheckpointError for another file."""
    needed = "patch_embed.proj.weight", "blocks.0.mlp.fc1.weight", "pos_embed"
    if missing := [key for key in needed if key not in tensors]:
        raise CheckpointError(
            f"{where}: no EVA-ViT-g: {', '.join(missing)} missing, there are {', '.join(list(tensors)[:5])}. "
            "Take eva_vit_g.pth of LAVIS."
        )
    patches, blocks = tensors["patch_embed.proj.weight"], (_BLOCK.match(key) for key in tensors)
    return InstructBlipVisionConfig(
        hidden_size=patches.shape[0],
        intermediate_size=tensors["blocks.0.mlp.fc1.weight"].shape[0],
        num_hidden_layers=min(DEPTH, 1 + max(int(block[1]) for block in blocks if block)),
        num_attention_heads=heads,
        image_size=picture,
        patch_size=patches.shape[-1],
        attn_implementation="sdpa",
    )


def eva_key(name: str) -> str:
    """Parameter of transformers' class -> published key."""
    for own, published in _NAMES:
        name = name.replace(own, published)
    return name


def native_weights(tensors: Mapping[str, Tensor], config: InstructBlipVisionConfig) -> dict[str, Tensor]:
    """A file's weights with one bias for queries, keys (zero) and values, and positions for the config's pictures."""
    found: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        if (block := _BLOCK.match(key)) and int(block[1]) >= config.num_hidden_layers:
            continue
        if not (bias := _BIAS.fullmatch(key)):
            found[key] = tensor
        elif bias[2] == "q" and (values := tensors.get(f"{bias[1]}v_bias")) is not None:
            found[f"{bias[1]}qkv.bias"] = torch.cat([tensor, torch.zeros_like(tensor), values])
    found["pos_embed"] = _resized(found["pos_embed"], config.image_size // config.patch_size)
    return found


def _resized(positions: Tensor, grid: int) -> Tensor:
    """Positions [1, 1 + n * n, D] for grid * grid patches, bicubic, in single precision."""
    side = math.isqrt(positions.shape[1] - 1)
    if side == grid:
        return positions
    square = positions[:, 1:].float().transpose(1, 2).unflatten(2, (side, side))
    patches = functional.interpolate(square, (grid, grid), mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :1].float(), patches.flatten(2).transpose(1, 2)], dim=1)
