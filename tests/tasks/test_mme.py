from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.sources import DataSource
from harness.errors import NotAvailable
from harness.scoring.statistics import clustered_bootstrap, point, worst_and_best
from harness.types import Response, Sample, Score, Scored
from tasks.mme import COGNITION, PERCEPTION, Mme, official_answer
from tests.support.folders import write_jsonl
from tests.support.golden import golden_path, published_path
from tests.support.tasks import score_text, score_texts

MME = Mme()
SHORT = "\nAnswer the question using a single word or phrase."
TEXTS = st.one_of(st.text(), st.sampled_from(["Yes", "No", "yes.", " no", "**yes", "y", "N.", "a\tno", "\nYes"]))


def sample(answer: str, category: str = "count", image: str = "1", number: int = 1) -> Sample:
    return Sample(f"{image}#{number}", "q", None, answer, meta={"category": category, "image": image})


def official_folder(root: Path, rows: list[dict[str, Any]]) -> DataSource:
    """`rows`: LLaVA's question_id, the question in full as the release has it, and its answer."""
    release = root / "MME" / "MME_Benchmark_release_version"
    release.mkdir(parents=True)
    lines = []
    for row in rows:
        name = Path(row["question_id"])
        category = release / name.parts[0]
        folder = category / "questions_answers_YN" if "images" in name.parts else category
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{name.stem}.txt").open("a", encoding="utf-8") as file:
            file.write(f"{row['question']}\t{row['answer']}\n")
        text = row.get("llava_text") or row["question"].removesuffix("Please answer yes or no.").rstrip() + SHORT
        lines.append({"question_id": row["question_id"], "image": row["question_id"], "text": text})
    write_jsonl(root / "MME" / "llava_mme.jsonl", lines)
    return DataSource("folder", root)


def golden(tmp_path: Path) -> tuple[dict[str, Any], list[Scored]]:
    """The golden answers, scored on samples that went through the folder reader."""
    data = json.loads(golden_path("image", "mme.json").read_text())
    rows = [{**item, "question_id": f"{item['category']}/{Path(item['image']).stem}.jpg"} for item in data["items"]]
    samples = MME.samples(official_folder(tmp_path, rows))
    return data, score_texts(MME, samples, [item["prediction"] for item in data["items"]])


@pytest.mark.golden
def test_each_answer_is_read_as_the_official_tool_and_lmms_eval_read_it(tmp_path: Path) -> None:
    data, run = golden(tmp_path)
    for item, one in zip(data["items"], run, strict=True):
        assert isinstance(one.result, Score)
        assert one.result.detail["answer"] == item["expect"]["parsed"], item
        assert one.result.values["accuracy"] == item["expect"]["correct"], item
        right = item["expect"]["lmms_parsed"] == item["answer"].lower()
        assert one.result.values["lmms_eval"] == right, item


@pytest.mark.golden
def test_both_totals_and_every_category_are_the_official_ones(tmp_path: Path) -> None:
    data, run = golden(tmp_path)
    official, table, variants = data["aggregate"], MME.breakdown(run), MME.variants(run)
    assert point(MME.headline, run) == pytest.approx(official["perception"], abs=1e-9)
    assert table["perception"] == pytest.approx(official["perception"], abs=1e-9)
    assert table["cognition"] == pytest.approx(official["cognition"], abs=1e-9)
    assert table["categories"] == pytest.approx(official["per_category"], abs=1e-9)
    assert variants["lmms_eval"] == pytest.approx(official["lmms_perception"], abs=1e-9)
    assert variants["lmms_eval_cognition"] == pytest.approx(official["lmms_cognition"], abs=1e-9)


@pytest.mark.published
def test_published_answers_score_to_their_published_figures() -> None:
    data = json.loads(published_path("mme_lavin_sample.json").read_text())
    run = [
        score_text(MME, sample(answer, category, f"{category}/{image}"), text)
        for category, image, answer, text in data["rows"]
    ]
    expected, table = data["expected"], MME.breakdown(run)
    assert point(MME.headline, run) == pytest.approx(expected["perception"], abs=1e-9)
    assert table["cognition"] == pytest.approx(expected["cognition"], abs=1e-9)
    assert table["categories"] == pytest.approx(expected["per_category"], abs=1e-9)


@pytest.mark.published
def test_prompt_is_llavas_to_the_byte_and_finds_its_answer(tmp_path: Path) -> None:
    cases = json.loads(published_path("prompts_sample.json").read_text())["mme"]
    rows = [{**case, "question_id": case["llava_question_id"]} for case in cases]
    for one, case in zip(MME.samples(official_folder(tmp_path, rows)), cases, strict=True):
        assert MME.request(one, "llava").text == case["llava_text"]
        assert (one.answer, one.broken, one.meta["category"]) == (case["answer"], None, case["category"])


@pytest.mark.parametrize(
    ("text", "answer"),
    [("snow", "no"), ("Not", "no"), (" yes", "yes"), ("    yes", "other"), ("**yes", "other"), ("y", "other")],
)
def test_first_four_characters_decide(text: str, answer: str) -> None:
    assert official_answer(text) == answer


def test_breaks_that_would_spoil_the_official_file_are_read_as_spaces_and_recorded() -> None:
    score = MME.score(sample("Yes"), Response("1", "\nYes\tit is"))
    assert score.values["accuracy"] == 1.0
    assert "read as spaces" in score.detail["note"]
    assert "note" not in MME.score(sample("Yes"), Response("1", "Yes")).detail


def test_both_questions_of_an_image_are_told_apart_and_share_it(tmp_path: Path) -> None:
    rows = [
        {"question_id": "color/1.png", "question": "Is it red?  Please answer yes or no.", "answer": "Yes"},
        {"question_id": "scene/images/1.jpg", "question": "Is it a park? Please answer yes or no.", "answer": "No"},
        {"question_id": "color/1.png", "question": "Is it blue? Please answer yes or no.", "answer": "No"},
    ]
    samples = MME.samples(official_folder(tmp_path, rows))
    assert [one.id for one in samples] == ["color/1.png#1", "scene/images/1.jpg#1", "color/1.png#2"]
    assert samples[0].media == samples[2].media != samples[1].media
    assert [one.answer for one in samples] == ["Yes", "No", "No"]
    assert samples[0].question == "Is it red?"


def test_a_question_that_the_release_does_not_answer_is_broken(tmp_path: Path) -> None:
    rows = [{"question_id": "color/1.png", "question": "Is it red? Please answer yes or no.", "answer": "Yes"}]
    source = official_folder(tmp_path, rows)
    (tmp_path / "MME" / "MME_Benchmark_release_version" / "color" / "1.txt").unlink()
    assert MME.samples(source)[0].broken == "the release has no answer to this question"


def test_an_absent_folder_says_which_files_are_missing(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match=r"llava_mme\.jsonl"):
        MME.samples(DataSource("folder", tmp_path))


def test_presets_differ_in_the_length_of_the_answer() -> None:
    llava, lmms = (MME.request(sample("Yes"), prompt) for prompt in MME.card.prompts)
    assert llava.text == lmms.text == "q" + SHORT
    assert (llava.max_new_tokens, lmms.max_new_tokens) == (128, 16)


def test_score_by_hand() -> None:
    # count: 3 of 4 right, one image of two wholly: 75 + 50; color: both wrong; a cognition answer does not count
    answers = [("count", "a", "Yes"), ("count", "a", "Yes"), ("count", "b", "Yes"), ("count", "b", "No")]
    run = [score_text(MME, sample("Yes", category, image), text) for category, image, text in answers]
    run += [score_text(MME, sample("No", "color", "a"), "Yes")] * 2
    run += [score_text(MME, sample("No", "code_reasoning", "a"), "No")]
    assert point(MME.headline, run) == pytest.approx(125.0)
    assert MME.breakdown(run)["categories"] == {"count": 125.0, "color": 0.0, "code_reasoning": 200.0}


def test_best_run_reaches_the_published_maximum() -> None:
    run = [score_text(MME, sample("Yes", c, i), "yes") for c in (*PERCEPTION, *COGNITION) for i in "aabb"]
    assert point(MME.headline, run) == 2000.0
    assert MME.breakdown(run)["cognition"] == 800.0


def test_an_image_with_a_missing_question_counts_in_accuracy_alone() -> None:
    run = score_texts(MME, [sample("Yes", image=i) for i in "aabb"], ["Yes", "Yes", "No", None])
    assert point(MME.headline, run) == pytest.approx(100 * 2 / 3 + 100)
    assert worst_and_best(MME.headline, run) == (pytest.approx(50 + 50), pytest.approx(75 + 50))


def test_interval_draws_images_and_nothing_scored_prints_no_number() -> None:
    run = score_texts(MME, [sample("Yes", image=str(i // 2)) for i in range(40)], ["Yes", "Yes", "No", "No"] * 10)
    interval = clustered_bootstrap(MME.headline, run, [one.sample.meta["image"] for one in run], seed=0)
    assert interval is not None
    assert interval[0] < 100.0 < interval[1]
    nothing = [score_text(MME, sample("Yes"), None)]
    assert MME.breakdown(nothing) == {"perception": None, "cognition": None, "categories": {}, "neither yes nor no": 0}
    assert MME.variants(nothing) == {}


@given(TEXTS, st.sampled_from(["Yes", "No"]))
def test_any_text_is_scored(text: str, answer: str) -> None:
    assert set(MME.score(sample(answer), Response("1", text)).values.values()) <= {0.0, 1.0}


PAIRS = st.lists(st.tuples(st.sampled_from(["count", "color", "OCR"]), TEXTS, TEXTS), max_size=8)


def answered(pairs: list[tuple[str, str, str]]) -> list[Scored]:
    return [
        score_text(MME, sample(("Yes", "No")[number], category, str(place), number + 1), texts[number])
        for place, (category, *texts) in enumerate(pairs)
        for number in (0, 1)
    ]


@given(PAIRS, st.data())
def test_a_wrong_answer_instead_of_another_never_raises_the_score(
    pairs: list[tuple[str, str, str]], data: st.DataObject
) -> None:
    run = answered(pairs)
    if run:
        place = data.draw(st.integers(0, len(run) - 1))
        worse = [*run[:place], score_text(MME, run[place].sample, "other"), *run[place + 1 :]]
        before, after = point(MME.headline, run), point(MME.headline, worse)
        assert before is not None
        assert after is not None
        assert after <= before + 1e-9


@given(PAIRS)
def test_a_wrong_image_more_never_raises_a_category(pairs: list[tuple[str, str, str]]) -> None:
    categories = Counter(category for category, *_ in pairs)
    for category in categories:
        before, after = (
            point(MME.headline, answered(pairs)),
            point(MME.headline, answered([*pairs, (category, "", "")])),
        )
        assert before is not None
        assert after is not None
        assert after <= before + 1e-9


@given(PAIRS, st.randoms(use_true_random=False))
def test_order_does_not_matter(pairs: list[tuple[str, str, str]], rng: random.Random) -> None:
    run = answered(pairs)
    shuffled = rng.sample(run, len(run))
    assert point(MME.headline, shuffled) == pytest.approx(point(MME.headline, run))


def test_the_release_is_needed_to_score_answers_too(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "MME" / "llava_mme.jsonl", [])
    with pytest.raises(NotAvailable, match="MME_Benchmark_release_version"):
        MME.samples(DataSource("folder", tmp_path, media=False))
