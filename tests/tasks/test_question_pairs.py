from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import NotAvailable, UserError
from tasks.question_pairs import Layout, json_objects, question_pairs
from tests.support.folders import write_json


def files(root: Path, questions: object, answers: object) -> tuple[Path, Path]:
    write_json(root / "test_q.json", questions)
    write_json(root / "test_a.json", answers)
    return root / "test_q.json", root / "test_a.json"


def test_questions_and_answers_belong_together_by_place(tmp_path: Path) -> None:
    asked = [{"question": "who?", "question_id": "a_0"}, {"question": "what?", "question_id": "a_1"}]
    answered = [{"answer": "she"}, {"answer": "dog", "question_id": "a_1"}]
    assert list(question_pairs(*files(tmp_path, asked, answered))) == list(zip(asked, answered, strict=True))


def test_ids_that_are_numbers_in_one_file_and_text_in_the_other_agree(tmp_path: Path) -> None:
    pairs = question_pairs(*files(tmp_path, [{"question_id": 7}], [{"question_id": "7"}]))
    assert len(list(pairs)) == 1


def test_files_of_different_lengths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"2 questions .* 1 answers"):
        list(question_pairs(*files(tmp_path, [{}, {}], [{}])))


def test_files_in_different_orders_are_refused_at_the_first_place_that_differs(tmp_path: Path) -> None:
    asked, answered = [{"question_id": "a"}, {"question_id": "b"}], [{"question_id": "a"}, {"question_id": "c"}]
    with pytest.raises(UserError, match=r"entry 1 has the question_id 'b'.*'c'"):
        list(question_pairs(*files(tmp_path, asked, answered)))


@pytest.mark.parametrize("content", [{}, [1], "text", [[]]])
def test_anything_but_a_list_of_objects_is_refused(tmp_path: Path, content: object) -> None:
    questions, _ = files(tmp_path, content, [])
    with pytest.raises(UserError, match="list of JSON objects"):
        json_objects(questions)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match=r"test_q\.json"):
        list(question_pairs(tmp_path / "test_q.json", tmp_path / "test_a.json"))


def test_a_layout_describes_its_files() -> None:
    layout = Layout("Set", "videos/all", prefix="v_")
    assert layout.described().splitlines() == [
        "Set/test_q.json",
        "Set/test_a.json",
        "Set/videos/all/v_<video_name>.{mp4,avi,mov,mkv}",
    ]
