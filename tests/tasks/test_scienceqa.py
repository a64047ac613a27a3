from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.sources import DataSource
from harness.errors import NotAvailable
from harness.scoring.statistics import point, worst_and_best
from harness.types import Image, Response, Sample, Score, Scored
from tasks.scienceqa import ScienceQa, llava_text, official_letter
from tests.support.folders import write_json
from tests.support.golden import golden_path, published_path
from tests.support.tasks import score_text, score_texts

SQA = ScienceQa()
SUFFIX = "\nAnswer with the option's letter from the given choices directly."
TEXTS = st.one_of(st.text(), st.text("ABCDE. abTheanswer is"), st.sampled_from(["A", "B. x", "The answer is C."]))


def sample(answer: str = "A", image: bool = True, choices: int = 4) -> Sample:
    return Sample("1", "q", None, answer, tuple("wxyz"[:choices]), {"image": image, "question": "q", "hint": ""})


def official_folder(root: Path, problems: list[dict[str, Any]]) -> DataSource:
    """`problems`: entries of problems.json with their id as "question_id"."""
    folder = root / "scienceqa"
    (folder / "images" / "test").mkdir(parents=True)
    lines = []
    for problem in problems:
        key = problem["question_id"]
        text = llava_text(problem["hint"], problem["question"], problem["choices"])
        image = {"image": f"{key}/image.png"} if problem["image"] else {}
        value = f"<image>\n{text}" if image else text
        talk = [{"from": "human", "value": value}, {"from": "gpt", "value": "ABCDE"[problem["answer"]]}]
        lines.append({"id": key, **image, "conversations": talk})
    write_json(folder / "llava_test_CQM-A.json", lines)
    write_json(folder / "problems.json", {problem["question_id"]: problem for problem in problems})
    return DataSource("folder", root)


def golden(tmp_path: Path, **changes: Any) -> tuple[dict[str, Any], list[Scored]]:
    """The golden answers, scored on samples that went through the folder reader."""
    data = json.loads(golden_path("image", "scienceqa.json").read_text())
    problems = [{"question": "Which one?", **item, **changes} for item in data["items"]]
    samples = SQA.samples(official_folder(tmp_path, problems))
    return data, score_texts(SQA, samples, [item["prediction"] for item in data["items"]])


@pytest.mark.golden
def test_each_answer_is_read_as_the_official_script_and_lmms_eval_read_it(tmp_path: Path) -> None:
    data, run = golden(tmp_path)
    for item, one in zip(data["items"], run, strict=True):
        if isinstance(one.result, Score):
            expect = item["expect"]
            assert (one.result.detail["letter"] or "FAILED") == expect["parsed"], item
            assert one.result.values["accuracy"] == expect["correct"], item
            assert one.result.values["lmms_eval"] == expect["lmms"], item
            assert one.sample.meta["image"] == expect["is_multimodal"], item
        else:
            assert item["prediction"] is None


@pytest.mark.golden
def test_both_printed_accuracies_are_the_official_ones(tmp_path: Path) -> None:
    """The official script takes a question without answer as wrong, and drops it from the questions with an image."""
    data, run = golden(tmp_path)
    official, table = data["aggregate"], SQA.breakdown(run)
    assert f"{table['IMG-Accuracy']:.2f}" == official["img_acc"]
    assert point(SQA.headline, run) == pytest.approx(100 * official["img_correct"] / official["img_total"], abs=1e-9)
    assert table["IMG-Total"] == official["img_total"]
    assert table["Correct"] == official["correct"]
    as_wrong = SQA.breakdown([one if isinstance(one.result, Score) else score_text(SQA, one.sample, "") for one in run])
    assert (f"{as_wrong['Accuracy']:.2f}", as_wrong["Total"]) == (official["acc"], official["total"])


@pytest.mark.golden
def test_prompts_are_the_golden_ones(tmp_path: Path) -> None:
    """The golden prompts were made without the hint."""
    data, run = golden(tmp_path, hint="")
    for item, one in zip(data["items"], run, strict=True):
        if item["prompt"] is not None:
            assert SQA.request(one.sample, "llava").text == item["prompt"].removeprefix("<image>\n")


@pytest.mark.published
def test_published_answers_score_to_their_published_figure() -> None:
    answers = json.loads(published_path("scienceqa_llava_13b_v0.json").read_text())
    annotations = json.loads(published_path("scienceqa_annotations.json").read_text())
    gold = {key: sample("ABCDE"[index], bool(image)) for key, index, _, image in annotations["rows"]}
    run = [score_text(SQA, gold[key], text) for key, text, _ in answers["rows"]]
    expected, table = answers["expected"], SQA.breakdown(run)
    assert (table["Total"], table["Correct"]) == (expected["total"], expected["correct"])
    assert f"{table['Accuracy']:.2f}" == expected["acc"]
    assert f"{table['IMG-Accuracy']:.2f}" == expected["img_acc"]
    assert table["IMG-Total"] == expected["img_total"]


@pytest.mark.published
def test_text_is_llavas_to_the_byte() -> None:
    for case in json.loads(published_path("prompts_sample.json").read_text())["scienceqa"]:
        text = llava_text(case["hint"], case["question"], case["choices"])
        assert text == case["prompt"].removeprefix("<image>\n")


def problem(key: str, **changes: Any) -> dict[str, Any]:
    base = {"question": "Which?", "choices": ["x", "y"], "answer": 1, "hint": "", "image": "image.png"}
    return {"question_id": key, **base, **changes}


def test_a_question_without_image_is_asked_as_text_and_stays_out_of_the_headline(tmp_path: Path) -> None:
    pictured, text_only = SQA.samples(official_folder(tmp_path, [problem("1"), problem("2", image=None)]))
    assert text_only.media is None
    assert text_only.broken is None
    assert pictured.media == Image("scienceqa 1", tmp_path / "scienceqa" / "images" / "test" / "1" / "image.png")
    run = score_texts(SQA, [pictured, text_only], ["B", "A"])
    assert point(SQA.headline, run) == 100.0
    assert SQA.variants(run)["accuracy"] == 50.0


def test_llava_collapses_double_spaces_and_lmms_eval_does_not(tmp_path: Path) -> None:
    (one,) = SQA.samples(official_folder(tmp_path, [problem("1", hint="The  fox.", question="Which  one?")]))
    llava, lmms = (SQA.request(one, prompt) for prompt in SQA.card.prompts)
    assert llava.text == f"Context: The fox.\nWhich one?\nA. x\nB. y{SUFFIX}"
    assert lmms.text == f"Context: The  fox.\nWhich  one?\nA. x\nB. y{SUFFIX}"
    assert (llava.max_new_tokens, lmms.max_new_tokens) == (1024, 16)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("B. because", "B"),
        ("So The answer is C.", "C"),
        ("The answer is C", None),
        ("The answer is A. The answer is B.", None),
        ("B.", None),
        ("b", None),
        (" B", None),
        ("(B)", None),
        ("F", None),
        ("", None),
    ],
)
def test_letters_are_read_by_the_three_official_rules_only(text: str, letter: str | None) -> None:
    assert official_letter(text) == letter


def test_a_letter_beyond_the_options_is_wrong_not_unparsed() -> None:
    score = SQA.score(sample("A", choices=2), Response("1", "The answer is Z."))
    assert (score.values["accuracy"], score.values["unparsed"]) == (0.0, 0.0)


def test_missing_answers_bound_the_headline() -> None:
    run = score_texts(SQA, [sample(), sample(), sample(image=False)], ["A", None, None])
    assert point(SQA.headline, run) == 100.0
    assert worst_and_best(SQA.headline, run) == (50.0, 100.0)


def test_a_question_without_problem_is_broken(tmp_path: Path) -> None:
    source = official_folder(tmp_path, [problem("1")])
    write_json(tmp_path / "scienceqa" / "problems.json", {})
    assert SQA.samples(source)[0].broken == "no entry in scienceqa/problems.json"


def test_an_absent_folder_says_which_files_are_missing(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match=r"problems\.json"):
        SQA.samples(DataSource("folder", tmp_path))


def test_nothing_scored_prints_no_number() -> None:
    run = [score_text(SQA, sample(), None)]
    assert SQA.variants(run) == {}
    assert SQA.breakdown(run)["Accuracy"] is None


@given(TEXTS, st.sampled_from("ABCDE"))
def test_any_text_is_scored(text: str, answer: str) -> None:
    assert set(SQA.score(sample(answer), Response("1", text)).values.values()) <= {0.0, 1.0}


ANSWERED = st.lists(st.tuples(st.sampled_from("ABCD"), st.booleans(), TEXTS), max_size=8)


@given(ANSWERED, st.booleans())
def test_a_wrong_answer_never_raises_the_score(answers: list[tuple[str, bool, str]], image: bool) -> None:
    run = [score_text(SQA, sample(answer, pictured), text) for answer, pictured, text in answers]
    before, after = point(SQA.headline, run), point(SQA.headline, [*run, score_text(SQA, sample("A", image), "B")])
    if before is not None:
        assert after is not None
        assert after <= before
    else:
        assert not after


@given(ANSWERED, st.randoms(use_true_random=False))
def test_order_does_not_matter(answers: list[tuple[str, bool, str]], rng: random.Random) -> None:
    run = [score_text(SQA, sample(answer, pictured), text) for answer, pictured, text in answers]
    assert SQA.breakdown(rng.sample(run, len(run))) == SQA.breakdown(run)
