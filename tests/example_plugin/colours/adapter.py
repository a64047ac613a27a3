"""A model that knows one thing about a picture or video: the colour of most of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.media.chunks import Chunk
from harness.media.image import open_image
from harness.media.video import read_frames
from harness.model import Model, ModelCard, ReadyGroup
from harness.types import FramePolicy, Group, Image, Media, Response
from models import Preset

NAMES = ("red", "green", "blue")
SIDE = 16


@dataclass(frozen=True)
class Shrink:
    """The CPU side, run in worker processes: chunks of pictures [n, height, width, 3], read and yielded one by one."""

    def __call__(self, media: Media, frames: FramePolicy) -> Iterator[Chunk]:
        if isinstance(media, Image):
            yield np.asarray(open_image(media).resize((SIDE, SIDE)))[None]
        else:
            for frame in read_frames(media, frames):
                yield frame[None, ::8, ::8]


class MeanColour(Model):
    """The device side. A real model would batch the groups, and share what a group's questions have in common."""

    def __init__(self, name: str) -> None:
        self.card = ModelCard(name, digest="no weights", dtype="float32", version="1", modalities=("image", "video"))

    def preparer(self) -> Shrink:
        return Shrink()

    def cost_tokens(self, group: Group) -> int:
        return 1 + sum(len(request.text) // 3 + request.max_new_tokens for request in group.requests)

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        for ready in groups:
            means = [chunk.mean(axis=(1, 2)) for chunk in ready.chunks]  # may raise MediaError: let it pass
            frames = sum(len(mean) for mean in means)
            colour = NAMES[int(np.concatenate(means).mean(axis=0).argmax())] if frames else "nothing"
            for request in ready.group.requests:
                yield Response(
                    request.sample_id,
                    colour,
                    vision_tokens=frames,
                    text_tokens=len(request.text.split()),
                    output_tokens=1,
                    frames=frames,
                )


def load(preset: Preset, checkpoint: str | None, device: str | None, dtype: str | None, reader: str) -> MeanColour:
    """What a preset's `adapter` names: a real one finds weights, device and precision by its arguments."""
    return MeanColour(preset.name)


PRESET = Preset(
    name="mean-colour",
    adapter="colours.adapter:load",
    description="says which of red, green and blue most of a picture is",
    modalities=("image", "video"),
    default_data="folder",
)
