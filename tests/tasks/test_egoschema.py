from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.plan import plan_tasks
from harness.errors import NotAvailable
from harness.scoring.choice import lmms_egoschema_letter
from harness.scoring.statistics import point, worst_and_best
from harness.types import Missing, Response, Sample, Score, Scored, Video
from tasks.egoschema import EgoSchema
from tests.support.golden import golden_path, published_path
from tests.support.hub import keep_caches_in, write_dataset
from tests.support.tasks import score_texts

EGO = EgoSchema()
OPTIONS = ("cooks", "cleans", "reads", "repairs", "plays")


def row(uid: str = "u1", answer: object = 1) -> dict[str, Any]:
    options = {f"option {place}": text for place, text in enumerate(OPTIONS)}
    return {"q_uid": uid, "question": "What does C do?", **options, "answer": answer}


def official_folder(root: Path, rows: Sequence[dict[str, Any]], videos: Sequence[str] = ()) -> DataSource:
    (root / "egoschema" / "videos").mkdir(parents=True)
    for name in videos:
        (root / "egoschema" / "videos" / name).touch()
    (root / "egoschema" / "mc.json").write_text(json.dumps(rows))
    return DataSource("folder", root)


def a_sample(answer: str = "B") -> Sample:
    return Sample("u1", "What does C do?", None, answer, OPTIONS)


@pytest.mark.golden
def test_accuracies_equal_the_released_script_also_where_videos_are_absent(tmp_path: Path) -> None:
    for number, case in enumerate(json.loads(golden_path("video", "mc_aggregate.json").read_text())["egoschema"]):
        samples = EGO.samples(official_folder(tmp_path / str(number), case["gt"], case["videos_present"]))
        there = [sample.id for sample in samples if isinstance(sample.media, Video) and sample.media.source.exists()]
        rows = {row["q_uid"]: row for row in case["rows"]}
        assert there == list(rows)
        run = score_texts(EGO, samples, [case["outputs"][one.id] if one.id in rows else None for one in samples])
        assert EGO.variants(run)["official"] == pytest.approx(100 * case["printed_ACC_fraction"], abs=1e-9)
        for one in run:
            if isinstance(one.result, Score):
                assert one.result.values["accuracy"] == rows[one.sample.id]["acc"]

        right, absent = sum(row["acc"] for row in rows.values()), len(samples) - len(rows)
        assert point(EGO.headline, run) == pytest.approx(100 * right / len(rows), abs=1e-9)
        bounds = (100 * right / len(samples), 100 * (right + absent) / len(samples))
        assert worst_and_best(EGO.headline, run) == pytest.approx(bounds)


@pytest.mark.golden
def test_letters_equal_the_released_script_and_lmms_eval() -> None:
    for case in json.loads(golden_path("video", "mc_parse.json").read_text()):
        places = [
            place
            for place in range(5)
            if EGO.score(a_sample("ABCDE"[place]), Response("u1", case["pred"])).values["accuracy"]
        ]
        assert (places or [-1]) == [case["llava_mini_egoschema_index"]], case
        if "lmms_egoschema_index" in case:
            letter = lmms_egoschema_letter(case["pred"], case["candidates"])
            assert ("random" if letter is None else "ABCDE".index(letter)) == case["lmms_egoschema_index"], case


@pytest.mark.golden
def test_prompts_equal_the_released_texts_but_for_the_first_line() -> None:
    for case in json.loads(golden_path("video", "prompt_format.json").read_text())["egoschema"]:
        sample = Sample("u", case["question"], None, "A", tuple(case["options"]))
        instruction, rest = EGO.request(sample, "llava-mini").text.split("\n", 1)
        assert rest == case["llava_mini_tail"]
        released = case["llava_mini_user_text_sha256"]
        whole = hashlib.sha256(f"{instruction}\n{rest}".encode()).hexdigest()
        assert (whole == released) == (EGO.prompt_note("llava-mini") is None)
        assert EGO.request(sample, "lmms-eval").text == case["lmms_text"]
        assert EGO.prompt_note("lmms-eval") is None


@pytest.mark.published
def test_the_papers_value_is_a_count_of_the_public_answers() -> None:
    answers = json.loads(published_path("egoschema_subset_answers.json").read_text())["answers"]
    assert len(answers) == EGO.card.full_size
    assert (EGO.card.paper["llava-mini"] * len(answers) / 100) % 1 == pytest.approx(0.0)


def test_frames_have_no_cap_and_answers_are_short() -> None:
    for prompt in EGO.card.prompts:
        request = EGO.request(a_sample(), prompt)
        assert (request.frames.fps, request.frames.max_frames, request.max_new_tokens) == (1.0, None, 128)


def test_the_released_doubling_of_frames_is_a_quirk(tmp_path: Path) -> None:
    source = official_folder(tmp_path, [row()])
    for quirks in ((), ("ego_duplicate_frame",)):
        config = RunConfig("m", ("egoschema",), {"egoschema": source}, tmp_path / "out", quirks=quirks)
        (planned,) = plan_tasks([EGO], config)
        assert planned.groups[0].requests[0].frames.doubled == bool(quirks)


def test_questions_without_public_answer_are_asked_and_not_scored(tmp_path: Path) -> None:
    rows = [row("u1"), row("u2", None), {key: value for key, value in row("u3").items() if key != "answer"}]
    samples = EGO.samples(official_folder(tmp_path, rows))
    assert not any(one.broken for one in samples)
    run = score_texts(EGO, samples, ["B", "C", "none"])
    assert [one.result for one in run[1:]] == [Missing("no public answer")] * 2
    table = EGO.breakdown(run)
    assert table["public answers"] == {"value": 100.0, "n": 1}
    assert table["answered for upload"] == 2
    assert EGO.variants(run)["official"] == 100.0


def test_an_answer_that_is_no_option_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match="u9 has the answer 7"):
        EGO.samples(official_folder(tmp_path, [row("u9", 7)]))


def test_answers_without_letter_are_counted_and_wrong_even_where_a_is_right() -> None:
    run = score_texts(EGO, [a_sample("A")] * 3, ["no idea", "", "A"])
    assert EGO.breakdown(run)["unparsed"] == 2
    assert point(EGO.headline, run) == pytest.approx(100 / 3)


def test_what_lmms_eval_draws_at_random_counts_as_it_would_on_average() -> None:
    run = score_texts(EGO, [a_sample(), a_sample()], ["b", "B"])
    assert EGO.variants(run)["lmms_eval"] == pytest.approx(100 * (0.2 + 1.0) / 2)


def test_nothing_labelled_gives_no_variants() -> None:
    run: list[Scored] = score_texts(EGO, [a_sample("")], ["B"])
    assert EGO.variants(run) == {}
    assert point(EGO.headline, run) is None


def test_videos_may_have_any_of_the_released_suffixes(tmp_path: Path) -> None:
    first, second = EGO.samples(official_folder(tmp_path, [row("u1"), row("u2")], ["u1.mkv"]))
    videos = tmp_path / "egoschema" / "videos"
    assert (first.media, second.media) == (Video("u1", videos / "u1.mkv"), Video("u2", videos / "u2.mp4"))


def test_absent_annotations_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match=r"mc\.json"):
        EGO.samples(DataSource("folder", tmp_path))


def test_the_hub_subset_is_read_with_its_lettered_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_caches_in(tmp_path, monkeypatch)
    lettered = [f"{letter}. {text}" for letter, text in zip("ABCDE", OPTIONS, strict=True)]
    rows = [{"video_idx": "u1", "question": "What does C do?", "option": lettered, "answer": "3"}]
    write_dataset(tmp_path / "set", EGO.card.hub.split, {"Subset": rows, "MC": rows})
    with zipfile.ZipFile(tmp_path / "set" / "videos_chunked_01.zip", "w") as archive:
        archive.writestr("videos/u1.mp4", "video u1")
    (sample,) = EGO.samples(DataSource("hub", repo=str(tmp_path / "set")))
    assert (sample.id, sample.choices, sample.answer) == ("u1", OPTIONS, "D")
    assert isinstance(sample.media, Video)
    assert sample.media.source.read_text() == "video u1"


@given(st.text(), st.sampled_from(["A", "E", ""]), st.integers(0, 7))
def test_any_text_is_scored(text: str, answer: str, options: int) -> None:
    result = EGO.score(Sample("s", "q", None, answer, tuple("xyzxyzx"[:options])), Response("s", text))
    assert isinstance(result, Score) == bool(answer)
    if isinstance(result, Score):
        assert all(0.0 <= value <= 1.0 for value in result.values.values())
