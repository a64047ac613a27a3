"""Each upload file has the columns, types and order that its receiver wants, whatever a model says."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli import DONE, main
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import evaluate
from harness.errors import NotAvailable, UnknownName, UserError
from harness.scoring.vqa import m4c_answer
from harness.types import Missing, Response, Sample
from results.export import FORMS
from results.export.check import problems
from results.export.files import decode, encode
from results.export.form import Answers
from results.export.make import Upload, answers_of, form_of, make
from results.matching import match
from results.predictions import read_predictions
from tasks import TASKS
from tasks.samples import build
from tests.support.fakes import Parrot
from tests.support.folders import write_json, write_jsonl
from tests.support.golden import published_path
from tests.support.runs import answered_run

SHORT = "Answer the question using a single word or phrase."


def sample_source(root: Path, task: str) -> DataSource:
    build([task], root, 0)
    return DataSource("folder", root)


def upload(folder: Path, task: str, source: DataSource, answers: dict[str, Any], form: str | None = None) -> Upload:
    return make(answered_run(folder, task, source, answers), task, form_of(task, form))


def table(content: bytes) -> tuple[list[str], list[tuple[Any, ...]]]:
    from openpyxl import load_workbook

    header, *rows = load_workbook(io.BytesIO(content)).active.iter_rows(values_only=True)
    return [str(name) for name in header], rows


def test_vqav2_holds_all_of_test2015_in_order_where_test_dev_alone_was_answered(tmp_path: Path) -> None:
    def line(number: int) -> dict[str, Any]:
        return {"question_id": number, "image": "COCO_test2015_1.jpg", "text": f"What?\n{SHORT}", "category": "default"}

    write_jsonl(tmp_path / "vqav2" / "llava_vqav2_mscoco_test2015.jsonl", map(line, (30, 10, 20, 40)))
    write_jsonl(tmp_path / "vqav2" / "llava_vqav2_mscoco_test-dev2015.jsonl", map(line, (10, 40)))
    source = DataSource("folder", tmp_path)
    made = upload(tmp_path / "run", "vqav2", source, {"10": "The Two dogs.", "40": Missing("unreadable")})
    assert json.loads(made.content) == [
        {"question_id": 30, "answer": ""},
        {"question_id": 10, "answer": m4c_answer("The Two dogs.")},
        {"question_id": 20, "answer": ""},
        {"question_id": 40, "answer": ""},
    ]
    assert (made.questions, made.unanswered, made.left_out) == (4, 3, 0)
    (tmp_path / "vqav2" / "llava_vqav2_mscoco_test2015.jsonl").unlink()
    with pytest.raises(NotAvailable, match="every question of test2015"):
        upload(tmp_path / "run2", "vqav2", source, {"10": "x"})


def test_vqav2_on_val_is_the_results_file_over_its_own_questions(tmp_path: Path) -> None:
    source = sample_source(tmp_path, "vqav2")
    names = [one.id for one in TASKS.load("vqav2")().samples(source)]
    made = upload(tmp_path / "run", "vqav2", source, dict.fromkeys(names, "Yes"))
    assert json.loads(made.content) == [{"question_id": int(name), "answer": "yes"} for name in names]


def vizwiz_line(number: int) -> dict[str, Any]:
    return {"question_id": number, "image": f"VizWiz_test_{number:08d}.jpg", "text": f"What?\n{SHORT}"}


def test_vizwiz_names_images_in_the_order_of_the_question_file(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "vizwiz" / "llava_test.jsonl", map(vizwiz_line, (2, 0, 1)))
    made = upload(tmp_path / "run", "vizwiz", DataSource("folder", tmp_path), {"0": "A Cup.", "2": "Unanswerable"})
    assert json.loads(made.content) == [
        {"image": "VizWiz_test_00000002.jpg", "answer": "unanswerable"},
        {"image": "VizWiz_test_00000000.jpg", "answer": "cup"},
        {"image": "VizWiz_test_00000001.jpg", "answer": ""},
    ]


@pytest.mark.published
def test_published_vizwiz_upload_is_reproduced_from_its_answers(tmp_path: Path) -> None:
    data = json.loads(published_path("vizwiz_submission_llava15_13b.json").read_text())
    write_jsonl(tmp_path / "vizwiz" / "llava_test.jsonl", map(vizwiz_line, range(len(data["pairs"]))))
    answers = {str(number): said for number, (said, _) in enumerate(data["pairs"])}
    made = upload(tmp_path / "run", "vizwiz", DataSource("folder", tmp_path), answers)
    assert [record["answer"] for record in json.loads(made.content)] == [sent for _, sent in data["pairs"]]


def test_mmbench_has_the_columns_of_the_server_and_no_formula(tmp_path: Path) -> None:
    source = sample_source(tmp_path, "mmbench")
    samples = TASKS.load("mmbench")().samples(source)
    odd = ["=1+1", "#N/A", "A\x00B", "12", "", "a\ud800"]
    answers = {one.id: odd[place] if place < len(odd) else "B" for place, one in enumerate(samples[:-1])}
    made = upload(tmp_path / "run", "mmbench", source, answers)
    header, rows = table(made.content)
    assert header == ["index", "question", "A", "B", "C", "D", "prediction", "answer", "split"]
    assert [row[0] for row in rows] == [int(one.id) for one in samples]
    assert [row[6] or "" for row in rows[: len(odd)]] == ["=1+1", "#N/A", "A\ufffdB", "12", "", "a\ufffd"]
    assert not rows[-1][6]
    for row, one in zip(rows, samples, strict=True):
        assert (row[1], row[7]) == (one.question, one.answer)
        assert [cell for cell in row[2:6] if cell is not None] == list(one.choices)
    assert made.unanswered == 1


def test_seedbench_has_the_order_of_its_json_not_of_the_question_file(tmp_path: Path) -> None:
    source = sample_source(tmp_path, "seedbench")
    annotations = tmp_path / "seed_bench" / "SEED-Bench.json"
    content = json.loads(annotations.read_text())
    content["questions"].reverse()
    write_json(annotations, content)
    names = [str(row["question_id"]) for row in content["questions"]]
    made = upload(tmp_path / "run", "seedbench", source, {names[0]: "C", names[3]: "D"})
    lines = [json.loads(line) for line in made.content.splitlines()]
    assert [line["question_id"] for line in lines] == names
    assert [line["prediction"] for line in lines[:4]] == ["C", "", "", "D"]
    assert all(list(line) == ["question_id", "prediction"] for line in lines)


def test_mmvet_is_an_object_from_the_benchmarks_own_ids(tmp_path: Path) -> None:
    source = sample_source(tmp_path, "mmvet")
    names = [one.id for one in TASKS.load("mmvet")().samples(source)]
    made = upload(tmp_path / "run", "mmvet", source, {name: f"said {name}" for name in names[1:]})
    document = json.loads(made.content)
    assert list(document) == [f"v1_{name}" for name in names]
    assert list(document.values()) == ["", *(f"said {name}" for name in names[1:])]
    (tmp_path / "upload.json").write_bytes(made.content)
    predictions = read_predictions([tmp_path / "upload.json"], "mmvet")
    found = match(predictions, TASKS.load("mmvet")(), TASKS.load("mmvet")().samples(source))
    assert found.outcomes[names[1]] == Response(names[1], f"said {names[1]}")
    assert not found.strangers


def test_egoschema_sends_places_of_options_and_minus_one_for_none() -> None:
    form = FORMS.load("egoschema")
    samples = [Sample(uid, "q", None, "", ("a", "b", "c", "d", "e")) for uid in ("u1", "u2", "u3", "u4")]
    texts = {"u1": "(C) it", "u2": "none of them", "u4": "E"}
    records = form.records(Answers(TASKS.load("mlvu")(), DataSource("folder"), samples, texts, {}, "parrot"))
    assert [record["answer"] for record in records] == [2, -1, None, 4]
    sent = [{**record, "answer": form.empty} if record["answer"] is None else record for record in records]
    content = encode(form, sent)
    assert json.loads(content) == {"u1": 2, "u2": -1, "u3": -1, "u4": 4}
    assert list(problems(form, content, records)) == []
    assert "answer is 5, which must be 0 to 4" in " ".join(problems(form, b'{"u1": 5}', records))


@pytest.mark.parametrize("task", ["gqa", "pope", "mme", "textvqa", "scienceqa"])
def test_any_benchmark_has_llavas_form_which_holds_what_was_answered(task: str, tmp_path: Path) -> None:
    source = sample_source(tmp_path, task)
    samples = TASKS.load(task)().samples(source)
    made = upload(tmp_path / "run", task, source, {one.id: f"said {one.id}" for one in samples[1:]})
    lines = [json.loads(line) for line in made.content.splitlines()]
    assert [line["text"] for line in lines] == [f"said {one.id}" for one in samples[1:]]
    assert all(list(line) == ["question_id", "prompt", "text", "answer_id", "model_id", "metadata"] for line in lines)
    assert [line["prompt"] for line in lines] == [TASKS.load(task)().request(one, "llava").text for one in samples[1:]]
    assert len({line["answer_id"] for line in lines}) == len(lines)


@pytest.mark.parametrize("task", ["mmbench", "seedbench"])
def test_the_same_run_gives_the_same_bytes(task: str, tmp_path: Path) -> None:
    source = sample_source(tmp_path, task)
    answers = {one.id: "A" for one in TASKS.load(task)().samples(source)}
    first = upload(tmp_path / "run", task, source, answers)
    second = upload(tmp_path / "other", task, source, dict(reversed(answers.items())))
    assert first.content == second.content


def test_of_answers_with_one_id_the_last_is_sent_and_strangers_are_counted(tmp_path: Path) -> None:
    source = sample_source(tmp_path, "seedbench")
    name = TASKS.load("seedbench")().samples(source)[0].id
    made = upload(tmp_path / "run", "seedbench", source, {name: "A", "nowhere": "B"})
    assert made.left_out == 1
    again = upload(tmp_path / "run", "seedbench", source, {name: "C"})
    assert b'"C"' in again.content
    assert b'"A"' not in again.content


def test_a_run_without_answers_or_without_the_task_is_refused(tmp_path: Path) -> None:
    source = sample_source(tmp_path, "seedbench")
    run = answered_run(tmp_path / "run", "seedbench", source, {"x": Missing("broken")})
    with pytest.raises(UserError, match="no answers of seedbench"):
        answers_of(run, "seedbench")
    with pytest.raises(UnknownName, match="task of"):
        answers_of(run, "mmbench")
    with pytest.raises(UnknownName, match="upload form of gqa"):
        form_of("gqa", "gqa")


def test_another_tasks_quirk_in_the_same_run_does_no_harm(tmp_path: Path) -> None:
    sources = {name: sample_source(tmp_path / name, name) for name in ("scienceqa", "seedbench")}
    quirks = ("sqa_duplicate_image",)
    config = RunConfig("parrot", tuple(sources), sources, tmp_path / "run", workers=0, limit=2, quirks=quirks)
    run = evaluate(config, model=Parrot(answer="A"))
    assert len(answers_of(run, "seedbench").texts) == 2
    assert main(["score", "--task", "seedbench", "--predictions", str(tmp_path / "run"), "--max-missing", "1"]) == DONE


TEXTS = st.one_of(st.text(), st.sampled_from(["=A1", "'", "\x00", "\ud800", "#N/A", "\r\n", "x" * 40_000]))


@given(st.lists(TEXTS, min_size=1, max_size=4), st.sampled_from(sorted(FORMS)))
def test_any_text_fits_every_form(texts: list[str], name: str) -> None:
    form = FORMS.load(name)
    values: dict[type, Any] = {str: "x", int: 1, type(None): None, dict: {}}
    records = []
    for number, text in enumerate(texts):
        record = {column: values[kinds[0]] for column, kinds in form.columns.items()}
        key = number if int in form.columns[form.key] else f"v1_{number}"
        said = text if str in form.columns[form.answer] else number % 5
        records.append({**record, form.key: key, form.answer: said})
    content = encode(form, records)
    assert list(problems(form, content, records)) == []
    assert len(decode(form, content)) == len(texts)
    assert encode(form, records) == content
