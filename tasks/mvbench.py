"""MVBench: twenty kinds of question about what happens in short videos. Avg is the plain mean of the tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from harness.data.sources import DataSource, hub_rows, hub_videos, load_json, require
from harness.scoring.choice import gold_letter, lmms_mvbench_letter, videochat2_correct
from harness.scoring.statistics import MeanOf, Statistic, point
from harness.task import HubDataset, Task, TaskCard
from harness.types import FramePolicy, Json, Request, Response, Sample, Score, Scored, Video
from tasks.multiple_choice import BEST_OPTION, choice_tables, llava_mini_prompt, verdict, with_options
from tasks.mvbench_layout import FOLDER_FPS, FRAME_FOLDERS, GROUPS, NTU_TASK, PREFIXES, TASKS, Found, HubVideos, stem

FRAMES = FramePolicy(fps=1.0, max_frames=1000)
_CARE = (
    "Watch the video carefully. Follow causes and the order of events, how objects look and move, and what people do "
    "and which pose they take. From what you have seen, choose the option that answers the question best."
)
_NTU_ABSENT = (
    "clip of NTU RGB+D, which the hub no longer holds: ask its authors (ROSE Lab) for it, put it under "
    "MVBench/video/nturgbd and pass --data-root"
)
_Finder: TypeAlias = Callable[[str, str], Found]


def _avg(metric: str) -> MeanOf:
    return MeanOf(metric, title="Avg", strata="task", labels=TASKS)


class MvBench(Task):
    """Groups are video files. The whole video is shown, as the released LLaVA-Mini script does; `--clip bounds` shows
    the annotated part. Gold is the last candidate equal to the answer; an item without one is never answered right."""

    card: ClassVar[TaskCard] = TaskCard(
        name="mvbench",
        title="MVBench",
        modality="video",
        metric="Avg: plain mean of 20 task accuracies, %",
        split="20 tasks of 200 questions",
        full_size=4000,
        hub=HubDataset("OpenGVLab/MVBench", "train", tuple(stem(task) for task in TASKS)),
        folder="MVBench/json/<task>.json, 20 files: action_sequence.json, .. counterfactual_inference.json\n"
        + "\n".join(f"MVBench/video/{prefix}/" for prefix in dict.fromkeys(PREFIXES.values())),
        paper={"llava-mini": 44.5},
        prompts=("llava-mini", "videochat2", "lmms-eval"),
        notes="Episodic Reasoning comes as folders of pictures, 3 a second, all of which are shown up to the cap of "
        "1,000. On the hub the NTU RGB+D clips (Fine-grained Pose) are gone since October 2024, and repeated "
        "questions were replaced in June 2024, so results depend on the revision. Revision `video` holds clips cut "
        "to their annotated bounds.",
    )
    headline: ClassVar[Statistic] = _avg("accuracy")

    def samples(self, source: DataSource) -> Sequence[Sample]:
        return list(_from_hub(self.card.hub, source) if source.kind == "hub" else _from_folder(source))

    def request(self, sample: Sample, prompt: str) -> Request:
        """`llava-mini` and `lmms-eval` are those tools' texts. `videochat2` has the form of the authors' own: advice,
        question, and the answer begun; all of it is the user's, since a request has no other part."""
        if prompt == "llava-mini":
            return Request(sample.id, llava_mini_prompt(sample.question, sample.choices), 1024, FRAMES)
        if prompt == "videochat2":
            text = f"{_CARE}\n{with_options(sample.question, sample.choices)}{BEST_OPTION}\nBest option:("
            return Request(sample.id, text, 100, FRAMES)
        asked = with_options(sample.question, sample.choices, "Question:", "Option:")
        return Request(sample.id, f"{asked}{BEST_OPTION}\n", 16, FRAMES)

    def prompt_note(self, prompt: str) -> str | None:
        return "the advice before the question is in our words, not VideoChat2's" if prompt == "videochat2" else None

    def score(self, sample: Sample, response: Response) -> Score:
        """`videochat2`: the notebook reads the first line alone and puts a bracket before it, so that an empty answer
        is right. `lmms_eval`: 0 or 1 for any text; empty ones are left out of its mean."""
        text = response.text
        score = verdict(text, len(sample.choices), sample.answer)
        others = {
            "videochat2": videochat2_correct("(" + text.strip().split("\n")[0], sample.answer),
            "lmms_eval": lmms_mvbench_letter(text) == sample.answer,
        }
        return Score({**score.values, **{name: float(value) for name, value in others.items()}}, score.detail)

    def breakdown(self, scored: Sequence[Scored]) -> Mapping[str, Json]:
        return choice_tables(scored, TASKS, GROUPS)

    def variants(self, scored: Sequence[Scored]) -> Mapping[str, float]:
        said = [one for one in scored if one.response is not None and one.response.text]
        values = {metric: point(_avg(metric), scored) for metric in ("official_strict", "official_jsonl", "videochat2")}
        values["lmms_eval"] = point(_avg("lmms_eval"), said)
        return {metric: value for metric, value in values.items() if value is not None}


def _from_folder(source: DataSource) -> Iterator[Sample]:
    files = {task: f"MVBench/json/{stem(task)}.json" for task in TASKS}
    root = require(source, list(files.values()), MvBench.card)
    videos = root / "MVBench" / "video"
    for task, file in files.items():
        for index, item in enumerate(load_json(root / file)):
            yield _sample(task, index, item, lambda task, name: Found(videos / PREFIXES[task] / name))


def _from_hub(dataset: HubDataset, source: DataSource) -> Iterator[Sample]:
    """Without media (answers made elsewhere are scored) nothing but the annotations is looked at."""
    rows = {task: hub_rows(dataset, stem(task), source) for task in TASKS}
    find: _Finder = HubVideos(hub_videos(dataset, source)).find if source.media else _expected
    for task in TASKS:
        for index, row in enumerate(rows[task]):
            sample = _sample(task, index, row, find)
            absent = source.media and isinstance(sample.media, Video) and not sample.media.source.exists()
            yield _broken(sample, _NTU_ABSENT) if task == NTU_TASK and absent else sample


def _expected(task: str, name: str) -> Found:
    return Found(Path(PREFIXES[task]) / name)


def _sample(task: str, index: int, item: Mapping[str, Any], find: _Finder) -> Sample:
    """Bounds are kept where both are given, and where the video is not cut to them already."""
    choices, name = tuple(str(text) for text in item["candidates"]), item.get("video")
    video = None
    if name:
        found = find(task, str(name))
        start, end = (None, None) if found.cut else (item.get("start"), item.get("end"))
        bounded = start is not None and end is not None
        video = Video(
            f"{PREFIXES[task]}/{name}",
            found.path,
            float(start) if bounded and start is not None else None,
            float(end) if bounded and end is not None else None,
            FOLDER_FPS if task in FRAME_FOLDERS else None,
        )
    gold = gold_letter(choices, str(item["answer"]))
    sample = Sample(f"{stem(task)}/{index}", str(item["question"]), video, gold, choices, {"task": task})
    if video is None:
        return _broken(sample, "the item names no video")
    return sample if any(choices) else _broken(sample, "the item has no options")


def _broken(sample: Sample, reason: str) -> Sample:
    return replace(sample, broken=reason)
