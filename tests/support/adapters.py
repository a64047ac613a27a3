"""An adapter that keeps its contract without torch, and variants that each break it in one way."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import MediaError
from harness.media.chunks import Chunk, Preparer
from harness.media.image import open_image
from harness.media.video import read_frames
from harness.model import Model, ModelCard, ReadyGroup
from harness.types import FramePolicy, Group, Image, Media, Request, Response
from models import Preset


@dataclass(frozen=True)
class Small:
    """Pictures and frames as 8 x 8."""

    def __call__(self, media: Media, frames: FramePolicy) -> Iterator[Chunk]:
        if isinstance(media, Image):
            yield np.asarray(open_image(media).resize((8, 8)))[None]
            return
        for frame in read_frames(media, frames):
            yield frame[None, :8, :8]


class Honest(Model):
    """Says a word for each bit of a hash of what it sees and is asked."""

    def __init__(self, modalities: tuple[str, ...] = ("image", "video")) -> None:
        self.card = ModelCard("honest", "0" * 64, "float32", "1", modalities, {"words": 2})

    def preparer(self) -> Preparer:
        return Small()

    def cost_tokens(self, group: Group) -> int:
        return 10 * len(group.requests)

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        for ready in groups:
            chunks = list(ready.chunks)
            seen = b"".join(chunk.tobytes() for chunk in chunks)
            frames = sum(len(chunk) for chunk in chunks)
            for request in ready.group.requests:
                yield self.answer(request, seen, frames)

    def answer(self, request: Request, seen: bytes, frames: int) -> Response:
        digest = hashlib.sha256(seen + request.text.encode()).digest()
        words = [("no", "yes")[byte % 2] for byte in digest[: min(4, request.max_new_tokens)]]
        return Response(
            request.sample_id,
            " ".join(words),
            vision_tokens=64 * frames,
            text_tokens=len(request.text.split()),
            output_tokens=len(words),
            frames=frames,
        )


def load(preset: Preset, checkpoint: str | None, device: str | None, dtype: str | None, reader: str) -> Honest:
    """For `run-eval check-model tests.support.adapters:load`; with `--model-options where=elsewhere` its card differs
    between processes."""
    model = Honest(("image",))
    if preset.options.get("where") == "elsewhere":
        model.card = dataclasses.replace(model.card, settings={"process": os.getpid()})
    return model


@dataclass(frozen=True)
class Odd:
    """A preparer that does something it should not, by name."""

    deed: str

    def __call__(self, media: Media, frames: FramePolicy) -> Iterator[Chunk]:
        if self.deed == "imports torch":
            importlib.import_module("torch")
        if self.deed == "yields nothing":
            return
        try:
            chunks = list(Small()(media, frames))
        except MediaError as error:
            if self.deed == "raises ValueError":
                raise ValueError("cannot decode") from error
            if self.deed != "hides faults":
                raise
            chunks = [np.zeros((1, 8, 8, 3), np.uint8)]
        in_a_worker = multiprocessing.parent_process() is not None
        yield from ([chunk + 1 for chunk in chunks] if self.deed == "differs" and in_a_worker else chunks)


class Prepares(Honest):
    def __init__(self, preparer: Any) -> None:
        super().__init__(("image",))
        self._preparer = preparer

    def preparer(self) -> Preparer:
        return self._preparer  # type: ignore[no-any-return]


class Carded(Honest):
    def __init__(self, **changes: Any) -> None:
        super().__init__(("image",))
        self.card = dataclasses.replace(self.card, **changes)


class Answers(Honest):
    """Changes what an honest model says: `change(answers, groups, calls)` of a whole call."""

    def __init__(self, change: Callable[[list[Response], Sequence[ReadyGroup], int], list[Response]]) -> None:
        super().__init__(("image",))
        self._change, self._calls = change, 0

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        self._calls += 1
        yield from self._change(list(super().respond(groups)), groups, self._calls)


class NewName(Honest):
    """Its card changes as it answers."""

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        self.card = dataclasses.replace(self.card, settings={"asked": len(groups)})
        yield from super().respond(groups)


class Sharing(Honest):
    """What it shares changes its answers."""

    def answer(self, request: Request, seen: bytes, frames: int) -> Response:
        said = super().answer(request, seen, frames)
        return dataclasses.replace(said, text=said.text + " indeed") if self.sharing else said


class Tied(Honest):
    """A call that is given up leaves it locked."""

    locked = False

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        if self.locked:
            raise RuntimeError("still busy with the call before")
        self.locked = True
        yield from super().respond(groups)
        self.locked = False


class Listed(Honest):
    """Answers in a list."""

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response]:
        return iter(list(super().respond(groups)))


class Sighted(Honest):
    """Cannot do without a medium."""

    def answer(self, request: Request, seen: bytes, frames: int) -> Response:
        return super().answer(request, seen, max(1, frames))


class Talkative(Honest):
    """Knows no limit."""

    def answer(self, request: Request, seen: bytes, frames: int) -> Response:
        return dataclasses.replace(super().answer(request, seen, frames), output_tokens=4)


class Free(Honest):
    """Costs nothing."""

    def cost_tokens(self, group: Group) -> int:
        return 0


class Looks(Honest):
    """Opens the file to say what it costs."""

    def cost_tokens(self, group: Group) -> int:
        return len(open_image(group.media).tobytes()) if isinstance(group.media, Image) else 1
