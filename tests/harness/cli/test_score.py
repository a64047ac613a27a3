"""`run-eval score`: answers in the official files give the official figures."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from harness.cli import CHANGE_SOMETHING, DONE, WITHHELD, main
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import evaluate
from harness.errors import NotAvailable
from tasks import TASKS
from tasks.samples import build
from tests.support.fakes import Parrot
from tests.support.folders import write_json, write_jsonl
from tests.support.golden import published_path

SHORT = "Answer the question using a single word or phrase."


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def score(capsys: pytest.CaptureFixture[str], task: str, root: Path, *argv: object, code: int = DONE) -> dict[str, Any]:
    """The task's entry of the document on standard output."""
    capsys.readouterr()
    words = ["score", "--task", task, "--data-root", root, "--json", "--predictions", *argv]
    assert main([str(word) for word in words]) == code
    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["tasks"]
    assert list(document["tasks"]) == [task]
    entry: dict[str, Any] = document["tasks"][task]
    return entry


@pytest.fixture
def gqa(tmp_path: Path) -> tuple[Path, list[dict[str, str]]]:
    """A sample set without its pictures, and the right answers to it as LLaVA writes them."""
    build(["gqa"], tmp_path / "data", 0)
    task = TASKS.load("gqa")()
    samples = task.samples(DataSource("folder", tmp_path / "data"))
    (tmp_path / "data" / "gqa" / "data" / "images").rename(tmp_path / "elsewhere")
    return tmp_path / "data", [
        {"question_id": one.id, "prompt": task.request(one, "llava").text, "text": one.answer} for one in samples
    ]


@pytest.mark.published
def test_published_pope_answers_give_their_published_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(published_path("pope_llava16_vicuna7b_marcowky.json").read_text())
    labels, questions, answers = defaultdict(list), [], []
    for number, category, label, text in data["rows"]:
        asked = f"Is there a thing in the image?\n{SHORT}"
        labels[category].append({"question_id": number, "label": label})
        questions.append({"question_id": number, "image": f"{number}.jpg", "text": asked, "category": category})
        answers.append({"question_id": number, "prompt": asked, "text": text, "answer_id": "x", "model_id": "m"})
    write_jsonl(tmp_path / "pope" / "llava_pope_test.jsonl", questions)
    for category, lines in labels.items():
        write_jsonl(tmp_path / "pope" / "coco" / f"coco_pope_{category}.json", lines)
    write_jsonl(tmp_path / "answers.jsonl", answers)
    entry = score(capsys, "pope", tmp_path, tmp_path / "answers.jsonl")
    assert entry["headline"]["value"] == pytest.approx(data["expected"]["mean_f1_x100"], abs=1e-9)
    for category, official in data["expected"]["per_category"].items():
        ours = entry["breakdown"][category]
        assert ours == pytest.approx({name: official[name] for name in ours}, abs=1e-9)


@pytest.mark.published
def test_published_scienceqa_answers_give_their_published_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = json.loads(published_path("scienceqa_llava_13b_v0.json").read_text())
    annotations = json.loads(published_path("scienceqa_annotations.json").read_text())
    questions, problems = [], {}
    for key, answer, count, pictured in annotations["rows"]:
        turns = [{"from": "human", "value": "Which?"}, {"from": "gpt", "value": "ABCDE"[answer]}]
        image = {"image": f"{key}/image.png"} if pictured else {}
        questions.append({"id": key, "conversations": turns, **image})
        choices = [f"choice {number}" for number in range(count)]
        problems[key] = {"question": "Which?", "choices": choices, "answer": answer, "hint": ""}
    write_json(tmp_path / "scienceqa" / "llava_test_CQM-A.json", questions)
    write_json(tmp_path / "scienceqa" / "problems.json", problems)
    write_jsonl(tmp_path / "answers.jsonl", [{"question_id": key, "text": text} for key, text, _ in data["rows"]])
    write_json(tmp_path / "answers.json", {key: text for key, text, _ in data["rows"]})
    expected = data["expected"]
    for name in ("answers.jsonl", "answers.json"):
        table = score(capsys, "scienceqa", tmp_path, tmp_path / name)["breakdown"]
        assert (table["Total"], table["Correct"]) == (expected["total"], expected["correct"])
        assert f"{table['Accuracy']:.2f}" == expected["acc"]
        assert f"{table['IMG-Accuracy']:.2f}" == expected["img_acc"]


@pytest.mark.published
def test_a_published_mme_result_folder_gives_its_published_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = json.loads(published_path("mme_lavin_sample.json").read_text())
    questions, asked, results = [], defaultdict(list), defaultdict(list)
    for category, image, answer, text in data["rows"]:
        stem = Path(image).stem
        question = f"Is this number {len(asked[category, stem])}?"
        asked[category, stem].append(f"{question} Please answer yes or no.\t{answer}\n")
        key = f"{category}/{image}"
        questions.append({"question_id": key, "image": key, "text": f"{question}\n{SHORT}", "category": category})
        results[category].append(f"{image}\t{question} Please answer yes or no.\t{answer}\t{text}\n")
    write_jsonl(tmp_path / "MME" / "llava_mme.jsonl", questions)
    for (category, stem), lines in asked.items():
        file = tmp_path / "MME" / "MME_Benchmark_release_version" / category / f"{stem}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(lines), encoding="utf-8")
    (tmp_path / "results").mkdir()
    for category, lines in results.items():
        (tmp_path / "results" / f"{category}.txt").write_text("".join(lines), encoding="utf-8")
    entry, expected = score(capsys, "mme", tmp_path, tmp_path / "results"), data["expected"]
    assert entry["headline"]["value"] == pytest.approx(expected["perception"], abs=1e-9)
    assert entry["breakdown"]["cognition"] == pytest.approx(expected["cognition"], abs=1e-9)
    assert entry["breakdown"]["categories"] == pytest.approx(expected["per_category"], abs=1e-9)
    assert entry["predictions"]["used"] == len(data["rows"])


def test_answers_without_pictures_are_scored_and_the_document_has_the_form_of_metrics(
    gqa: tuple[Path, list[dict[str, str]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, answers = gqa
    write_jsonl(tmp_path / "answers.jsonl", answers)
    write_json(
        tmp_path / "gqa.json", [{"questionId": one["question_id"], "prediction": one["text"]} for one in answers]
    )
    for name in ("answers.jsonl", "gqa.json"):
        entry = score(capsys, "gqa", root, tmp_path / name)
        assert entry["headline"]["value"] == 100.0
        assert entry["n"] == entry["n_scored"] == entry["predictions"]["rows"] == len(answers)
        assert {"headline", "n", "n_scored", "missing", "breakdown", "variants", "paper"} <= entry.keys()
    assert (
        main(["score", "--task", "gqa", "--data-root", str(root), "--predictions", str(tmp_path / "gqa.json")]) == DONE
    )
    assert "100.00 %" in capsys.readouterr().out


def test_what_does_not_count_is_counted_and_named(
    gqa: tuple[Path, list[dict[str, str]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, answers = gqa
    lines = [json.dumps(one) for one in answers]
    wrong_first = json.dumps({**answers[0], "text": "wrong"})
    stranger = json.dumps({"question_id": "nowhere", "text": "yes"})
    (tmp_path / "answers.jsonl").write_text("\n".join([wrong_first, *lines, stranger, "{torn"]))
    argv = ["score", "--task", "gqa", "--data-root", str(root), "--predictions", str(tmp_path / "answers.jsonl")]
    assert main([*argv, "--json"]) == DONE
    out, err = capsys.readouterr()
    entry = json.loads(out)["tasks"]["gqa"]
    assert entry["headline"]["value"] == 100.0
    report = entry["predictions"]
    assert [report[kind]["n"] for kind in ("duplicates", "unmatched", "unreadable")] == [1, 1, 1]
    for named in (answers[0]["question_id"], "nowhere", f"answers.jsonl:{len(lines) + 3}"):
        assert named in err


def test_answers_that_are_not_there_are_missing_and_withhold_the_headline(
    gqa: tuple[Path, list[dict[str, str]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, answers = gqa
    write_jsonl(tmp_path / "answers.jsonl", answers[: len(answers) // 2])
    entry = score(capsys, "gqa", root, tmp_path / "answers.jsonl", code=WITHHELD)
    assert entry["headline"]["value"] is None
    assert entry["missing"] == {"not answered": len(answers) - len(answers) // 2}
    entry = score(capsys, "gqa", root, tmp_path / "answers.jsonl", "--max-missing", "60%")
    assert entry["headline"]["value"] == 100.0


def test_a_file_that_is_none_and_an_unknown_task_end_with_a_message(
    gqa: tuple[Path, list[dict[str, str]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, _ = gqa
    argv = ["score", "--data-root", str(root), "--predictions", str(tmp_path / "gone.jsonl")]
    assert main([*argv, "--task", "gqa"]) == CHANGE_SOMETHING
    assert "gone.jsonl" in capsys.readouterr().err
    write_jsonl(tmp_path / "gone.jsonl", [{"id": "1", "text": "a"}])
    assert main([*argv, "--task", "gpa"]) == CHANGE_SOMETHING
    assert "Did you mean 'gqa'" in capsys.readouterr().err


def test_a_run_scores_to_its_own_metrics_with_its_own_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(["gqa"], tmp_path / "data", 0)
    sources = {"gqa": DataSource("folder", tmp_path / "data", synthetic=True)}
    run = evaluate(RunConfig("parrot", ("gqa",), sources, tmp_path / "run", limit=40, seed=3), model=Parrot())
    argv = ["score", "--task", "gqa", "--json", "--predictions", str(run.folder)]
    assert main(argv) == DONE
    entry = json.loads(capsys.readouterr().out)["tasks"]["gqa"]
    assert entry.pop("predictions")["used"] == 40
    assert entry == run.metrics["tasks"]["gqa"]
    assert main([*argv, "--limit", "10"]) == DONE
    assert json.loads(capsys.readouterr().out)["tasks"]["gqa"]["n"] == 10


def test_annotations_that_are_absent_are_still_asked_for(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match="llava_gqa"):
        TASKS.load("gqa")().samples(DataSource("folder", tmp_path, media=False))
