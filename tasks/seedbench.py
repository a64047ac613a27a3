"""SEED-Bench (v1): options over images, and over one frame of each video; the answer must be the bare letter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from harness.data.sources import DataSource, TableBytes, hub_rows, load_json, load_jsonl, require
from harness.scoring.choice import option_letters
from harness.scoring.statistics import MeanOf, Statistic, point
from harness.task import HubDataset, Task, TaskCard
from harness.types import Image, Json, Request, Response, Sample, Score, Scored
from tasks.breakdown import percent_by
from tasks.seedbench_frame import VideoFrame
from tasks.wording import LETTER_ANSWER, lettered

QUESTIONS = "seed_bench/llava-seed-bench.jsonl"
ANNOTATIONS = "seed_bench/SEED-Bench.json"
VIDEOS = "seed_bench/SEED-Bench-video"

TYPES = {
    "Scene Understanding": 1,
    "Instance Identity": 2,
    "Instance Attributes": 3,
    "Instance Location": 4,
    "Instances Counting": 5,
    "Spatial Relation": 6,
    "Instance Interaction": 7,
    "Visual Reasoning": 8,
    "Text Understanding": 9,
    "Action Recognition": 10,
    "Action Prediction": 11,
    "Procedure Understanding": 12,
}
"""The question types of the released json; 10 to 12 are about videos."""


class SeedBench(Task):
    """Groups are images, or the one frame of a video: LLaVA's extracted picture, else taken from the video, else
    Missing. Which version of the question file was used shows in the number of samples."""

    card: ClassVar[TaskCard] = TaskCard(
        name="seedbench",
        title="SEED-Bench (image and video)",
        modality="image",
        metric="accuracy over image and video questions, %",
        split="v1 test",
        full_size=19242,
        hub=HubDataset("lmms-lab/SEED-Bench", "test"),
        folder=f"{QUESTIONS}\n{ANNOTATIONS}\nseed_bench/SEED-Bench-image/<data_id>\n"
        f"seed_bench/SEED-Bench-video-image/<type>_<question_id>.png, or the videos: {VIDEOS}/<data_id>",
        paper={"llava-mini": 63.0, "llava-mini-7b": 58.5, "llava-mini-hd": 60.2, "llava-v1.5-7b": 58.6},
        notes="The paper's column is the total over 14,233 image and 5,009 video questions. The current json and the "
        "hub hold 3,757 video questions (17,990 in all); the file of 19,242 lies in the git history of the dataset. "
        "On the hub a video is 8 frames, of which the middle one is shown.",
    )
    headline: ClassVar[Statistic] = MeanOf("accuracy")

    def samples(self, source: DataSource) -> Sequence[Sample]:
        return list(_from_hub(self.card.hub, source) if source.kind == "hub" else _from_folder(source))

    def request(self, sample: Sample, prompt: str) -> Request:
        return Request(sample.id, f"{sample.question}\n{lettered(sample.choices)}\n{LETTER_ANSWER}", 128)

    def score(self, sample: Sample, response: Response) -> Score:
        """lmms-eval takes the first character of the stripped text, in either case."""
        first = response.text.strip()[:1]
        values = {"accuracy": response.text == sample.answer, "lmms_eval": first.lower() == sample.answer.lower()}
        return Score({name: float(value) for name, value in values.items()}, {"letter": response.text[:1]})

    def breakdown(self, scored: Sequence[Scored]) -> Mapping[str, Json]:
        """The official lines to two decimals. A type without a right answer, where the official script fails, is 0."""
        types = percent_by(lambda sample: sample.meta["type"], scored)
        names = {str(number): name for name, number in TYPES.items()}
        return {
            "types": {names.get(key, key): {**row, "value": round(row["value"], 2)} for key, row in types.items()},
            **{f"{kind} accuracy": value for kind, value in _by_medium("accuracy", scored, places=2).items()},
        }

    def variants(self, scored: Sequence[Scored]) -> Mapping[str, float]:
        value = point(MeanOf("lmms_eval"), scored)
        media = {f"lmms_eval_{kind}": part for kind, part in _by_medium("lmms_eval", scored).items()}
        return {} if value is None else {"lmms_eval": value, **media}


def _by_medium(metric: str, scored: Sequence[Scored], places: int | None = None) -> dict[str, float]:
    table = percent_by(lambda sample: sample.meta["medium"], scored, metric)
    return {kind: row["value"] if places is None else round(row["value"], places) for kind, row in table.items()}


def _from_folder(source: DataSource) -> Iterator[Sample]:
    root = require(source, (QUESTIONS, ANNOTATIONS), SeedBench.card)
    annotations = {str(row["question_id"]): row for row in load_json(root / ANNOTATIONS)["questions"]}
    for line in load_jsonl(root / QUESTIONS):
        name, file = str(line["question_id"]), line["image"]
        row = annotations.get(name)
        yield _sample(name, Image(f"seed_bench/{file}", _picture(root, file, row)), row)


def _picture(root: Path, file: str, row: Mapping[str, Json] | None) -> Path | VideoFrame:
    """LLaVA's extracted frame, or the video itself where only that is there."""
    picture = root / "seed_bench" / file
    if row is None or row["data_type"] != "video" or picture.exists():
        return picture
    video, segment = root / VIDEOS / row["data_id"], row.get("segment")
    if not video.exists():
        return picture
    return VideoFrame(video, int(row["question_type_id"]), (segment[0], segment[1]) if segment else None)


def _from_hub(dataset: HubDataset, source: DataSource) -> Iterator[Sample]:
    rows = hub_rows(dataset, None, source)
    for index, row in enumerate(rows.remove_columns("image")):
        name = str(row["question_id"])
        yield _sample(name, Image(f"seed_bench/{row['data_id']}", TableBytes(rows, index)), row)


def _sample(name: str, image: Image, row: Mapping[str, Json] | None) -> Sample:
    if row is None:
        return Sample(name, "", image, "", broken=f"no entry in {ANNOTATIONS}")
    choices = tuple(str(row[f"choice_{letter.lower()}"]) for letter in option_letters(4))
    meta = {"type": int(row["question_type_id"]), "medium": row["data_type"]}
    return Sample(name, row["question"], image, row["answer"], choices, meta)
