"""The `Model` contract over a worker: files by path, one question at a time, a lost worker asked once more."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image

from harness.errors import MediaError, UserError
from harness.media.chunks import Chunk
from harness.media.image import open_image
from harness.media.video import read_frames
from harness.model import Model, ModelCard, ReadyGroup
from harness.types import Failure, FramePolicy, Group, Image, Json, Media, Request, Response
from models.workers.process import Worker, WorkerFault

TRIES, IN_A_ROW = 2, 5
"""How often a question is asked of a worker that is lost over it; how many such questions in a row, or groups without
any answer, end a run."""


@dataclass(frozen=True, slots=True)
class FilePreparer:
    """What travels is a path, so a chunk is what has none yet: a picture's PNG bytes [1, n], or nothing [1, 0] for a
    file on disk, which is opened once to see that it can be read. `frames`: a video as pictures, else as its file."""

    frames: bool = False
    reader: str = "pyav"

    def __call__(self, media: Media, frames: FramePolicy) -> Iterator[Chunk]:
        """Raises MediaError."""
        if isinstance(media, Image):
            picture = open_image(media)
            yield _NOTHING if isinstance(media.source, Path) else _png(picture)
        elif self.frames:
            for frame in read_frames(media, frames, self.reader):
                yield _png(PIL.Image.fromarray(frame))
        elif media.source.is_dir():
            raise MediaError("a folder of frames, and this model reads video files", str(media.source))
        elif frames.clip_bounds:
            raise MediaError("a part of a video, and this model reads whole files", str(media.source))
        else:
            next(read_frames(media, FramePolicy(max_frames=1), self.reader), None)
            yield _NOTHING


_NOTHING: Chunk = np.zeros((1, 0), np.uint8)


def _png(picture: PIL.Image.Image) -> Chunk:
    content = io.BytesIO()
    picture.save(content, "PNG")
    return np.frombuffer(content.getvalue(), np.uint8)[None]


class WorkerAdapter(Model):
    """Puts each group's medium where the worker can read it, and its questions one after the other."""

    sharing = False

    def __init__(self, worker: Worker, card: ModelCard, preparer: FilePreparer) -> None:
        self.card, self._worker, self._preparer = card, worker, preparer
        self._lost = self._failed = 0

    def preparer(self) -> FilePreparer:
        return self._preparer

    def cost_tokens(self, group: Group) -> int:
        return 1024 * len(group.requests)

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response | Failure]:
        """Raises MediaError, and UserError when the worker was lost or the model failed again and again."""
        for ready in groups:
            answered = False
            with tempfile.TemporaryDirectory(prefix="run-eval-") as folder:
                medium = self._medium(ready, Path(folder))
                for request in ready.group.requests:
                    said = self._answer(request, medium)
                    answered |= isinstance(said, Response)
                    yield said
            self._failed = 0 if answered else self._failed + 1
            if self._failed >= IN_A_ROW and isinstance(said, Failure):
                why = f"{said.reason}: {said.detail}"
                raise UserError(f"the model answered nothing about {self._failed} media in a row, the last time {why}.")

    def _medium(self, ready: ReadyGroup, folder: Path) -> dict[str, Json]:
        media, paths = ready.group.media, []
        for number, chunk in enumerate(ready.chunks):
            if chunk.size:
                paths.append(folder / f"{number:06}.png")
                paths[-1].write_bytes(chunk.tobytes())
            elif media is not None and isinstance(media.source, Path):
                paths.append(media.source.absolute())
        kind = "image" if isinstance(media, Image) else "frames" if self._preparer.frames else "video"
        return {"media": None if media is None else kind, "paths": [str(path) for path in paths]}

    def _answer(self, request: Request, medium: Mapping[str, Json]) -> Response | Failure:
        asked = {"text": request.text, "max_new_tokens": request.max_new_tokens, **medium}
        for _ in range(TRIES):
            try:
                reply = self._worker.ask(asked)
            except (WorkerFault, OSError) as error:
                lost = error if isinstance(error, WorkerFault) else WorkerFault("worker did not start", str(error))
                continue
            if (reason := reply.get("failure")) is None:
                self._lost = 0
                frames = 0 if medium["media"] == "video" else len(medium["paths"])
                return Response(request.sample_id, str(reply["text"]), **{"frames": frames, **_counts(reply)})
            lost = WorkerFault(reason, str(reply.get("detail", "")))
            if not _spoils(lost):
                return Failure(request.sample_id, lost.reason, lost.detail)
            self._worker.stop()
        self._lost += 1
        if self._lost >= IN_A_ROW:
            raise UserError(f"the worker was lost over {self._lost} questions in a row, the last time with {lost}.")
        return Failure(request.sample_id, lost.reason, lost.detail)


def _counts(reply: Mapping[str, Json]) -> dict[str, int]:
    """What the worker knows of its tokens and frames."""
    counts = ("vision_tokens", "text_tokens", "output_tokens", "frames")
    return {key: reply[key] for key in counts if isinstance(reply.get(key), int)}


def _spoils(fault: WorkerFault) -> bool:
    """Whether a process that lived on cannot be used any more: memory is torn up, a CUDA context broken."""
    return fault.reason == "out of memory" or "cuda" in fault.detail.lower()
