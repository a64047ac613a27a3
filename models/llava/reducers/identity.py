"""No reduction: every patch enters the language model (LLaVA-1.5)."""

from __future__ import annotations

from models.llava.config import LlavaConfig
from models.llava.projector import build_projector
from models.llava.reducers import Encoded, VisualReducer
from models.llava.tower import FeatureRequest, VisualFeatures


class Identity(VisualReducer):
    """Projected patches, text as it is. Several parts of an image follow one another."""

    def __init__(self, config: LlavaConfig) -> None:
        super().__init__()
        self._keep_class = config.select_feature == "cls_patch"
        self.request = FeatureRequest((config.select_layer,), keep_class=self._keep_class)
        self.projector = build_projector(config.projector, config.vision_width, config.llama["hidden_size"])

    def encode(self, features: VisualFeatures, parts: int) -> Encoded:
        return Encoded(self.projector(features.only()).unflatten(0, (-1, parts)).flatten(1, 2))

    def token_count(self, patches: int) -> int:
        return patches + self._keep_class
