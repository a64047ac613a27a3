"""Models in interpreters of their own, behind the harness's `Model` contract: one question at a time over a pipe.

The interpreter comes from `RUN_EVAL_PYTHON`, or from `RUN_EVAL_PYTHON_<PRESET>` (as in RUN_EVAL_PYTHON_QWEN_VL) for one
model. A worker that dies, hangs, runs out of memory or talks nonsense is started again and asked once more; then the
sample is Missing with the reason.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from harness.errors import MediaError, NotAvailable, UserError
from harness.media.chunks import Chunk
from harness.media.image import open_image
from harness.media.video import read_frames
from harness.model import Model, ModelCard, ReadyGroup
from harness.types import Failure, FramePolicy, Group, Image, Json, Media, Request, Response
from models import Preset
from models.workers.process import Worker, WorkerFault

PYTHON, SECONDS = "RUN_EVAL_PYTHON", "RUN_EVAL_WORKER_SECONDS"
LOAD_SECONDS, ANSWER_SECONDS = 3600.0, 300.0
TRIES, LOST_IN_A_ROW = 2, 5
VERSION = "worker-1"
OPTIONS = {"adapter", "arguments", "weights_argument", "video", "needs", "bridge"}


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
        self._lost = 0

    def preparer(self) -> FilePreparer:
        return self._preparer

    def cost_tokens(self, group: Group) -> int:
        return 1024 * len(group.requests)

    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response | Failure]:
        for ready in groups:
            with tempfile.TemporaryDirectory(prefix="run-eval-") as folder:
                medium = self._medium(ready, Path(folder))
                for request in ready.group.requests:
                    yield self._answer(request, medium)

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
        """Raises UserError when the worker was lost over many requests in a row."""
        asked = {"text": request.text, "max_new_tokens": request.max_new_tokens, **medium}
        for _ in range(TRIES):
            try:
                reply = self._worker.ask(asked)
            except (WorkerFault, OSError) as error:
                lost = error if isinstance(error, WorkerFault) else WorkerFault("worker did not start", str(error))
                continue
            if (reason := reply.get("failure")) is None:
                self._lost = 0
                pictures = 0 if medium["media"] == "video" else len(medium["paths"])
                return Response(request.sample_id, frames=pictures, **_said(reply))
            lost = WorkerFault(reason, str(reply.get("detail", "")))
            if not _spoils(lost):
                return Failure(request.sample_id, lost.reason, lost.detail)
            self._worker.stop()
        self._lost += 1
        if self._lost >= LOST_IN_A_ROW:
            raise UserError(f"the worker was lost over {self._lost} questions in a row, the last time with {lost}.")
        return Failure(request.sample_id, lost.reason, lost.detail)


def _said(reply: Mapping[str, Json]) -> dict[str, Any]:
    counts = {key: reply[key] for key in ("vision_tokens", "text_tokens", "output_tokens") if key in reply}
    return {"text": str(reply["text"]), **counts}


def _spoils(fault: WorkerFault) -> bool:
    """Whether a process that lived on cannot be used any more: memory is torn up, a CUDA context broken."""
    return fault.reason == "out of memory" or "cuda" in fault.detail.lower()


def load(preset: Preset, checkpoint: str | None, device: str | None, dtype: str | None, reader: str) -> WorkerAdapter:
    """Starts a worker with the preset's model. Raises NotAvailable without an interpreter, UserError where the model
    does not load there."""
    if unknown := set(preset.options) - OPTIONS:
        raise UserError(f"preset {preset.name}: unknown options {', '.join(sorted(unknown))}.")
    python, (adapter, arguments) = interpreter(preset), model_arguments(preset, checkpoint)
    if dtype:
        arguments["dtype"] = dtype
    bridge = Path(preset.options.get("bridge", Path(__file__).parent / "workers" / "lmms_eval_bridge.py"))
    options = {"adapter": adapter, "arguments": arguments, "device": device}
    worker = Worker(python, bridge, options, LOAD_SECONDS, _seconds())
    try:
        identity = worker.start()
    except (WorkerFault, OSError) as error:
        raise UserError(f"{preset.name} does not load in {python}: {error}. It needs {_needs(preset)}.") from error
    settings = {"adapter": adapter, "arguments": arguments, "bridge": _digest(bridge), **identity}
    frames = preset.options.get("video", "file") == "frames"
    folders = [Path(value) for value in arguments.values() if isinstance(value, str) and Path(value).is_dir()]
    card = ModelCard(
        name=preset.name,
        digest=hashlib.sha256(json.dumps([settings, *map(_digest, folders)], sort_keys=True).encode()).hexdigest(),
        dtype=dtype or "as its own code chooses",
        version=VERSION,
        modalities=preset.modalities,
        settings={**settings, "video": "frames" if frames else "file"},
        source=checkpoint or preset.weights or "",
        notes=() if frames else ("its own code chooses the frames of a video, and how it decodes is its own too",),
    )
    return WorkerAdapter(worker, card, FilePreparer(frames, reader))


def check(preset: Preset, checkpoint: str | None) -> None:
    """Whether there is an interpreter, and a checkpoint that can be asked for. Raises NotAvailable, UserError."""
    interpreter(preset)
    model_arguments(preset, checkpoint)


def interpreter(preset: Preset) -> str:
    """The Python of a preset's environment. Raises NotAvailable."""
    own = f"{PYTHON}_{re.sub('[^A-Z0-9]', '_', preset.name.upper())}"
    python = os.environ.get(own) or os.environ.get(PYTHON)
    if not python:
        raise NotAvailable(
            f"{preset.name} runs in a Python of its own. Make an environment with {_needs(preset)}, then set {own}, or "
            f"{PYTHON} for all such models, to its interpreter, e.g. {own}=$HOME/envs/{preset.name}/bin/python."
        )
    if (found := shutil.which(python)) is None:
        raise NotAvailable(f"{own if os.environ.get(own) else PYTHON}={python}: there is no such program.")
    return found


def model_arguments(preset: Preset, checkpoint: str | None) -> tuple[str, dict[str, Json]]:
    """lmms-eval's name of the model and its arguments. A preset without an adapter takes both from --checkpoint, as in
    `llava_hf:pretrained=DIR`. Raises UserError."""
    arguments: dict[str, Json] = dict(preset.options.get("arguments", {}))
    if (adapter := preset.options.get("adapter")) is not None:
        if weights := checkpoint or preset.weights:
            arguments[preset.options.get("weights_argument", "pretrained")] = weights
        return str(adapter), arguments
    adapter, _, rest = (checkpoint or "").partition(":")
    if not adapter:
        raise UserError(
            f"--model {preset.name} needs --checkpoint ADAPTER:KEY=VALUE,.., with an adapter of lmms-eval and its "
            "model_args, e.g. --checkpoint llava_hf:pretrained=DIR."
        )
    for pair in filter(None, rest.split(",")):
        key, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--checkpoint {checkpoint}: '{pair}' is no KEY=VALUE.")
        arguments[key] = value
    return adapter, arguments


def _needs(preset: Preset) -> str:
    return str(preset.options.get("needs", "what the model imports"))


def _seconds() -> float:
    text = os.environ.get(SECONDS, str(ANSWER_SECONDS))
    try:
        if (found := float(text)) > 0:
            return found
    except ValueError as error:
        raise UserError(f"{SECONDS}={text}: must be seconds, e.g. 600.") from error
    raise UserError(f"{SECONDS}={text}: must be above 0.")


def _digest(path: Path) -> str:
    """sha256 of a file, or over the names and contents of a folder's files."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    names = sorted(one for one in path.rglob("*") if one.is_file())
    return hashlib.sha256("".join(f"{one.relative_to(path)} {_digest(one)}" for one in names).encode()).hexdigest()
