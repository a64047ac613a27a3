"""Which question an answer belongs to, and what is said of those that belong to none."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.types import Image, Missing, Response, Sample
from results.matching import Matched, complaints, match
from results.predictions import Predictions, Row, read_predictions
from tasks.gqa import Gqa
from tasks.mme import Mme

GQA = Gqa()


def sample(name: str, question: str = "q", image: str = "a.jpg", choices: tuple[str, ...] = ()) -> Sample:
    return Sample(name, question, Image(image, Path("/images") / image), "", choices)


def rows(*answers: tuple[str, str] | tuple[str, str, str]) -> Predictions:
    """(id, text) or (id, text, prompt)."""
    return Predictions([Row(one[0], one[2] if len(one) == 3 else "", one[1], "f") for one in answers])


def texts(found: Matched) -> dict[str, str]:
    return {key: one.text if isinstance(one, Response) else one.reason for key, one in found.outcomes.items()}


def test_ids_decide_and_what_fits_nothing_is_named() -> None:
    found = match(rows(("2", "b"), ("1", "a"), ("9", "x")), GQA, [sample("1"), sample("2"), sample("3")])
    assert texts(found) == {"1": "a", "2": "b"}
    assert found.to_json()["unmatched"] == {"n": 1, "first": ["9 (f)"]}
    assert list(complaints(found)) == ["1 answers belong to no question that is scored here: 9 (f)"]


def test_of_two_answers_to_a_question_the_last_counts_and_is_told() -> None:
    found = match(rows(("1", "a"), ("1", "b")), GQA, [sample("1")])
    assert texts(found) == {"1": "b"}
    assert found.to_json()["duplicates"]["n"] == 1
    assert any("the last one counts" in line for line in complaints(found))


def test_a_shared_id_is_told_apart_by_what_was_asked() -> None:
    samples = [sample("7", "Is it red?"), sample("8", "is it  Red? And blue?"), sample("9", "x", "b.jpg")]
    asked = [("a", "long", "Is it red? And blue?\nShort answer."), ("a", "short", "IS IT RED?\nShort answer.")]
    found = match(rows(*asked, ("b.jpg", "other"), ("a.jpg", "none"), ("a", "else", "Is it green?")), GQA, samples)
    assert texts(found) == {"7": "short", "8": "long", "9": "other"}
    assert found.strangers == [
        "a.jpg (f: 2 questions have this id and the row has no prompt)",
        "a (f: its prompt is none of the 2 questions with this id)",
    ]


def test_questions_that_are_equal_in_all_take_their_answers_in_order() -> None:
    found = match(rows(("a", "1", "q"), ("a", "2", "q"), ("a", "3", "q")), GQA, [sample("7"), sample("8")])
    assert texts(found) == {"7": "1", "8": "3"}
    assert len(found.repeated) == 1


def test_a_number_that_answers_a_choice_is_the_place_of_an_option() -> None:
    samples = [sample(name, choices=("x", "y")) for name in "1234"] + [sample("5")]
    found = match(
        Predictions([Row(name, "", answer, "f") for name, answer in zip("12345", (0, 1, 2, -1, 1), strict=True)]),
        GQA,
        samples,
    )
    assert texts(found) == {"1": "A", "2": "B", "3": "2", "4": "-1", "5": "1"}


def test_both_questions_of_an_mme_image_are_found_by_either_name_of_the_image() -> None:
    meta = {"category": "landmark", "image": "landmark/images/07.jpg"}
    image = Image(meta["image"], Path("/release/landmark/images/07.jpg"))
    samples = [
        Sample(f"{meta['image']}#{number}", text, image, "Yes", meta=meta)
        for number, text in ((1, "Is this A?"), (2, "Is this B?"))
    ]
    for name in (meta["image"], "landmark/07"):
        found = match(
            rows((name, "b", "Is this B?  Please answer yes or no."), (name, "a", "Is this A?")), Mme(), samples
        )
        assert texts(found) == {samples[0].id: "a", samples[1].id: "b"}


def test_an_id_of_its_own_tells_more_than_that_of_a_shared_image() -> None:
    class Numbered(Gqa):
        def names(self, sample: Sample) -> Sequence[str]:
            return (f"v1_{sample.id}", *super().names(sample))

    samples = [sample("1", "Is it?", "v1_2.png"), sample("2", "Is it?", "v1_2.png"), sample("3", "Is it?", "v1_2.png")]
    assert texts(match(rows(("v1_2", "b"), ("v1_1", "a")), Numbered(), samples)) == {"1": "a", "2": "b"}
    assert texts(match(rows(("v1_2", "b")), Numbered(), samples[::-1])) == {"2": "b"}


def test_missing_answers_stay_missing() -> None:
    found = match(Predictions([Row("1", "", Missing("unreadable image"), "f")]), GQA, [sample("1")])
    assert texts(found) == {"1": "unreadable image"}


NAMES = st.sampled_from("0123456789")


@given(st.dictionaries(NAMES, st.text(), min_size=1), st.randoms(use_true_random=False))
def test_order_of_lines_does_not_matter_where_ids_decide(answers: dict[str, str], rng: random.Random) -> None:
    samples = [sample(name) for name in "01234567"]
    lines = [json.dumps({"question_id": name, "text": text}) for name, text in answers.items()]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for order in (lines, rng.sample(lines, len(lines))):
            path = Path(folder) / "answers.jsonl"
            path.write_text("\n".join(order))
            found.append(match(read_predictions([path], "gqa"), GQA, samples))
    assert texts(found[0]) == texts(found[1]) == {name: text for name, text in answers.items() if name in "01234567"}
    assert [len(one.strangers) for one in found] == [sum(name in "89" for name in answers)] * 2


@given(st.lists(st.tuples(NAMES | st.text(), st.text() | st.integers(), st.text()), max_size=6))
def test_any_row_is_matched_or_named(answers: list[tuple[str, str | int, str]]) -> None:
    predictions = Predictions([Row(name, prompt, answer, "f") for name, answer, prompt in answers])
    found = match(predictions, GQA, [sample("1", "Is it?"), sample("2", ""), sample("3", "Is it?", "1.jpg")])
    assert len(found.outcomes) + len(found.repeated) + len(found.strangers) == len(answers)
    "\n".join(complaints(found)).encode()
