"""Which columns stand together, in the order of the paper's Tables 1 to 5."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

AVERAGES = {"avg_paper": "Average (paper)", "avg_mme_percent": "Average (MME in %)"}
"""The columns of results/averages.py, with their headings."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `part`: keys into a task's breakdown, none for its headline. `paper`: the paper's column."""

    task: str
    title: str
    paper: str = ""
    part: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """'gqa', or 'mvbench/Action' for a part of a task."""
        return "/".join((self.task, *self.part[-1:]))


@dataclass(frozen=True, slots=True)
class Section:
    """Columns of one table of the paper, "" for none. `averages`: whether the image averages belong to it."""

    title: str
    columns: tuple[Column, ...]
    table: str = ""
    averages: bool = False


def _parts(task: str, place: str, columns: Iterable[tuple[str, str, str]], headline: str) -> tuple[Column, ...]:
    parts = (Column(task, title, paper, (place, name)) for name, title, paper in columns)
    return (*parts, Column(task, headline, "average"))


_IMAGE = {
    "vqav2": "VQAv2",
    "gqa": "GQA",
    "vizwiz": "VizWiz",
    "scienceqa": "SciQA",
    "textvqa": "TextVQA",
    "pope": "POPE",
    "mme": "MME",
    "mmbench": "MMBench",
    "seedbench": "SEED",
    "llavabench": "LLaVA-Bench",
    "mmvet": "MM-Vet",
}
_QA = {"msvdqa": "MSVD-QA", "msrvttqa": "MSRVTT-QA", "activitynetqa": "ActivityNet-QA"}
_DIMENSIONS = ("correctness", "detail", "context", "temporal", "consistency")
_MVBENCH = ("Action", "Object", "Position", "Scene", "Count", "Attribute", "Pose", "Character", "Cognition")
_MLVU = (
    ("topic_reasoning", "Topic", "topic_reasoning"),
    ("anomaly_reco", "Anomaly", "anomaly_recognition"),
    ("needle", "Needle", "needle_qa"),
    ("ego", "Ego", "ego_reasoning"),
    ("plotQA", "Plot", "plot_qa"),
    ("order", "Order", "action_order"),
    ("count", "Count", "action_count"),
)

IMAGE = Section("Image benchmarks", tuple(Column(name, title, name) for name, title in _IMAGE.items()), "table1", True)
SECTIONS = (
    IMAGE,
    Section("Video question answering", tuple(Column(name, title, name) for name, title in _QA.items()), "table2"),
    Section(
        "Video-ChatGPT, five dimensions",
        _parts("videochatgpt", "dimensions", [(name, name.title(), name) for name in _DIMENSIONS], "Mean"),
        "table2",
    ),
    Section(
        "MVBench",
        _parts("mvbench", "groups", [(name, name, name.lower()) for name in _MVBENCH], "Mean of 20 tasks"),
        "table3",
    ),
    Section("MLVU", _parts("mlvu", "tasks", _MLVU, "M-Avg"), "table4"),
    Section("EgoSchema", (Column("egoschema", "EgoSchema", "egoschema"),), "table5"),
)


def sections_for(tasks: Iterable[str]) -> list[Section]:
    """The sections that these tasks fill, each with only its tasks' columns; tasks of no section come last."""
    present = dict.fromkeys(tasks)
    found = []
    for section in SECTIONS:
        if columns := tuple(column for column in section.columns if column.task in present):
            found.append(Section(section.title, columns, section.table, section.averages))
    placed = {column.task for section in SECTIONS for column in section.columns}
    if others := [task for task in present if task not in placed]:
        found.append(Section("Other benchmarks", tuple(Column(task, _title(task)) for task in sorted(others))))
    return found


def _title(task: str) -> str:
    """From the card; a task that is not installed here goes by its name."""
    from tasks import TASKS

    return TASKS.load(task).card.title if task in TASKS else task
