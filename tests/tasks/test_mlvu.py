from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.sources import DataSource
from harness.errors import NotAvailable
from harness.scoring.choice import NO_OPTION, gold_letter
from harness.scoring.statistics import point
from harness.types import Response, Sample, Score, Scored, Video
from tasks.mlvu import FILES, Mlvu
from tests.support.golden import REAL_MEDIA, golden_path, needs_real_media, published_path
from tests.support.hub import keep_caches_in, write_dataset
from tests.support.tasks import score_text, score_texts

MLVU = Mlvu()


def item(**changes: Any) -> dict[str, Any]:
    return {
        "video": "a.mp4",
        "duration": 9.0,
        "question": "What is it?",
        "candidates": ["cat", "dog", "cow", "hen"],
        "answer": "dog",
        "question_type": "count",
        **changes,
    }


def official_folder(root: Path, **items: Sequence[Mapping[str, Any]]) -> DataSource:
    (root / "MLVU" / "json").mkdir(parents=True)
    for task, stem in FILES.items():
        (root / "MLVU" / "json" / f"{stem}.json").write_text(json.dumps(items.get(task, [])))
    return DataSource("folder", root)


def a_sample(task: str = "count", answer: str = "B") -> Sample:
    return Sample("s", "What is it?", None, answer, ("cat", "dog", "cow", "hen"), {"task": task})


def results(counts: Mapping[str, tuple[int, int]]) -> list[Scored]:
    """Per task (right, asked) as scored answers."""
    return [
        score_text(MLVU, a_sample(task), "B" if place < right else "C")
        for task, (right, asked) in counts.items()
        for place in range(asked)
    ]


@pytest.mark.golden
def test_tasks_groups_averages_and_official_results_equal_the_released_scripts(tmp_path: Path) -> None:
    for number, case in enumerate(json.loads(golden_path("video", "mc_aggregate.json").read_text())["mlvu"]):
        by_task = {task: [row for row in case["items"] if row["task"] == task] for task in FILES}
        samples = MLVU.samples(official_folder(tmp_path / str(number), **by_task))
        texts = [row["pred"] for task in FILES for row in by_task[task]]
        run = score_texts(MLVU, samples, texts)

        variants = MLVU.variants(run)
        official = case["official_result_1_chunk_check_ans"]
        assert variants["official_strict"] == pytest.approx(official["Avg"], abs=1e-9)
        assert variants["official_jsonl"] == pytest.approx(case["M_Avg_from_jsonl_acc"], abs=1e-9)
        for task in {row["task"] for row in case["items"]}:
            strict = [one.result.values["official_strict"] for one in run if one.sample.meta["task"] == task]
            assert 100 * sum(strict) / len(strict) == pytest.approx(official[task], abs=1e-9)

        as_jsonl = score_texts(MLVU, samples, [text if set(text) & set("ABCD") else "A" for text in texts])
        table = MLVU.breakdown(as_jsonl)
        tasks = {task: row["value"] for task, row in table["tasks"].items()}
        assert tasks == pytest.approx(case["per_task_from_jsonl_acc"], abs=1e-9)
        assert table["groups"] == pytest.approx(case["groups"], abs=1e-9)
        assert table["micro"] == pytest.approx(case["micro"], abs=1e-9)
        assert point(MLVU.headline, as_jsonl) == pytest.approx(case["M_Avg_from_jsonl_acc"], abs=1e-9)


@pytest.mark.golden
def test_lmms_eval_variant_reads_letters_as_lmms_eval_does() -> None:
    for case in json.loads(golden_path("video", "mc_parse.json").read_text()):
        score = MLVU.score(a_sample(answer="C"), Response("s", case["pred"]))
        assert score.values["lmms_eval"] == (case["lmms_mlvu_letter"] == "C"), case


@pytest.mark.published
def test_the_papers_row_follows_from_its_counts() -> None:
    table = json.loads(published_path("mlvu_paper_table4.json").read_text())
    tasks = ("topic_reasoning", "anomaly_reco", "needle", "ego", "plotQA", "order", "count")
    names = dict(zip(table["order"], tasks, strict=True))
    counts = {
        names[short]: tuple(int(number) for number in text.split()[0].split("/"))
        for short, text in table["llava_mini_counts"].items()
    }
    run = results(counts)
    (per_task, average) = table["rows"]["LLaVA-Mini"]
    ours = MLVU.breakdown(run)["tasks"]
    assert [round(ours[names[short]]["value"], 1) for short in table["order"]] == per_task
    assert round(point(MLVU.headline, run), 1) == average == MLVU.card.paper["llava-mini"]
    assert sum(asked for _, asked in counts.values()) == MLVU.card.full_size


@pytest.mark.published
def test_published_runs_give_both_averages() -> None:
    shared = json.loads(published_path("published_aggregates.json").read_text())["videorag_mlvu"]
    for published_run in shared["runs"]:
        counts = {
            {"findNeedle": "needle"}.get(task, task): (round(shared["n"][task] * value / 100), shared["n"][task])
            for task, value in published_run["tasks"].items()
        }
        run = results(counts)
        assert point(MLVU.headline, run) == pytest.approx(published_run["macro7"], abs=1e-9)
        assert MLVU.breakdown(run)["micro"] == pytest.approx(published_run["published_Acc"], abs=1e-9)


@pytest.mark.published
def test_gold_letters_of_irregular_items_are_the_official_ones() -> None:
    tasks = json.loads(published_path("mlvu_dev_official_letters.json").read_text())["tasks"]
    assert {row["file"] for row in tasks.values()} == {f"{stem}.json" for stem in FILES.values()}
    for task in tasks.values():
        for irregular in task["irregular_items"]:
            candidates = ["answer" if place in irregular["matching_candidates"] else f"{place}" for place in range(4)]
            assert gold_letter(candidates, "answer") == task["letters_official_last_match"][irregular["i"]]


def test_m_avg_weighs_each_task_once_and_says_which_are_absent() -> None:
    run = results({"count": (9, 10), "order": (0, 1), "needle": (1, 1)})
    assert point(MLVU.headline, run) == pytest.approx((90 + 0 + 100) / 3)
    table = MLVU.breakdown(run)
    assert table["groups"] == {"Single Detail": 100.0, "Multi Detail": 45.0}
    assert table["micro"] == pytest.approx(100 * 10 / 12)
    assert table["absent tasks"] == ["plotQA", "ego", "anomaly_reco", "topic_reasoning"]


def test_answers_without_letter_are_counted_and_missing_ones_are_not_scored() -> None:
    run = score_texts(MLVU, [a_sample()] * 4, ["B", "no idea", "", None])
    table = MLVU.breakdown(run)
    assert table["unparsed"] == 2
    assert table["tasks"]["count"] == {"value": pytest.approx(100 / 3), "n": 3}


def test_nothing_scored_still_says_what_is_absent() -> None:
    run = score_texts(MLVU, [a_sample()], [None])
    assert point(MLVU.headline, run) is None
    assert MLVU.variants(run) == {}
    assert MLVU.breakdown(run)["absent tasks"] == list(FILES)


def test_questions_of_one_file_form_a_group_and_equal_names_in_two_tasks_do_not(tmp_path: Path) -> None:
    source = official_folder(tmp_path, count=[item(), item()], order=[item()])
    media = [sample.media for sample in MLVU.samples(source)]
    assert [one.id for one in media if one] == ["4_count/a.mp4", "4_count/a.mp4", "5_order/a.mp4"]
    assert media[0] == Video("4_count/a.mp4", tmp_path / "MLVU" / "video" / "4_count" / "a.mp4")


def test_irregular_items_stay_in_the_run(tmp_path: Path) -> None:
    rows = [
        item(candidates=[""] * 4, answer=""),
        item(answer="horse"),
        item(candidates=["dog", "x", "dog", "y"]),
        item(video=None),
    ]
    empty, unlisted, twice, silent = MLVU.samples(official_folder(tmp_path, topic_reasoning=rows))
    assert empty.broken == "the item has no options"
    assert (unlisted.broken, unlisted.answer) == (None, NO_OPTION)
    assert twice.answer == "C"
    assert silent.broken == "the item names no video"
    run = score_texts(MLVU, [unlisted, twice], ["@", "C"])
    assert [one.result.values["accuracy"] for one in run] == [0.0, 1.0]
    assert MLVU.breakdown(run)["answer not among the options"] == 1


def test_missing_task_files_are_named(tmp_path: Path) -> None:
    source = official_folder(tmp_path)
    (tmp_path / "MLVU" / "json" / "3_ego.json").unlink()
    with pytest.raises(NotAvailable, match=r"3_ego\.json"):
        MLVU.samples(source)


def test_prompts_by_preset() -> None:
    llava_mini, own, lmms = (MLVU.request(a_sample(), prompt) for prompt in MLVU.card.prompts)
    options = "(A) cat\n(B) dog\n(C) cow\n(D) hen"
    assert llava_mini.text == f"Question: What is it?\nOptions:\n{options}\nAnswer with one letter."
    assert own.text.endswith(
        f"\nQuestion: What is it?\nOptions:\n{options}\nOnly give the best option.\nBest Option: ("
    )
    assert lmms.text == f"What is it?\n{options}\nOnly give the best option.\nBest option: ("
    assert [one.max_new_tokens for one in (llava_mini, own, lmms)] == [1024, 1024, 16]
    assert {(one.frames.fps, one.frames.max_frames) for one in (llava_mini, own, lmms)} == {(1.0, 1000)}


@pytest.fixture
def hub_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    keep_caches_in(tmp_path, monkeypatch)
    return tmp_path / "set"


def hub_source(folder: Path, *rows: dict[str, Any]) -> DataSource:
    write_dataset(folder, MLVU.card.hub.split, {"mlvu": rows})
    return DataSource("hub", repo=str(folder))


def test_the_hub_set_reads_options_out_of_the_question(hub_folder: Path) -> None:
    text = "What is it?\n(A) cat\n(B) dog\n(C) cow\n(D) hen"
    row = {"video_name": "a.mp4", "question": text, "answer": "B", "task_type": "findNeedle"}
    source = hub_source(hub_folder, row, {**row, "video_name": "b.mp4", "task_type": "count"})
    with zipfile.ZipFile(hub_folder / "video_part_1.zip", "w") as archive:
        archive.writestr("deep/inside/a.mp4", b"video a")

    first, second = MLVU.samples(source)
    assert (first.question, first.choices, first.answer) == ("What is it?", ("cat", "dog", "cow", "hen"), "B")
    assert (first.meta["task"], second.meta["task"]) == ("needle", "count")
    assert isinstance(first.media, Video)
    assert first.media.source.read_bytes() == b"video a"
    assert isinstance(second.media, Video)
    assert not second.media.source.exists()
    assert MLVU.request(first, "lmms-eval").text == f"{text}\nOnly give the best option.\nBest option: ("
    assert MLVU.request(first, "llava-mini").text == MLVU.request(a_sample(), "llava-mini").text


def test_the_hub_set_may_hold_options_in_a_column_or_nowhere(hub_folder: Path) -> None:
    row = {"video_name": "a.mp4", "question": "What is it?", "answer": "B", "task_type": "count"}
    rows = ({**row, "candidates": ["cat", "dog", "cow", "hen"]}, {**row, "candidates": []})
    listed, none = MLVU.samples(hub_source(hub_folder, *rows))
    assert MLVU.request(listed, "lmms-eval") == replace(MLVU.request(a_sample(), "lmms-eval"), sample_id=listed.id)
    assert none.broken == "the item has no options"


def test_an_unknown_task_on_the_hub_is_named(hub_folder: Path) -> None:
    row = {"video_name": "a.mp4", "question": "q", "answer": "B", "task_type": "sportsQA"}
    with pytest.raises(NotAvailable, match="unknown task_type 'sportsQA'"):
        MLVU.samples(hub_source(hub_folder, row))


@given(st.text(), st.sampled_from("ABCD@"), st.integers(0, 6))
def test_any_text_is_scored(text: str, answer: str, options: int) -> None:
    sample = Sample("s", "q", None, answer, tuple("x" * options), {"task": "count"})
    assert set(MLVU.score(sample, Response("s", text)).values.values()) <= {0.0, 1.0}


@given(st.lists(st.sampled_from(["B", "C", "", None]), max_size=8), st.text("ACDacd (). "))
def test_a_wrong_answer_never_raises_the_score(texts: list[str | None], wrong: str) -> None:
    run = score_texts(MLVU, [a_sample()] * len(texts), texts)
    before, after = point(MLVU.headline, run), point(MLVU.headline, [*run, score_text(MLVU, a_sample(), wrong)])
    assert after is not None
    assert after <= (before or 0.0)


@needs_real_media
def test_the_real_folder_is_read_whole() -> None:
    samples = MLVU.samples(DataSource("folder", REAL_MEDIA))
    files = {stem: json.loads((REAL_MEDIA / "MLVU" / "json" / f"{stem}.json").read_text()) for stem in FILES.values()}
    assert len(samples) == sum(map(len, files.values()))
    assert all(isinstance(one.media, Video) and one.media.source.is_file() and not one.broken for one in samples)
    run = score_texts(MLVU, samples, [f"({sample.answer})" for sample in samples])
    assert point(MLVU.headline, run) == 100.0
    stems = {task: stem for task, stem in FILES.items() if not files[stem]}
    assert MLVU.breakdown(run)["absent tasks"] == list(stems)
    assert all(isinstance(one.result, Score) for one in run)
