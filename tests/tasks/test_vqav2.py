from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.metrics import metrics_of, score_all
from harness.engine.plan import plan_tasks
from harness.errors import NotAvailable
from harness.scoring.statistics import point
from harness.types import Missing, Response, Sample, Score, Scored
from tasks.annotators import NO_LABEL
from tasks.vqav2 import TEST, TEST_DEV, TEST_IMAGES, VAL_ANNOTATIONS, VAL_IMAGES, VAL_QUESTIONS, VqaV2
from tasks.wording import SHORT_ANSWER
from tests.support.folders import write_json, write_jsonl
from tests.support.golden import golden_path
from tests.support.tasks import score_text, score_texts

VQA = VqaV2()
Row = dict[str, Any]
TEXTS = st.one_of(st.text(), st.sampled_from(["Yes", "no.", "a red", "two", "1,000"]))


def annotation(number: int, answers: list[str], kind: str = "other") -> Row:
    said = [{"answer": text, "answer_confidence": "yes", "answer_id": i} for i, text in enumerate(answers, start=1)]
    types = {"question_type": "what", "answer_type": kind}
    return {"question_id": number, "image_id": 7, **types, "multiple_choice_answer": answers[0], "answers": said}


def val_folder(
    root: Path, annotations: list[dict[str, Any]], questions: list[dict[str, Any]] | None = None
) -> DataSource:
    asked = [{key: row[key] for key in ("question_id", "image_id")} | {"question": "What?"} for row in annotations]
    write_json(root / VAL_QUESTIONS, {"questions": asked if questions is None else questions})
    write_json(root / VAL_ANNOTATIONS, {"annotations": annotations})
    (root / VAL_IMAGES).mkdir()
    return DataSource("folder", root)


def sample(answers: list[str]) -> Sample:
    meta = {"answers": answers, "answer_type": "other", "question_type": "what"}
    return Sample("1", "What?", None, answers[0], meta=meta)


def golden(tmp_path: Path) -> tuple[dict[str, Any], list[Scored]]:
    """The golden predictions, scored on samples that went through the folder reader."""
    data = json.loads(golden_path("image", "vqav2.json").read_text())
    samples = VQA.samples(val_folder(tmp_path, data["items"]))
    return data, score_texts(VQA, samples, [item["prediction"] for item in data["items"]])


@pytest.mark.golden
def test_each_answer_scores_as_official_and_lmms_eval_score_it(tmp_path: Path) -> None:
    data, run = golden(tmp_path)
    for item, one in zip(data["items"], run, strict=True):
        assert isinstance(one.result, Score)
        expect, values = item["expect"], one.result.values
        assert one.result.detail["answer"] == expect["llava_submission"], item
        assert values["accuracy"] == pytest.approx(expect["official_acc_after_llava_norm"], abs=1e-9), item
        assert values["raw_text"] == pytest.approx(expect["official_acc"], abs=1e-9), item
        assert round(100 * values["raw_text"], 2) == expect["official_pct2"], item
        assert values["lmms_eval"] == pytest.approx(expect["lmms_acc"], abs=1e-9), item


@pytest.mark.golden
def test_printed_numbers_and_means_are_the_official_ones(tmp_path: Path) -> None:
    data, run = golden(tmp_path)
    aggregate, variants = data["aggregate"], VQA.variants(run)
    assert VQA.breakdown(run)["raw text"] == aggregate["official"]
    assert point(VQA.headline, run) == pytest.approx(100 * aggregate["official_mean_after_llava_norm"], abs=1e-9)
    assert variants["raw_text"] == pytest.approx(100 * aggregate["official_mean_raw"], abs=1e-9)
    assert variants["lmms_eval"] == pytest.approx(100 * aggregate["lmms_mean"], abs=1e-9)


def test_breakdown_of_the_headline_has_the_official_names_and_two_decimals(tmp_path: Path) -> None:
    rows = [
        annotation(1, ["yes"] * 10, "yes/no"),
        annotation(2, ["2"] * 10, "number"),
        annotation(3, ["3"] * 10, "number"),
    ]
    samples = VQA.samples(val_folder(tmp_path, rows))
    table = VQA.breakdown(score_texts(VQA, samples, ["Yes", "two", "4"]))
    assert table["overall"] == 66.67
    assert table["perAnswerType"] == {"yes/no": 100.0, "number": 50.0}
    assert table["perQuestionType"] == {"what": 66.67}
    assert table["raw text"]["overall"] == 0.0


def test_the_answer_is_normalised_for_upload_before_it_is_scored() -> None:
    values = VQA.score(sample(["yes"] * 10), Response("1", "Yes."))
    assert isinstance(values, Score)
    assert (values.values["accuracy"], values.values["raw_text"], values.values["lmms_eval"]) == (1.0, 0.0, 1.0)


def test_presets_differ_in_the_length_of_the_answer() -> None:
    llava, lmms = (VQA.request(sample(["yes"]), prompt) for prompt in VQA.card.prompts)
    assert llava.text == lmms.text == f"What?\n{SHORT_ANSWER}"
    assert (llava.max_new_tokens, lmms.max_new_tokens) == (128, 16)


def test_questions_without_public_label_are_answered_and_not_scored(tmp_path: Path) -> None:
    text = f"What color?\n{SHORT_ANSWER}"
    row = {"image": "COCO_test2015_000000000001.jpg", "text": text, "category": "default"}
    write_jsonl(tmp_path / TEST_DEV, [{"question_id": 9, **row}])
    write_jsonl(tmp_path / TEST, [{"question_id": number, **row} for number in (9, 10)])
    (tmp_path / TEST_IMAGES).mkdir()
    (one,) = VQA.samples(DataSource("folder", tmp_path))
    assert one.broken is None
    assert VQA.request(one, "llava").text == text
    assert score_text(VQA, one, "red").result == NO_LABEL
    (tmp_path / TEST_DEV).unlink()
    assert [one.id for one in VQA.samples(DataSource("folder", tmp_path))] == ["9", "10"]


def test_labelled_questions_come_before_those_to_upload(tmp_path: Path) -> None:
    write_jsonl(tmp_path / TEST_DEV, [])
    assert [one.id for one in VQA.samples(val_folder(tmp_path, [annotation(1, ["a"] * 10)]))] == ["1"]


def test_a_question_without_annotation_stays_in_the_run_unscored(tmp_path: Path) -> None:
    questions = [{"question_id": number, "image_id": 7, "question": "What?"} for number in (1, 2)]
    samples = VQA.samples(val_folder(tmp_path, [annotation(2, ["a"] * 10)], questions))
    assert [isinstance(one.result, Missing) for one in score_texts(VQA, samples, ["a", "a"])] == [True, False]


def test_annotations_of_unknown_questions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match="1 of 1 annotations"):
        VQA.samples(val_folder(tmp_path, [annotation(1, ["a"] * 10)], []))


def test_an_absent_folder_says_which_files_are_missing(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match="v2_mscoco_val2014_annotations"):
        VQA.samples(DataSource("folder", tmp_path))


def test_order_of_the_annotations_does_not_matter(tmp_path: Path) -> None:
    rows = [annotation(number, [f"a{number}"] * 10) for number in range(20)]
    before = VQA.samples(val_folder(tmp_path, rows))
    random.Random(0).shuffle(rows)
    write_json(tmp_path / VAL_ANNOTATIONS, {"annotations": rows})
    assert VQA.samples(DataSource("folder", tmp_path)) == before
    assert len({id(one.media) for one in before}) == 1


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=10))
def test_any_text_is_scored(text: str, answers: list[str]) -> None:
    result = VQA.score(sample(answers), Response("1", text))
    assert isinstance(result, Score)
    assert all(0.0 <= value <= 1.0 for value in result.values.values())


@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_a_wrong_answer_never_raises_the_score(texts: list[str]) -> None:
    run = [score_text(VQA, sample(["red"] * 6 + ["two"] * 4), text) for text in texts]
    wrong = score_text(VQA, sample(["red"] * 10), "blue")
    before, after = point(VQA.headline, run), point(VQA.headline, [*run, wrong])
    assert before is not None
    assert after is not None
    assert after <= before + 1e-9


def test_a_run_without_labels_keeps_its_answers_and_withholds_the_headline(tmp_path: Path) -> None:
    write_jsonl(tmp_path / TEST_DEV, [{"question_id": 9, "image": "a.jpg", "text": "What?"}])
    (tmp_path / TEST_IMAGES).mkdir()
    config = RunConfig("made-up", ("vqav2",), {"vqav2": DataSource("folder", tmp_path)}, tmp_path / "run")
    (plan,) = plan_tasks([VQA], config)
    (one,) = scored = score_all(plan, {"9": Response("9", "red")})
    entry = metrics_of(plan, scored, config)
    assert one.response is not None
    assert entry["missing"] == {"no public label": 1}
    assert entry["headline"]["value"] is None
    assert "withheld" in entry["headline"]
    assert (entry["bounds"], entry["breakdown"], entry["variants"]) == ([0.0, 100.0], {}, {})
