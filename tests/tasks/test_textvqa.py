from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.data.sources import DataSource
from harness.errors import NotAvailable
from harness.scoring.statistics import point
from harness.types import Response, Sample, Score, Scored
from tasks.annotators import NO_LABEL
from tasks.textvqa import ANNOTATIONS, IMAGES, OCR_PREFIX, QUESTIONS, TextVqa, question_of
from tasks.wording import SHORT_ANSWER
from tests.support.folders import write_json, write_jsonl
from tests.support.golden import golden_path, published_path
from tests.support.tasks import score_text, score_texts

TEXTVQA = TextVqa()
TEXTS = st.one_of(st.text(), st.sampled_from(["Exit", "the exit.", "two", "1,000"]))
ONE_LINE = st.text(st.characters(exclude_characters="\n"))
Row = dict[str, Any]


def official_folder(root: Path, lines: list[Row], annotations: list[Row]) -> DataSource:
    write_jsonl(root / QUESTIONS, lines)
    write_json(root / ANNOTATIONS, {"data": annotations})
    (root / IMAGES).mkdir(exist_ok=True)
    return DataSource("folder", root)


def line(question: str = "What word is printed?", image: str = "00ff", tokens: str = "exit, bus") -> Row:
    text = f"{question}\n{OCR_PREFIX}{tokens}\n{SHORT_ANSWER}"
    return {"question_id": image, "image": f"{image}.jpg", "text": text, "category": "default"}


def annotation(
    number: int = 34602, question: str = "what word is printed?", image: str = "00ff", people: int = 10
) -> Row:
    return {"question_id": number, "image_id": image, "question": question, "answers": ["exit"] * people}


def sample(answers: list[str]) -> Sample:
    return Sample("1", "What word?", None, answers[0], meta={"answers": answers, "prompt": "What word?"})


def golden(tmp_path: Path) -> tuple[Row, list[Sample], list[Scored]]:
    """The golden predictions, scored on samples that went through the folder reader."""
    data = json.loads(golden_path("image", "textvqa.json").read_text())
    lines = [
        {"question_id": item["image_id"], "image": f"{item['image_id']}.jpg", "text": item["prompt"]}
        for item in data["items"]
    ]
    samples = list(TEXTVQA.samples(official_folder(tmp_path, lines, data["items"])))
    return data, samples, score_texts(TEXTVQA, samples, [item["prediction"] for item in data["items"]])


@pytest.mark.golden
def test_each_prompt_meets_its_annotation_and_each_answer_its_official_score(tmp_path: Path) -> None:
    data, samples, run = golden(tmp_path)
    for item, asked, one in zip(data["items"], samples, run, strict=True):
        assert isinstance(one.result, Score)
        assert question_of(item["prompt"]).lower() == item["expect"]["prompt_question"], item
        assert (asked.id, asked.broken) == (str(item["question_id"]), None)
        assert TEXTVQA.request(asked, "llava").text == item["prompt"]
        assert one.result.detail["answer"] == item["expect"]["normalized"], item
        assert one.result.values["accuracy"] == pytest.approx(item["expect"]["acc"], abs=1e-9), item
        assert one.result.values["accuracy"] == pytest.approx(item["expect"]["lmms_acc"], abs=1e-9), item


@pytest.mark.golden
def test_printed_numbers_and_means_are_the_official_ones(tmp_path: Path) -> None:
    data, _, run = golden(tmp_path)
    official = data["aggregate"]
    assert point(TEXTVQA.headline, run) == pytest.approx(100 * official["accuracy"], abs=1e-9)
    assert TEXTVQA.variants(run)["lmms_eval"] == pytest.approx(100 * official["lmms_mean"], abs=1e-9)
    assert TEXTVQA.breakdown(run) == {"samples": official["samples"], "accuracy": float(official["printed"])}


@pytest.mark.golden
def test_prompts_at_which_the_official_script_ends_are_refused(tmp_path: Path) -> None:
    prompts = [case["prompt"] for case in json.loads(golden_path("image", "textvqa.json").read_text())["prompt_errors"]]
    for prompt in prompts:
        with pytest.raises(ValueError, match=r"form|between"):
            question_of(prompt)
    lines = [{**line(), "text": prompt} for prompt in prompts]
    samples = TEXTVQA.samples(official_folder(tmp_path, lines, [annotation()]))
    assert all((one.broken or "").startswith("prompt of unknown form") for one in samples)
    assert len({one.id for one in samples}) == len(prompts)


@pytest.mark.published
def test_prompt_is_llavas_to_the_byte(tmp_path: Path) -> None:
    cases = json.loads(published_path("prompts_sample.json").read_text())["textvqa"]
    rows = [
        annotation(number, question_of(case["text"]).upper(), case["question_id"]) for number, case in enumerate(cases)
    ]
    samples = TEXTVQA.samples(official_folder(tmp_path, cases, rows))
    for one, case in zip(samples, cases, strict=True):
        assert one.broken is None
        assert TEXTVQA.request(one, "llava").text == case["text"]


def test_lmms_evals_prompt_has_no_ocr_tokens(tmp_path: Path) -> None:
    (one,) = TEXTVQA.samples(official_folder(tmp_path, [line()], [annotation()]))
    assert TEXTVQA.request(one, "llava").text == line()["text"]
    assert TEXTVQA.request(one, "lmms-eval").text == f"What word is printed?\n{SHORT_ANSWER}"
    assert TEXTVQA.request(one, "llava").max_new_tokens == 128


def test_a_prompt_without_tokens_keeps_its_line(tmp_path: Path) -> None:
    (one,) = TEXTVQA.samples(official_folder(tmp_path, [line(tokens="")], [annotation()]))
    assert TEXTVQA.request(one, "llava").text == f"What word is printed?\nReference OCR token: \n{SHORT_ANSWER}"


def test_a_question_without_annotation_and_one_with_nine_answers_are_broken_not_dropped(tmp_path: Path) -> None:
    lines = [line(), line("Who?"), line(image="aa")]
    annotations = [annotation(people=9), annotation(2, image="aa")]
    samples = TEXTVQA.samples(official_folder(tmp_path, lines, annotations))
    assert [one.broken for one in samples] == [
        "9 answers instead of 10",
        "no annotation for this question and image",
        None,
    ]


def test_questions_without_public_label_are_answered_and_not_scored(tmp_path: Path) -> None:
    (one,) = TEXTVQA.samples(official_folder(tmp_path, [line()], [annotation(people=0)]))
    assert one.broken is None
    assert score_text(TEXTVQA, one, "exit").result == NO_LABEL


def test_order_of_the_annotations_does_not_matter(tmp_path: Path) -> None:
    lines = [line(image=f"{number:04x}") for number in range(20)]
    annotations = [annotation(number, image=f"{number:04x}") for number in range(20)]
    before = TEXTVQA.samples(official_folder(tmp_path, lines, annotations))
    random.Random(0).shuffle(annotations)
    assert TEXTVQA.samples(official_folder(tmp_path, lines, annotations)) == before


def test_nothing_scored_prints_nothing() -> None:
    assert TEXTVQA.variants([score_text(TEXTVQA, sample(["exit"] * 10), None)]) == {}


def test_an_absent_folder_says_which_files_are_missing(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match=r"TextVQA_0\.5\.1_val"):
        TEXTVQA.samples(DataSource("folder", tmp_path))


@given(ONE_LINE, ONE_LINE)
def test_any_question_is_found_in_each_known_form(question: str, tokens: str) -> None:
    assume(not question.startswith(("OCR tokens: ", OCR_PREFIX.rstrip())))
    assume(OCR_PREFIX not in question)
    assume(" Short answer:" not in question)
    assume("Question: " not in tokens)
    for prompt in (
        f"{question}\n{OCR_PREFIX}{tokens}\n{SHORT_ANSWER}",
        f"{OCR_PREFIX}{tokens}\n{question}\n{SHORT_ANSWER}",
        f"{question}\n{SHORT_ANSWER}",
        f"OCR tokens: {tokens}. Question: {question} Short answer:",
    ):
        assert question_of(prompt) == question


@given(TEXTS, st.lists(TEXTS, min_size=10, max_size=10))
def test_any_text_is_scored(text: str, answers: list[str]) -> None:
    result = TEXTVQA.score(sample(answers), Response("1", text))
    assert isinstance(result, Score)
    assert 0.0 <= result.values["accuracy"] <= 1.0


@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_a_wrong_answer_never_raises_the_score(texts: list[str]) -> None:
    run = [score_text(TEXTVQA, sample(["exit"] * 6 + ["two"] * 4), text) for text in texts]
    wrong = score_text(TEXTVQA, sample(["exit"] * 10), "bus")
    before, after = point(TEXTVQA.headline, run), point(TEXTVQA.headline, [*run, wrong])
    assert before is not None
    assert after is not None
    assert after <= before + 1e-9
