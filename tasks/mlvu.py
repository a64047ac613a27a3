"""MLVU dev, multiple choice: seven tasks over videos of 3 minutes to 9 hours. M-Avg is the plain mean of the tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from harness.data.sources import DataSource, hub_rows, hub_videos, load_json, require
from harness.errors import NotAvailable
from harness.scoring.choice import gold_letter, lmms_mlvu_letter
from harness.scoring.statistics import MeanOf, Statistic, point
from harness.task import HubDataset, Task, TaskCard
from harness.types import FramePolicy, Json, Request, Response, Sample, Score, Scored, Video
from tasks.multiple_choice import (
    BEST_OPTION,
    choice_tables,
    llava_mini_prompt,
    option_lines,
    split_options,
    verdict,
    with_options,
)

FILES = {
    "plotQA": "1_plotQA",
    "needle": "2_needle",
    "ego": "3_ego",
    "count": "4_count",
    "order": "5_order",
    "anomaly_reco": "6_anomaly_reco",
    "topic_reasoning": "7_topic_reasoning",
}
GROUPS = {
    "Holistic": ("topic_reasoning", "anomaly_reco"),
    "Single Detail": ("needle", "ego", "plotQA"),
    "Multi Detail": ("order", "count"),
}
_HUB_NAMES = {"findNeedle": "needle"}
_FRAMES = FramePolicy(fps=1.0, max_frames=1000)
_CARE = (
    "Watch the video carefully, with an eye for every detail. "
    "From what you have seen, choose the option that answers the question best."
)
_VARIANTS = ("official_strict", "official_jsonl", "lmms_eval")


def _m_avg(metric: str) -> MeanOf:
    return MeanOf(metric, title="M-Avg", strata="task", labels=tuple(FILES))


class Mlvu(Task):
    """Groups are video files. An item whose options are all empty is Missing; one whose answer is none of its options
    can never be right; where options repeat, the last that equals the answer is gold, as in the released script."""

    card: ClassVar[TaskCard] = TaskCard(
        name="mlvu",
        title="MLVU (dev, multiple choice)",
        modality="video",
        metric="M-Avg: plain mean of 7 task accuracies, %",
        split="dev",
        full_size=2174,
        hub=HubDataset("sy1998/MLVU_dev", "test"),
        folder="MLVU/json/{" + ",".join(FILES.values()) + "}.json\nMLVU/video/<the same names>/",
        paper={"llava-mini": 42.8},
        prompts=("llava-mini", "mlvu", "lmms-eval"),
        notes="The paper does not say which checkpoint reached 42.8; only the Llama-3.1-8B one is public. "
        "The official files hold 2,175 items, one of them without options.",
    )
    headline: ClassVar[Statistic] = _m_avg("accuracy")

    def samples(self, source: DataSource) -> Sequence[Sample]:
        return list(_from_hub(self.card.hub, source) if source.kind == "hub" else _from_folder(source))

    def request(self, sample: Sample, prompt: str) -> Request:
        """`llava-mini` and `lmms-eval` are those tools' texts. `mlvu` has the form of the authors' own prompt: advice,
        question, and the answer begun. The advice is in our words, and all of it is the user's, since a request has
        neither a system text nor an assistant's turn."""
        if prompt == "llava-mini":
            return Request(sample.id, llava_mini_prompt(sample.question, sample.choices), 1024, _FRAMES)
        if prompt == "mlvu":
            text = f"{_CARE}\n{with_options(sample.question, sample.choices)}{BEST_OPTION}\nBest Option: ("
            return Request(sample.id, text, 1024, _FRAMES)
        asked = sample.meta.get("hub_text") or f"{sample.question}\n{option_lines(sample.choices)}"
        return Request(sample.id, f"{asked}{BEST_OPTION}\nBest option: (", 16, _FRAMES)

    def prompt_note(self, prompt: str) -> str | None:
        return "the advice before the question is in our words, not MLVU's" if prompt == "mlvu" else None

    def score(self, sample: Sample, response: Response) -> Score:
        score = verdict(response.text, len(sample.choices), sample.answer)
        lmms = float(lmms_mlvu_letter(response.text) == sample.answer)
        return Score({**score.values, "lmms_eval": lmms}, score.detail)

    def breakdown(self, scored: Sequence[Scored]) -> Mapping[str, Json]:
        return choice_tables(scored, tuple(FILES), GROUPS)

    def variants(self, scored: Sequence[Scored]) -> Mapping[str, float]:
        values = {metric: point(_m_avg(metric), scored) for metric in _VARIANTS}
        return {metric: value for metric, value in values.items() if value is not None}


def _from_folder(source: DataSource) -> Iterator[Sample]:
    root = require(source, [f"MLVU/json/{stem}.json" for stem in FILES.values()], Mlvu.card)
    for task, stem in FILES.items():
        for index, item in enumerate(load_json(root / "MLVU" / "json" / f"{stem}.json")):
            choices = tuple(str(text) for text in item["candidates"])
            gold, name = gold_letter(choices, str(item["answer"])), item.get("video")
            video = Video(f"{stem}/{name}", root / "MLVU" / "video" / stem / name) if name else None
            yield _sample(f"{stem}/{index}", item["question"], video, gold, choices, {"task": task})


def _from_hub(dataset: HubDataset, source: DataSource) -> Iterator[Sample]:
    """Options stand in the question's text (kept as `hub_text`, which lmms-eval shows as it is) or in a column."""
    rows, folder = hub_rows(dataset, None, source), hub_videos(dataset, source)
    files = _by_name(folder)
    for index, row in enumerate(rows):
        task = _HUB_NAMES.get(row["task_type"], row["task_type"])
        if task not in FILES:
            raise NotAvailable(
                f"mlvu: row {index} of {dataset.repo} has the unknown task_type '{task}'. Known: {', '.join(FILES)}. "
                f"Use a revision with the seven dev tasks."
            )
        question, choices = split_options(row["question"])
        meta = {"task": task, **({"hub_text": row["question"]} if choices else {})}
        name = row["video_name"]
        video = Video(name, files.get(name, folder / name)) if name else None
        choices = choices or tuple(row.get("candidates") or ())
        yield _sample(f"{FILES[task]}/row{index}", question, video, row["answer"].strip(), choices, meta)


def _by_name(folder: Path) -> dict[str, Path]:
    """Unpacked videos by file name and by path inside the folder, however deep the archives put them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {**{path.name: path for path in files}, **{path.relative_to(folder).as_posix(): path for path in files}}


def _sample(
    name: str, question: str, video: Video | None, gold: str, choices: tuple[str, ...], meta: Mapping[str, Json]
) -> Sample:
    broken = None
    if video is None:
        broken = "the item names no video"
    elif not any(choices):
        broken = "the item has no options"
    return Sample(name, question, video, gold, choices, meta, broken)
