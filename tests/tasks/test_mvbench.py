from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.plan import plan_tasks
from harness.errors import NotAvailable
from harness.scoring.choice import NO_OPTION
from harness.scoring.statistics import point
from harness.types import Response, Sample, Scored, Video
from tasks.mvbench import MvBench
from tasks.mvbench_layout import BOUNDED, FOLDER_FPS, FRAME_FOLDERS, GROUPS, NTU_TASK, PREFIXES, TASKS, stem
from tests.support.golden import golden_path, published_path
from tests.support.hub import keep_caches_in, write_dataset
from tests.support.tasks import score_text, score_texts

MVBENCH = MvBench()


def item(**changes: Any) -> dict[str, Any]:
    return {
        "video": "a.mp4",
        "question": "What is it?",
        "candidates": ["cat", "dog", "cow"],
        "answer": "dog",
        **changes,
    }


def official_folder(root: Path, items: Mapping[str, Sequence[Mapping[str, Any]]]) -> DataSource:
    (root / "MVBench" / "json").mkdir(parents=True)
    for task in TASKS:
        (root / "MVBench" / "json" / f"{stem(task)}.json").write_text(json.dumps(items.get(task, [])))
    return DataSource("folder", root)


def a_sample(task: str = "Action Count", answer: str = "B") -> Sample:
    return Sample("s", "What is it?", None, answer, ("cat", "dog", "cow"), {"task": task})


def results(percent: Mapping[str, float]) -> list[Scored]:
    """Each task's accuracy over 200 answers."""
    return [
        score_text(MVBENCH, a_sample(task), "B" if place < round(2 * value) else "C")
        for task, value in percent.items()
        for place in range(200)
    ]


def half_up(value: float) -> float:
    return float(Decimal(repr(round(value, 6))).quantize(Decimal("0.1"), ROUND_HALF_UP))


@pytest.mark.golden
def test_tasks_groups_averages_and_official_results_equal_the_released_scripts(tmp_path: Path) -> None:
    for number, case in enumerate(json.loads(golden_path("video", "mc_aggregate.json").read_text())["mvbench"]):
        by_task = {task: [row for row in case["items"] if row["task"] == task] for task in TASKS}
        samples = MVBENCH.samples(official_folder(tmp_path / str(number), by_task))
        texts = [row["pred"] for task in TASKS for row in by_task[task]]
        run = score_texts(MVBENCH, samples, texts)

        variants, official = MVBENCH.variants(run), case["official_result_1_chunk_check_ans"]
        assert variants["official_strict"] == pytest.approx(official["Avg"], abs=1e-9)
        assert variants["official_jsonl"] == pytest.approx(case["avg20_from_jsonl_acc"], abs=1e-9)
        for task in {row["task"] for row in case["items"]}:
            strict = [one.result.values["official_strict"] for one in run if one.sample.meta["task"] == task]
            assert 100 * fmean(strict) == pytest.approx(official[task], abs=1e-9)

        letters = [set("ABCDE"[: len(sample.choices)]) for sample in samples]
        as_jsonl = [text if set(text) & own else "A" for text, own in zip(texts, letters, strict=True)]
        run = score_texts(MVBENCH, samples, as_jsonl)
        table = MVBENCH.breakdown(run)
        tasks = {task: row["value"] for task, row in table["tasks"].items()}
        assert tasks == pytest.approx(case["per_task_from_jsonl_acc"], abs=1e-9)
        assert table["groups"] == pytest.approx(case["paper_groups_from_jsonl_acc"], abs=1e-9)
        assert table["micro"] == pytest.approx(case["micro_from_jsonl_acc"], abs=1e-9)
        assert point(MVBENCH.headline, run) == pytest.approx(case["avg20_from_jsonl_acc"], abs=1e-9)


@pytest.mark.golden
def test_every_texts_values_are_those_of_the_released_scripts_and_lmms_eval() -> None:
    for case in json.loads(golden_path("video", "mc_parse.json").read_text()):
        sample = Sample("s", "q", None, case["gt"][1], tuple(case["candidates"]), {"task": "Action Count"})
        values = MVBENCH.score(sample, Response("s", case["pred"])).values
        assert values["videochat2"] == case["ask_anything_check_ans_with_prefix"], case
        assert values["lmms_eval"] == case["lmms_mvbench_score"], case
        assert values["official_strict"] == case["llava_mini_check_ans"], case
        assert values["official_jsonl"] == case["llava_mini_jsonl_acc"], case


@pytest.mark.golden
def test_prompts_and_gold_equal_the_released_texts(tmp_path: Path) -> None:
    cases = json.loads(golden_path("video", "prompt_format.json").read_text())["mc"]
    rows = [item(**{key: case[key] for key in ("question", "candidates", "answer")}) for case in cases]
    samples = MVBENCH.samples(official_folder(tmp_path, {"Moving Count": rows}))
    for sample, case in zip(samples, cases, strict=True):
        assert MVBENCH.request(sample, "llava-mini").text == case["llava_mini_user_text_without_image"]
        assert MVBENCH.request(sample, "lmms-eval").text == case["lmms_mvbench_text"]
        assert f"({sample.answer})" == case["gt_string"][:3]


@pytest.mark.published
def test_the_papers_table_3_follows_from_its_appendix() -> None:
    paper = json.loads(published_path("mvbench_paper_tables.json").read_text())
    assert {group: list(members) for group, members in GROUPS.items()} == dict(paper["groups_that_reproduce_table3"])
    assert tuple(paper["tasks"]) == TASKS
    for number, model in enumerate(paper["models"]):
        percent = {task: values[number] for task, values in paper["tasks"].items()}
        if any(2 * value % 1 for value in percent.values()):
            continue  # not a share of 200 questions: the paper's own slip, which its averages show too
        run = results(percent)
        *groups, average = paper["table3"][model]
        assert [half_up(value) for value in MVBENCH.breakdown(run)["groups"].values()] == groups, model
        assert half_up(point(MVBENCH.headline, run) or 0.0) == average, model
    assert MVBENCH.card.paper == {"llava-mini": paper["table3"]["LLaVA-Mini"][-1]}


@pytest.mark.published
def test_a_published_run_gives_its_average() -> None:
    other = json.loads(published_path("published_aggregates.json").read_text())["longvu_mvbench"]
    assert point(MVBENCH.headline, results(other["tasks"])) == pytest.approx(other["published"], abs=1e-9)


def test_every_task_has_a_folder_and_belongs_to_one_group() -> None:
    assert sorted(task for members in GROUPS.values() for task in members) == sorted(TASKS)
    assert set(BOUNDED) | set(FRAME_FOLDERS) <= set(PREFIXES)


def test_empty_answers_leave_lmms_evals_denominator_and_are_right_for_videochat2() -> None:
    run = score_texts(MVBENCH, [a_sample()] * 4, ["B", "", "no", None])
    variants = MVBENCH.variants(run)
    assert variants["lmms_eval"] == 50.0
    assert variants["videochat2"] == pytest.approx(200 / 3)
    assert point(MVBENCH.headline, run) == pytest.approx(100 / 3)
    assert MVBENCH.breakdown(run)["unparsed"] == 2


def test_the_last_of_equal_candidates_is_gold_and_an_unlisted_answer_never_right(tmp_path: Path) -> None:
    rows = [item(candidates=["dog", "cat", "dog"]), item(answer="horse"), item(video=None), item(candidates=["", ""])]
    twice, unlisted, silent, empty = MVBENCH.samples(official_folder(tmp_path, {"Action Count": rows}))
    assert (twice.answer, unlisted.answer) == ("C", NO_OPTION)
    assert (silent.broken, empty.broken) == ("the item names no video", "the item has no options")
    run = score_texts(MVBENCH, [unlisted] * 3, ["@", "", "(@)"])
    assert not any(one.result.values[name] for one in run for name in ("accuracy", "official_strict", "videochat2"))


def test_bounds_and_frame_folders_are_carried_and_shown_whole_unless_cropped(tmp_path: Path) -> None:
    bounds = {"start": 1.5, "end": 4}
    source = official_folder(
        tmp_path,
        {
            "Action Sequence": [item(**bounds)],
            "Episodic Reasoning": [item(video="clip", **bounds)],
            "Action Count": [item()],
        },
    )
    videos = tmp_path / "MVBench" / "video"
    sequence, plain, episode = (sample.media for sample in MVBENCH.samples(source))
    assert sequence == Video("star/Charades_v1_480/a.mp4", videos / "star" / "Charades_v1_480" / "a.mp4", 1.5, 4.0)
    assert isinstance(episode, Video)
    assert (episode.folder_fps, episode.source) == (FOLDER_FPS, videos / "tvqa" / "frames_fps3_hq" / "clip")
    assert isinstance(plain, Video)
    assert (plain.start_s, plain.end_s, plain.folder_fps) == (None, None, None)

    for cropped in (False, True):
        config = RunConfig(
            model="m", tasks=("mvbench",), sources={"mvbench": source}, output=tmp_path, clip_bounds=cropped
        )
        (planned,) = plan_tasks([MVBENCH], config)
        assert {group.requests[0].frames.clip_bounds for group in planned.groups} == {cropped}


def test_items_of_one_video_with_other_bounds_share_it_until_they_are_cropped(tmp_path: Path) -> None:
    rows = [item(start=0, end=2), item(start=3, end=5)]
    source = official_folder(tmp_path, {"Action Sequence": rows, "Object Interaction": [item(start=0, end=2)]})
    counts = []
    for cropped in (False, True):
        config = RunConfig(
            model="m", tasks=("mvbench",), sources={"mvbench": source}, output=tmp_path, clip_bounds=cropped
        )
        (planned,) = plan_tasks([MVBENCH], config)
        counts.append(len(planned.groups))
    assert counts == [1, 2]


def test_prompts_by_preset() -> None:
    llava_mini, own, lmms = (MVBENCH.request(a_sample(), prompt) for prompt in MVBENCH.card.prompts)
    options = "(A) cat\n(B) dog\n(C) cow"
    assert llava_mini.text == f"Question: What is it?\nOptions:\n{options}\nAnswer with one letter."
    assert own.text.endswith(f"\nQuestion: What is it?\nOptions:\n{options}\nOnly give the best option.\nBest option:(")
    assert lmms.text == f"Question:What is it?\nOption:\n{options}\nOnly give the best option.\n"
    assert [one.max_new_tokens for one in (llava_mini, own, lmms)] == [1024, 100, 16]
    assert {(one.frames.fps, one.frames.max_frames) for one in (llava_mini, own, lmms)} == {(1.0, 1000)}
    assert [MVBENCH.prompt_note(prompt) is None for prompt in MVBENCH.card.prompts] == [True, False, True]


def test_missing_task_files_are_named(tmp_path: Path) -> None:
    source = official_folder(tmp_path, {})
    (tmp_path / "MVBench" / "json" / "fine_grained_pose.json").unlink()
    with pytest.raises(NotAvailable, match=r"fine_grained_pose\.json"):
        MVBENCH.samples(source)


@pytest.fixture
def hub_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    keep_caches_in(tmp_path, monkeypatch)
    return tmp_path / "set"


def hub_source(folder: Path, archives: Mapping[str, Sequence[str]], media: bool = True) -> DataSource:
    """One item a task, called after it; archives by name with the paths they hold."""
    rows = {
        stem(task): [
            item(
                video=stem(task) if task in FRAME_FOLDERS else f"{stem(task)}.mp4",
                **({"start": 1.0, "end": 2.0} if task in BOUNDED else {}),
            )
        ]
        for task in TASKS
    }
    write_dataset(folder, MVBENCH.card.hub.split, rows)
    (folder / "video").mkdir()
    for name, entries in archives.items():
        with zipfile.ZipFile(folder / "video" / name, "w") as archive:
            for entry in entries:
                archive.writestr(entry, entry)
    return DataSource("hub", repo=str(folder), media=media)


def by_task(samples: Sequence[Sample]) -> dict[str, Sample]:
    return {sample.meta["task"]: sample for sample in samples}


def test_the_hub_set_finds_videos_wherever_their_archives_put_them(hub_folder: Path) -> None:
    archives = {
        "star.zip": ["star/Charades_v1_480/action_sequence.mp4"],
        "data0613.zip": ["data0613/clevrer/video_validation/object_existence.mp4", "other/object_existence.mp4"],
        "tvqa.zip": ["tvqa/frames_fps3_hq/episodic_reasoning/00001.jpg"],
    }
    samples = MVBENCH.samples(hub_source(hub_folder, archives))
    assert len(samples) == len(TASKS)
    sequence, existence, episode = (
        by_task(samples)[task].media for task in ("Action Sequence", "Object Existence", "Episodic Reasoning")
    )
    assert isinstance(sequence, Video)
    assert isinstance(existence, Video)
    assert isinstance(episode, Video)
    assert (sequence.start_s, sequence.end_s) == (1.0, 2.0)
    assert existence.source.read_text() == "data0613/clevrer/video_validation/object_existence.mp4"
    assert episode.source.is_dir()
    assert episode.folder_fps == FOLDER_FPS


def test_clips_that_the_hub_holds_cut_lose_their_bounds(hub_folder: Path) -> None:
    archives = {"a.zip": ["star/Charades_segment/action_sequence.mp4", "ssv2_video_mp4/action_antonym.mp4"]}
    samples = by_task(MVBENCH.samples(hub_source(hub_folder, archives)))
    sequence, antonym = samples["Action Sequence"].media, samples["Action Antonym"].media
    assert isinstance(sequence, Video)
    assert isinstance(antonym, Video)
    assert sequence.source.is_file()
    assert antonym.source.is_file()
    assert (sequence.start_s, sequence.end_s) == (None, None)


def test_clips_that_the_hub_may_not_hold_say_where_to_get_them(hub_folder: Path) -> None:
    samples = by_task(MVBENCH.samples(hub_source(hub_folder, {"star.zip": ["star/readme.txt"]})))
    assert "NTU RGB+D" in str(samples[NTU_TASK].broken)
    assert [task for task, sample in samples.items() if sample.broken] == [NTU_TASK]


def test_answers_made_elsewhere_are_scored_without_any_video(hub_folder: Path) -> None:
    samples = MVBENCH.samples(hub_source(hub_folder, {"broken.zip": []}, media=False))
    assert not any(sample.broken for sample in samples)
    assert point(MVBENCH.headline, score_texts(MVBENCH, samples, ["(B)"] * len(samples))) == 100.0


@given(st.text(), st.sampled_from("ABCDE@"), st.integers(0, 6))
def test_any_text_is_scored(text: str, answer: str, options: int) -> None:
    sample = Sample("s", "q", None, answer, tuple("x" * options), {"task": "Action Count"})
    assert set(MVBENCH.score(sample, Response("s", text)).values.values()) <= {0.0, 1.0}
