"""The model under check, what it is shown, and how it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path

from harness.data.scenes.draw import render, render_frames
from harness.data.scenes.image import image_scene
from harness.data.scenes.video import video_scene
from harness.errors import MediaError
from harness.media.chunks import Chunk
from harness.model import Model, ReadyGroup
from harness.types import Failure, FramePolicy, Group, Image, Json, Media, Request, Response, Video

FRAMES = FramePolicy(max_frames=4)
MAX_NEW_TOKENS = 12
QUESTIONS = (
    "What color is the circle?",
    "Is there a square in the picture? Answer the question using a single word or phrase.",
    "How many things are there?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer with the option's letter from the choices directly.",
)
"""Of different lengths, so that padding and positions matter."""


class Subject:
    """A model, media that it says it can see, and three questions about each; files are written to `folder`."""

    def __init__(self, model: Model, folder: Path, card_elsewhere: Mapping[str, Json] | None) -> None:
        self.model, self.folder, self.card_elsewhere = model, folder, card_elsewhere
        self.media = self._media()

    def _media(self) -> tuple[Media, ...]:
        """Three pictures and a video, as far as the card's modalities go."""
        found: list[Media] = []
        if "image" in self.model.card.modalities:
            for number in range(3):
                path = self.folder / f"picture{number}.png"
                render(image_scene("validation", number)).resize((96 + 40 * number, 96)).save(path)
                found.append(Image(path.stem, path))
        if "video" in self.model.card.modalities:
            found.append(Video("video", _write_video(self.folder / "video.mp4")))
        return tuple(found)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """A group a medium, each with every question."""
        return tuple(self.group(media, *QUESTIONS) for media in self.media)

    @property
    def text_only(self) -> Group:
        return self.group(None, QUESTIONS[1])

    @cached_property
    def alone(self) -> dict[str, Response]:
        """The answer to every question in a call of its own: what all other ways are compared with."""
        found: dict[str, Response] = {}
        for group in self.groups:
            for request in group.requests:
                found |= answered(self.ask([Group(group.media, (request,))]))
        return found

    @staticmethod
    def group(media: Media | None, *questions: str, max_new_tokens: int = MAX_NEW_TOKENS) -> Group:
        name = media.id if media is not None else "text"
        return Group(
            media,
            tuple(Request(f"{name}/{at}", text, max_new_tokens, FRAMES) for at, text in enumerate(questions)),
        )

    def ready(self, group: Group) -> ReadyGroup:
        """A group as the engine hands it over, its medium prepared in this process."""
        return ReadyGroup(group, iter(()) if group.media is None else self._chunks(group.media))

    def ask(self, groups: Sequence[Group]) -> list[Response | Failure]:
        return list(self.model.respond([self.ready(group) for group in groups]))

    def _chunks(self, media: Media) -> Iterator[Chunk]:
        try:
            yield from self.model.preparer()(media, FRAMES)
        except MediaError as error:
            raise RuntimeError(f"the preparer refuses a sound file, {media.source}: {error}") from error


def answered(said: Sequence[Response | Failure]) -> dict[str, Response]:
    """Responses by id; failures have none."""
    return {one.sample_id: one for one in said if isinstance(one, Response)}


def _write_video(path: Path) -> Path:
    import av
    import numpy as np

    pictures = list(islice(render_frames(video_scene("validation", "plotQA", 0), fps=4.0), 20))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=4)
        stream.width, stream.height, stream.pix_fmt = *pictures[0].size, "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")))
        container.mux(stream.encode())
    return path
