from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.plan import plan_tasks
from harness.errors import NotAvailable, UnknownName
from harness.scoring.statistics import clustered_bootstrap, point, worst_and_best
from harness.types import JudgeRequest, Missing, Response, Sample, Score, Scored, Video
from results.paper.tables import load_table
from tasks.verdicts import UNREADABLE
from tasks.videochatgpt import DIMENSIONS, Q1_TWICE, VideoChatGpt, dimensions_of
from tasks.videochatgpt_rows import FILES, QUESTIONS, VIDEOS
from tests.support.folders import write_json
from tests.support.golden import golden_path
from tests.support.hub import keep_caches_in, write_dataset
from tests.support.judged import judged
from tests.tasks.test_verdicts import REPLIES

TASK = VideoChatGpt()
ROW = {"video_name": "v_a", "Q": "What happens?", "A": "A man dives."}
PAIR = {"video_name": "v_a", "Q1": "Who dives?", "Q2": "Is it a man that dives?", "A": "A man."}


def official_folder(root: Path, **rows: Sequence[Mapping[str, Any]]) -> DataSource:
    for part, name in FILES.items():
        write_json(root / QUESTIONS / name, list(rows.get(part, ())))
    (root / VIDEOS).mkdir(parents=True, exist_ok=True)
    return DataSource("folder", root)


def samples_of(root: Path, **rows: Sequence[Mapping[str, Any]]) -> Sequence[Sample]:
    return TASK.samples(official_folder(root, **rows))


def a_sample(part: str, name: str = "s") -> Sample:
    return Sample(name, "q", Video(name, Path(f"{name}.mp4")), "a", (), {"part": part})


def a_pair(number: int = 0) -> list[Sample]:
    names = [f"c{number}/1", f"c{number}/2"]
    meta = {"part": "consistency", "pair": names, "questions": ["first?", "second?"]}
    return [Sample(name, text, None, "a", (), meta) for name, text in zip(names, meta["questions"], strict=True)]


def replied(sample: Sample, *replies: str | int) -> Scored:
    """Replies in the order of the sample's dimensions; a number is a good reply."""
    texts = [str({"score": reply}) if isinstance(reply, int) else reply for reply in replies]
    return judged(TASK, sample, dict(zip(dimensions_of(sample), texts, strict=True)))


def test_rows_become_one_sample_a_question_in_the_order_of_the_files(tmp_path: Path) -> None:
    samples = samples_of(tmp_path, generic=[ROW, ROW], temporal=[ROW], consistency=[PAIR])
    assert [sample.id for sample in samples] == [
        *("generic/0", "generic/1", "temporal/0"),
        *("consistency/0/1", "consistency/0/2"),
    ]
    assert [sample.question for sample in samples[-2:]] == ["Who dives?", "Is it a man that dives?"]
    assert {sample.media for sample in samples} == {Video("v_a", tmp_path / VIDEOS / "v_a.mp4")}
    assert [dimensions_of(sample) for sample in samples[1:4]] == [
        ["correctness", "detail", "context"],
        ["temporal"],
        ["consistency"],
    ]


def test_the_model_is_asked_the_bare_question() -> None:
    request = TASK.request(a_sample("generic"), "bare")
    assert (request.text, request.max_new_tokens, request.frames.fps, request.frames.max_frames) == (
        "q",
        1024,
        1.0,
        None,
    )


def test_unusable_rows_stay_in_the_run_with_their_reason(tmp_path: Path) -> None:
    generic = [{**ROW, "video_name": None}, {**ROW, "Q": None}, {**ROW, "A": 3}]
    samples = samples_of(tmp_path, generic=generic, consistency=[{**PAIR, "Q2": None}])
    lacking = "the item lacks a question or the answer"
    assert [sample.broken for sample in samples] == ["the item names no video", *[lacking] * 4]


def test_missing_files_are_named(tmp_path: Path) -> None:
    source = official_folder(tmp_path)
    (tmp_path / QUESTIONS / FILES["temporal"]).unlink()
    with pytest.raises(NotAvailable, match=r"temporal_qa\.json"):
        TASK.samples(source)


def test_generic_answers_are_judged_three_times_and_temporal_ones_once() -> None:
    response = Response("s", "He dives.")
    generic = TASK.judge_requests(a_sample("generic"), response, {})
    temporal = TASK.judge_requests(a_sample("temporal"), response, {})
    assert not isinstance(generic, Missing)
    assert not isinstance(temporal, Missing)
    assert [request.key for request in (*generic, *temporal)] == ["correctness", "detail", "context", "temporal"]
    assert len({request.messages for request in (*generic, *temporal)}) == 4
    assert {(request.form, request.temperature, request.max_tokens) for request in generic} == {("score", None, None)}
    assert generic[0].facts == {"question": "q", "answer": "a", "prediction": "He dives."}


def pair_requests(task: VideoChatGpt) -> list[JudgeRequest]:
    first, second = a_pair()
    responses = {first.id: Response(first.id, "ONE"), second.id: Response(second.id, "TWO")}
    found = [task.judge_requests(one, responses[one.id], responses) for one in (first, second)]
    return [request for requests in found if not isinstance(requests, Missing) for request in requests]


def test_both_questions_of_a_pair_make_the_same_request_of_both_answers() -> None:
    first, second = pair_requests(TASK)
    assert (first.sample_id, second.sample_id) == ("c0/1", "c0/2")
    assert replace(first, sample_id="x") == replace(second, sample_id="x")
    assert first.facts == {
        "question_1": "first?",
        "question_2": "second?",
        "answer": "a",
        "prediction_1": "ONE",
        "prediction_2": "TWO",
    }
    assert all(text in first.messages[1][1] for text in first.facts.values())


def test_the_quirk_shows_question_1_twice_and_both_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = official_folder(tmp_path, consistency=[PAIR])
    config = RunConfig("m", ("videochatgpt",), {"videochatgpt": source}, tmp_path / "run", quirks=(Q1_TWICE,))
    (plan,) = plan_tasks([TASK], config)
    assert isinstance(plan.task, VideoChatGpt)
    sound, quirky = pair_requests(TASK)[0], pair_requests(plan.task)[0]
    assert quirky.facts == {**sound.facts, "question_2": "first?"}
    assert "second?" not in quirky.messages[1][1]
    with pytest.raises(UnknownName, match=Q1_TWICE):
        plan_tasks([TASK], replace(config, quirks=("consistency-q1",)))


def test_a_pair_with_one_answer_is_missing_and_not_judged() -> None:
    first, _ = a_pair()
    response = Response(first.id, "ONE")
    assert isinstance(TASK.judge_requests(first, response, {first.id: response}), Missing)


def test_the_headline_is_the_mean_of_the_dimensions_whatever_their_sizes() -> None:
    run = [
        replied(a_sample("generic", "a"), 5, 4, 3),
        replied(a_sample("generic", "b"), 3, 2, 1),
        replied(a_sample("temporal", "c"), 1),
        *(replied(one, 2) for one in a_pair(0)),
        *(replied(one, 5) for one in a_pair(1)),
    ]
    table = TASK.breakdown(run)["dimensions"]
    assert {name: row["value"] for name, row in table.items()} == {
        **{"correctness": 4.0, "detail": 3.0, "context": 2.0},
        **{"temporal": 1.0, "consistency": 3.5},
    }
    assert {name: row["n"] for name, row in table.items()} == dict(zip(DIMENSIONS, (2, 2, 2, 1, 2), strict=True))
    assert point(TASK.headline, run) == pytest.approx((4 + 3 + 2 + 1 + 3.5) / 5)
    assert worst_and_best(TASK.headline, run) == pytest.approx((2.7, 2.7))
    interval = clustered_bootstrap(TASK.headline, run, [one.sample.id for one in run], seed=0)
    assert interval is not None
    assert interval[0] <= 2.7 <= interval[1]


def test_the_paper_s_average_follows_from_its_dimensions() -> None:
    row = load_table("table2")["LLaVA-Mini"]
    mean = sum(float(row.text(name)) for name in DIMENSIONS) / len(DIMENSIONS)
    assert round(mean, 2) == float(row.text("average")) == TASK.card.paper["llava-mini"]
    assert all(f"{name} {row.text(name)}" in TASK.card.notes for name in DIMENSIONS)


def test_an_answer_with_one_unreadable_reply_of_three_is_missing_and_bounds_the_headline() -> None:
    run = [replied(a_sample("generic"), 5, "no idea", 3), replied(a_sample("generic", "b"), 4, 4, 4)]
    assert isinstance(run[0].result, Missing)
    assert run[0].result.reason == UNREADABLE
    assert point(TASK.headline, run) == 4.0
    assert worst_and_best(TASK.headline, run) == (2.0, 4.5)
    assert TASK.breakdown(run)["answers without score"] == 1


def test_a_dimension_without_scores_is_null_and_stays_out_of_the_mean() -> None:
    run = [replied(a_sample("temporal"), 3), judged(TASK, a_sample("generic", "b"), None)]
    table = TASK.breakdown(run)
    assert table["dimensions"]["correctness"] == {"value": None, "n": 0}
    assert table["answers without score"] == 0  # no video, hence no answer
    assert point(TASK.headline, run) == 3.0


def test_the_official_value_cuts_scores_and_is_absent_where_the_script_would_not_end() -> None:
    run = [replied(a_sample("temporal", "a"), "{'score': 4.8}"), replied(a_sample("temporal", "b"), "{'score': 2}")]
    assert TASK.variants(run) == {"official": 3.0, "lmms_eval": 3.0}
    assert point(TASK.headline, run) == pytest.approx(3.4)
    prose = [*run, replied(a_sample("temporal", "c"), "Score: {'score': 3}")]
    assert TASK.variants(prose) == {"lmms_eval": 2.0}
    assert point(TASK.headline, prose) == pytest.approx(9.8 / 3)


def test_a_judge_asked_in_vain_is_nought_for_lmms_eval_and_no_value_for_the_official_script() -> None:
    sample = a_sample("temporal", "c")
    vain = Scored(sample, Response(sample.id, "x"), Missing("judge failed"))
    not_yet = Scored(sample, Response(sample.id, "x"), TASK.score(sample, Response(sample.id, "x")))
    run = [replied(a_sample("temporal"), 4)]
    assert TASK.variants([*run, vain]) == {"lmms_eval": 2.0}
    assert TASK.variants([*run, not_yet]) == {"lmms_eval": 4.0, "official": 4.0}


@given(st.lists(REPLIES, min_size=3, max_size=3))
def test_scoring_never_raises_and_never_invents_a_score(replies: list[str]) -> None:
    run = [replied(a_sample("generic"), *replies), replied(a_pair()[0], replies[0])]
    for one in run:
        if isinstance(one.result, Score):
            assert all(0 <= value <= 5 for value in one.result.values.values())
    json.dumps([TASK.breakdown(run), TASK.variants(run)], allow_nan=False)


@pytest.mark.golden
def test_lmms_evals_pairs_average_as_lmms_eval_prints_where_it_pairs_them_all() -> None:
    for case in json.loads(golden_path("video", "judge_lmms_eval.json").read_text())["videochatgpt_consistency"]:
        if len(case["replies"]) != len(case["paired"]):
            continue
        run = []
        for number, reply in enumerate(case["replies"]):
            run += [replied(one, reply) for one in a_pair(number)]
        assert TASK.variants(run)["lmms_eval"] == pytest.approx(case["average"])


@pytest.fixture
def hub_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    keep_caches_in(tmp_path, monkeypatch)
    row = {"video_name": "v_a", "question": "What happens?", "answer": "A man dives."}
    half = {"video_name": "v_a", "question_1": "None", "question_2": "None", "answer": "A man."}
    consistency = [
        {**half, "video_name": "v_b", "question_2": "b2"},
        {**half, "question_1": "a1"},
        {**half, "video_name": "v_b", "question_1": "b1"},
        {**half, "question_2": "a2"},
        {**half, "question_1": "again 1"},
        {**half, "question_2": "again 2"},
        {**half, "video_name": "v_c", "question_1": "alone"},
    ]
    folder = tmp_path / "set"
    write_dataset(folder, "test", {"Generic": [row], "Temporal": [row], "Consistency": consistency})
    with zipfile.ZipFile(folder / "videos.zip", "w") as archive:
        archive.writestr("Test_Videos/v_a.MP4", b"video a")
    return folder


def test_the_hub_s_halves_are_paired_by_video_whichever_comes_first(hub_folder: Path) -> None:
    samples = TASK.samples(DataSource("hub", repo=str(hub_folder)))
    pairs = [sample for sample in samples if sample.meta["part"] == "consistency"]
    assert [sample.meta["questions"] for sample in pairs[::2]] == [
        ["b1", "b2"],
        ["a1", "a2"],
        ["again 1", "again 2"],
        ["alone", None],
    ]
    assert [sample.question for sample in pairs[:6]] == ["b1", "b2", "a1", "a2", "again 1", "again 2"]
    assert [bool(sample.broken) for sample in pairs] == [False] * 6 + [True] * 2
    assert [sample.id for sample in samples[:2]] == ["generic/0", "temporal/0"]


def test_the_hub_s_videos_are_found_in_their_archive(hub_folder: Path) -> None:
    first = TASK.samples(DataSource("hub", repo=str(hub_folder)))[0]
    assert isinstance(first.media, Video)
    assert first.media.source.read_bytes() == b"video a"
