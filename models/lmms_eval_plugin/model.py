"""A model of this project as lmms-eval's `lmms`: questions about one picture or video are answered together."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import PIL.Image
from lmms_eval.api.instance import GenerationResult, Instance, TokenCounts
from lmms_eval.api.model import lmms

from harness.model import ReadyGroup
from harness.types import Failure, FramePolicy, Group, Image, Media, Request, Response, Video
from models import load_model

MAX_NEW_TOKENS = 128


@dataclass(frozen=True)
class Picture:
    """A picture that lmms-eval holds in memory."""

    picture: PIL.Image.Image = field(repr=False)

    def read(self) -> bytes:
        content = io.BytesIO()
        self.picture.save(content, "PNG", compress_level=1)
        return content.getvalue()

    def __str__(self) -> str:
        return f"picture of {self.picture.width} x {self.picture.height} from lmms-eval"


class RunEval(lmms):
    """`model`: a preset; `checkpoint`, `dtype`, `device` as in `run-eval`; `max_frames`: of a video, at 1 a second.

    The text comes from lmms-eval's task as it is. A question without an answer ends the evaluation, since lmms-eval has
    no word for one that is missing.
    """

    is_simple = True

    def __init__(
        self,
        model: str = "llava-mini",
        checkpoint: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
        max_frames: int | str | None = None,
        batch_tokens: int | str = 32768,
        batch_size: int | str = 1,
    ) -> None:
        super().__init__()
        self._model = load_model(model, checkpoint=checkpoint, device=device, dtype=dtype)
        self._frames = FramePolicy(max_frames=int(max_frames) if max_frames else None)
        self._batch_tokens = int(batch_tokens)

    def generate_until(self, requests: Sequence[Instance]) -> list[GenerationResult]:
        """Raises ValueError for a question with several pictures, RuntimeError for one without answer, MediaError."""
        answers: dict[str, Response] = {}
        waiting: dict[str, tuple[Media | None, list[Request]]] = {}
        cost = 0
        for number, instance in enumerate(requests):
            text, settings, doc_to_visual, doc_id, task, split = instance.args
            media = _medium(doc_to_visual(self.task_dict[task][split][doc_id]))
            request = Request(str(number), text, int(settings.get("max_new_tokens", MAX_NEW_TOKENS)), self._frames)
            waiting.setdefault(media.id if media else "", (media, []))[1].append(request)
            cost += self._model.cost_tokens(Group(media, (request,)))
            if cost >= self._batch_tokens:
                answers |= self._answered(list(waiting.values()))
                waiting, cost = {}, 0
        answers |= self._answered(list(waiting.values()))
        return [_result(answers[str(number)], one.args[1]) for number, one in enumerate(requests)]

    def generate_until_multi_round(self, requests: Sequence[Instance]) -> list[str]:
        raise NotImplementedError("run_eval answers single questions, not conversations of several rounds")

    def loglikelihood(self, requests: Sequence[Instance]) -> list[tuple[float, bool]]:
        raise NotImplementedError("run_eval generates answers; tasks that ask for likelihoods are not supported")

    def _answered(self, waiting: Sequence[tuple[Media | None, list[Request]]]) -> dict[str, Response]:
        groups = [Group(media, tuple(asked)) for media, asked in waiting if media is not None]
        groups += [Group(None, (one,)) for media, asked in waiting if media is None for one in asked]
        prepare = self._model.preparer()
        ready = [
            ReadyGroup(group, iter(()) if group.media is None else prepare(group.media, self._frames))
            for group in groups
        ]
        found: dict[str, Response] = {}
        for response in self._model.respond(ready):
            if isinstance(response, Failure):
                raise RuntimeError(f"question {response.sample_id}: {response.reason}: {response.detail}")
            found[response.sample_id] = response
        return found


def _medium(visuals: Sequence[Any] | None) -> Media | None:
    """What lmms-eval's `doc_to_visual` gives: one picture, one video's path, or nothing."""
    if not visuals:
        return None
    if len(visuals) > 1:
        raise ValueError(f"a question with {len(visuals)} pictures; run_eval's models see one picture or one video")
    (visual,) = visuals
    if isinstance(visual, str | Path):
        return Video(str(visual), Path(visual))
    picture = visual.convert("RGB")
    digest = hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()
    return Image(digest, Picture(picture))


def _result(response: Response, settings: Mapping[str, Any]) -> GenerationResult:
    """The text up to the task's stop words, and what it took."""
    text, until = response.text, settings.get("until") or ()
    for stop in [until] if isinstance(until, str) else until:
        if stop:
            text = text.split(stop)[0]
    return GenerationResult(text, TokenCounts(response.vision_tokens + response.text_tokens, response.output_tokens))
