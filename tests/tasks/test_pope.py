from __future__ import annotations

import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.sources import DataSource
from harness.errors import NotAvailable
from harness.scoring.statistics import clustered_bootstrap, point, worst_and_best
from harness.types import Response, Sample, Score, Scored
from tasks.pope import CATEGORIES, Pope, says_no_or_yes
from tests.support.folders import write_jsonl
from tests.support.golden import REAL_MEDIA, golden_path, needs_real_media, published_path
from tests.support.tasks import score_text, score_texts

POPE = Pope()
TEXTS = st.one_of(st.text(), st.sampled_from(["Yes", "No", "no.", "not", "NO", "Yes, No", ". No", "\nNo"]))


def sample(label: str, category: str = "random", name: str = "1") -> Sample:
    return Sample(name, "Is there a dog in the image?", None, label, meta={"category": category})


def official_folder(root: Path, rows: list[dict[str, Any]], labels: dict[str, list[dict[str, Any]]]) -> DataSource:
    (root / "pope" / "val2014").mkdir(parents=True)
    write_jsonl(root / "pope" / "llava_pope_test.jsonl", rows)
    for category in CATEGORIES:
        write_jsonl(root / "pope" / "coco" / f"coco_pope_{category}.json", labels.get(category, []))
    return DataSource("folder", root)


def question(number: int, category: str, text: str = "Is there a dog in the image?") -> dict[str, Any]:
    text = f"{text}\nAnswer the question using a single word or phrase."
    return {"question_id": number, "image": "a.jpg", "text": text, "category": category}


def golden(tmp_path: Path) -> tuple[dict[str, Any], list[Scored]]:
    """The golden answers, scored on samples that went through the folder reader."""
    data = json.loads(golden_path("image", "pope.json").read_text())
    labels: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in data["items"]:
        labels[item["category"]].append({"label": item["label"]})
    rows = [question(item["question_id"], item["category"]) for item in data["items"]]
    samples = POPE.samples(official_folder(tmp_path, rows, labels))
    return data, score_texts(POPE, samples, [item["text"] for item in data["items"]])


@pytest.mark.golden
def test_each_answer_is_read_as_the_official_script_and_lmms_eval_read_it(tmp_path: Path) -> None:
    data, run = golden(tmp_path)
    for item, one in zip(data["items"], run, strict=True):
        assert isinstance(one.result, Score)
        assert one.result.detail["answer"] == item["expect"]["parsed"], item
        assert one.result.values["accuracy"] == item["expect"]["correct"], item
        assert one.result.values["lmms_eval"] == item["expect"]["lmms_score"], item


@pytest.mark.golden
def test_headline_and_every_printed_number_are_the_official_ones(tmp_path: Path) -> None:
    data, run = golden(tmp_path)
    assert point(POPE.headline, run) == pytest.approx(data["headline_mean_f1_x100"], abs=1e-9)
    table = POPE.breakdown(run)
    for category, official in data["aggregate"].items():
        printed = {name: value for name, value in official.items() if name != "lmms"}
        assert table[category] == pytest.approx(printed, abs=1e-9), category


@pytest.mark.golden
def test_lmms_eval_figures_of_each_category_are_theirs(tmp_path: Path) -> None:
    data, run = golden(tmp_path)
    for category, official in data["aggregate"].items():
        part = [one for one in run if one.sample.meta["category"] == category]
        variants = POPE.variants(part)
        assert variants["lmms_eval"] == pytest.approx(100 * official["lmms"]["f1"], abs=1e-9)
        assert variants["lmms_eval_mean_f1"] == pytest.approx(100 * official["lmms"]["f1"], abs=1e-9)
        assert variants["lmms_eval_accuracy"] == pytest.approx(100 * official["lmms"]["accuracy"], abs=1e-9)


@pytest.mark.golden
def test_edge_cases_give_zero_and_a_note_where_the_official_script_fails() -> None:
    for case in json.loads(golden_path("image", "pope.json").read_text())["edge_cases"]:
        pairs = list(zip(case["texts"], case["labels"], strict=False))  # the official script truncates
        run = [score_text(POPE, sample(label), text) for text, label in pairs]
        table = POPE.breakdown(run).get("random")
        if not pairs:
            assert table is None
        elif "error" in case:
            assert point(POPE.headline, run) == table["f1"] == 0.0, case
            assert "divides by zero" in table["note"], case
        else:
            assert {name: table[name] for name in ("TP", "FP", "TN", "FN")} == {
                name: case[name] for name in ("TP", "FP", "TN", "FN")
            }
            names = ("f1", "accuracy", "precision", "recall", "yes_ratio")
            assert ", ".join(f"{table[name]:.3f}" for name in names) == case["last_line"]
            assert "note" not in table


@pytest.mark.published
def test_published_answers_score_to_their_published_figure() -> None:
    data = json.loads(published_path("pope_llava16_vicuna7b_marcowky.json").read_text())
    run = [
        score_text(POPE, sample(label, category, str(number)), text) for number, category, label, text in data["rows"]
    ]
    expected = data["expected"]
    assert point(POPE.headline, run) == pytest.approx(expected["mean_f1_x100"], abs=1e-9)
    table = POPE.breakdown(run)
    for category, official in expected["per_category"].items():
        assert table[category] == pytest.approx({name: official[name] for name in table[category]}, abs=1e-9)


@pytest.mark.published
def test_prompt_is_llavas_to_the_byte(tmp_path: Path) -> None:
    cases = json.loads(published_path("prompts_sample.json").read_text())["pope"]
    labels = defaultdict(list)
    for case in cases:
        labels[case["llava"]["category"]].append(case["annotation"])
    samples = POPE.samples(official_folder(tmp_path, [case["llava"] for case in cases], labels))
    for one, case in zip(samples, cases, strict=True):
        assert POPE.request(one, "llava").text == case["llava"]["text"]
        assert (one.answer, one.question) == (case["annotation"]["label"], case["annotation"]["text"])
        assert "label_of_another_question" not in one.meta


@pytest.mark.parametrize(
    ("text", "answer"),
    [("No, it is.", "no"), ("NO", "yes"), ("Nope", "yes"), ("", "yes"), ("It is. No", "yes"), ("a  not b", "no")],
)
def test_only_no_and_not_between_single_spaces_of_the_first_sentence_are_a_no(text: str, answer: str) -> None:
    assert says_no_or_yes(text) == answer


def test_labels_belong_to_questions_by_their_place_in_the_category(tmp_path: Path) -> None:
    rows = [question(1, "adversarial"), question(2, "random"), question(3, "adversarial"), question(4, "random")]
    labels = {
        "adversarial": [{"label": "yes"}, {"label": "no"}],
        "random": [{"label": "no", "question_id": 9}, {"label": "yes"}],
    }
    samples = POPE.samples(official_folder(tmp_path, rows, labels))
    assert [one.answer for one in samples] == ["yes", "no", "no", "yes"]


def test_a_question_beyond_the_labels_is_broken_not_dropped(tmp_path: Path) -> None:
    rows = [question(1, "random"), question(2, "random"), question(3, "somewhere")]
    samples = POPE.samples(official_folder(tmp_path, rows, {"random": [{"label": "no"}]}))
    assert [one.broken for one in samples] == [
        None,
        "no label at this place of category 'random'",
        "no label at this place of category 'somewhere'",
    ]


def test_labels_of_other_questions_are_counted(tmp_path: Path) -> None:
    labels = {"random": [{"label": "no", "text": "Is there a cat in the image?", "image": "a.jpg"}]}
    samples = POPE.samples(official_folder(tmp_path, [question(1, "random")], labels))
    assert POPE.breakdown(score_texts(POPE, samples, ["no"]))["labels of another question"] == 1


def test_an_absent_folder_says_which_files_are_missing(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match=r"coco_pope_popular\.json"):
        POPE.samples(DataSource("folder", tmp_path))


def test_missing_answers_bound_the_headline() -> None:
    samples = [sample(label, category) for category in CATEGORIES for label in ("yes", "no") * 40]
    run = score_texts(POPE, samples, [None, None, *(one.answer for one in samples[2:])])
    bounds, value = worst_and_best(POPE.headline, run), point(POPE.headline, run)
    assert bounds is not None
    assert bounds[0] < 100.0 == bounds[1] == value
    interval = clustered_bootstrap(POPE.headline, run, range(len(run)), seed=0, resamples=50)
    assert interval == (100.0, 100.0)


def test_nothing_scored_prints_nothing() -> None:
    run = [score_text(POPE, sample("yes"), None)]
    assert POPE.breakdown(run) == POPE.variants(run) == {}


def test_headline_is_the_mean_of_the_categories_not_of_the_questions() -> None:
    run = [score_text(POPE, sample("yes"), "Yes") for _ in range(9)] + [
        score_text(POPE, sample("yes", "popular"), "No")
    ]
    assert point(POPE.headline, run) == 50.0
    assert POPE.variants(run)["pooled_f1"] == pytest.approx(100 * 18 / 19)


@given(TEXTS, st.sampled_from(["yes", "no", "maybe"]))
def test_any_text_is_scored(text: str, label: str) -> None:
    score = POPE.score(sample(label), Response("1", text))
    assert score.values["accuracy"] in {0.0, 1.0}
    assert score.values["lmms_eval"] in {0.0, 1.0}


ANSWERED = st.tuples(st.sampled_from(["yes", "no"]), st.sampled_from(CATEGORIES), TEXTS)


@given(st.lists(ANSWERED, max_size=12), ANSWERED)
def test_a_wrong_answer_never_raises_the_score(answers: list[tuple[str, str, str]], last: tuple[str, str, str]) -> None:
    run = [score_text(POPE, sample(label, category), text) for label, category, text in answers]
    label, category, _ = last
    wrong = score_text(POPE, sample(label, category), "No" if label == "yes" else "Yes")
    before, after = point(POPE.headline, run), point(POPE.headline, [*run, wrong])
    assert after is not None
    in_category = any(one[1] == category for one in answers)
    if before is not None and in_category:
        assert after <= before + 1e-9


@given(st.lists(ANSWERED, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_order_does_not_matter(answers: list[tuple[str, str, str]], rng: random.Random) -> None:
    run = [score_text(POPE, sample(label, category), text) for label, category, text in answers]
    shuffled = rng.sample(run, len(run))
    assert point(POPE.headline, shuffled) == point(POPE.headline, run)
    assert POPE.breakdown(shuffled) == POPE.breakdown(run)


@needs_real_media
def test_the_real_folder_is_read_whole() -> None:
    samples = POPE.samples(DataSource("folder", REAL_MEDIA))
    lines = (REAL_MEDIA / "pope" / "llava_pope_test.jsonl").read_text().splitlines()
    assert [POPE.request(one, "llava").text for one in samples] == [json.loads(line)["text"] for line in lines]
    assert all(one.media and not one.broken and Path(str(one.media.source)).is_file() for one in samples)
    run = score_texts(POPE, samples, [one.answer.capitalize() for one in samples])
    assert point(POPE.headline, run) == 100.0
    assert set(POPE.breakdown(run)) == set(CATEGORIES)
