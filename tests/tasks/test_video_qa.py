from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.metrics import metrics_of
from harness.engine.plan import plan_tasks
from harness.errors import NotAvailable, UserError
from harness.scoring.statistics import point, worst_and_best
from harness.types import Missing, Response, Sample, Score, Scored, Video
from results.paper.tables import load_table
from tasks import TASKS
from tasks.qa_preamble import OWN_PREAMBLE
from tasks.verdicts import UNREADABLE
from tasks.video_qa import VERDICT, VideoQa
from tests.support.folders import write_json
from tests.support.golden import REAL_MEDIA, golden_path, needs_real_media
from tests.support.hub import keep_caches_in, write_dataset
from tests.support.judged import judged
from tests.tasks.test_verdicts import REPLIES

NAMES = ("msvdqa", "msrvttqa", "activitynetqa")
YES, NO, PROSE = "{'pred': 'yes', 'score': 4}", "{'pred': 'no', 'score': 1}", "Sure: {'pred': 'yes', 'score': 5}."


def task_of(name: str) -> VideoQa:
    task = TASKS.load(name)()
    assert isinstance(task, VideoQa)
    return task


def official_folder(root: Path, name: str, questions: Sequence[Any], answers: Sequence[Any]) -> DataSource:
    layout = task_of(name).layout
    write_json(root / layout.questions, questions)
    write_json(root / layout.answers, answers)
    (root / layout.video_folder).mkdir(parents=True, exist_ok=True)
    return DataSource("folder", root)


def asked(**changes: Any) -> dict[str, Any]:
    return {"video_name": "clip", "question": "who sings?", "question_id": "clip_0", **changes}


def a_run(name: str, replies: Sequence[str | None], types: Sequence[str] = ()) -> list[Scored]:
    """Answers judged with these replies; None is a video that could not be read."""
    samples = [
        Sample(f"s{place}", "q", None, "a", (), {"type": types[place]} if types else {})
        for place in range(len(replies))
    ]
    texts = [None if reply is None else {VERDICT: reply} for reply in replies]
    return [judged(task_of(name), sample, text) for sample, text in zip(samples, texts, strict=True)]


@pytest.mark.parametrize("name", NAMES)
def test_questions_answers_and_videos_of_the_official_folder_come_together(tmp_path: Path, name: str) -> None:
    rows = [asked(), asked(question_id=7, question="what?"), asked(video_name="other", question_id="o")]
    answers = [{"answer": "she"}, {"answer": 3, "type": 4}, {"answer": "dog", "question_id": "o"}]
    source = official_folder(tmp_path, name, rows, answers)
    layout = task_of(name).layout
    (tmp_path / layout.video_folder / f"{layout.prefix}clip.avi").touch()

    first, number, other = task_of(name).samples(source)
    assert (first.id, first.question, first.answer, first.meta) == ("clip_0", "who sings?", "she", {})
    assert (number.id, number.answer, number.meta) == ("7", "3", {"type": "4"})
    assert first.media == number.media == Video("clip", tmp_path / layout.video_folder / f"{layout.prefix}clip.avi")
    assert other.media is not None
    assert other.media.source == tmp_path / layout.video_folder / f"{layout.prefix}other.mp4"  # not there: Missing


def test_activitynets_files_have_a_prefix_and_the_others_none() -> None:
    assert [task_of(name).layout.prefix for name in NAMES] == ["", "", "v_"]


def test_unusable_items_stay_in_the_run_with_their_reason(tmp_path: Path) -> None:
    rows = [asked(video_name=None, question_id="a"), asked(question=None, question_id="b"), asked(question_id="c")]
    source = official_folder(tmp_path, "msvdqa", rows, [{"answer": "x"}, {"answer": "x"}, {}])
    reasons = [sample.broken for sample in task_of("msvdqa").samples(source)]
    assert reasons == ["the item names no video", *["the item has no question or no answer"] * 2]


def test_annotations_are_enough_to_score_answers_made_elsewhere(tmp_path: Path) -> None:
    source = official_folder(tmp_path, "msvdqa", [asked()], [{"answer": "she"}])
    (tmp_path / task_of("msvdqa").layout.video_folder).rmdir()
    with pytest.raises(NotAvailable, match="MSVD_Zero_Shot_QA/videos"):
        task_of("msvdqa").samples(source)
    assert len(task_of("msvdqa").samples(DataSource("folder", tmp_path, media=False))) == 1


@pytest.mark.parametrize("name", ["msvdqa", "msrvttqa"])
def test_what_the_hub_does_not_have_says_what_to_download_and_where_to_put_it(name: str) -> None:
    with pytest.raises(NotAvailable, match=rf"--data-root(.|\n)*{task_of(name).layout.answers}(.|\n)*--data sample"):
        task_of(name).samples(DataSource("hub"))


@needs_real_media
def test_real_clips_are_found() -> None:
    samples = task_of("msvdqa").samples(DataSource("folder", REAL_MEDIA))
    assert samples
    assert all(sample.media and sample.media.source.is_file() and not sample.broken for sample in samples)


def test_the_hub_set_of_activitynet_is_read_with_its_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_caches_in(tmp_path, monkeypatch)
    row = {"video_name": "-x1", "question": "is he tall", "question_id": "-x1_0", "answer": "yes", "type": "3"}
    write_dataset(tmp_path / "set", "test", {"default": [row, {**row, "video_name": "y", "question_id": "y_0"}]})
    with zipfile.ZipFile(tmp_path / "set" / "videos.zip", "w") as archive:
        archive.writestr("all_test/v_-x1.webm", b"webm")
    first, absent = task_of("activitynetqa").samples(DataSource("hub", repo=str(tmp_path / "set")))
    assert (first.id, first.answer, first.meta) == ("-x1_0", "yes", {"type": "3"})
    assert isinstance(first.media, Video)
    assert first.media.source.read_bytes() == b"webm"
    assert absent.media is not None
    assert not Path(str(absent.media.source)).exists()
    light = task_of("activitynetqa").samples(DataSource("hub", repo=str(tmp_path / "set"), media=False))
    assert [sample.id for sample in light] == ["-x1_0", "y_0"]


def test_prompts_by_preset() -> None:
    sample = Sample("s", "does the man wear a HAT", None, "yes")
    for name in NAMES:
        task = task_of(name)
        ours, bare = (task.request(sample, prompt) for prompt in ("llava-mini", "bare"))
        assert ours.text == (
            "Answer the question about the video with one complete sentence that repeats the wording of the question.\n"
            "does the man wear a HAT"
        )
        assert bare.text == sample.question
        assert {(one.max_new_tokens, one.frames.fps, one.frames.max_frames) for one in (ours, bare)} == {
            (1024, 1, None)
        }
        assert task.prompt_note("llava-mini") is not None
        assert task.prompt_note("bare") is None


@pytest.mark.golden
def test_lmms_evals_wording_of_activitynet() -> None:
    for case in json.loads(golden_path("video", "prompt_format.json").read_text())["lmms_activitynet"]:
        request = task_of("activitynetqa").request(Sample("s", case["question"], None, "a"), "lmms-eval")
        assert request.text == case["text"]
        assert request.max_new_tokens == 64


@pytest.mark.golden
def test_preambles_are_known_by_the_golden_hashes() -> None:
    golden = json.loads(golden_path("video", "prompt_format.json").read_text())["qa_preamble"]
    scripts = ("run_inference_video_qa", "run_inference_video_qa", "run_inference_video_qa_act")
    assert [task_of(name).preamble_sha256 for name in NAMES] == [golden[one]["preamble_sha256"] for one in scripts]


def test_the_users_preamble_takes_the_place_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Released words.\n"
    monkeypatch.setattr(type(task_of("msvdqa")), "preamble_sha256", hashlib.sha256(text.encode()).hexdigest())
    (tmp_path / "script.py").write_text(f"qs = {text!r}", encoding="utf-8")
    task = task_of("msvdqa").adjusted((), tmp_path / "script.py")
    assert task.request(Sample("s", "who?", None, "a"), "llava-mini").text == "Released words.\nwho?"
    assert task.prompt_note("llava-mini") is None
    with pytest.raises(UserError, match="--qa-preamble"):
        task_of("activitynetqa").adjusted((), tmp_path / "script.py")


def test_a_run_says_whose_preamble_it_had(tmp_path: Path) -> None:
    source = official_folder(tmp_path, "msvdqa", [asked()], [{"answer": "she"}])
    config = RunConfig("m", ("msvdqa",), {"msvdqa": source}, tmp_path / "run")
    (plan,) = plan_tasks([task_of("msvdqa")], config)
    entry = metrics_of(plan, [judged(plan.task, plan.samples[0], {VERDICT: YES})], config)
    assert "our own" in entry["prompt_note"]
    assert plan.groups[0].requests[0].text.startswith(OWN_PREAMBLE)


def test_accuracy_is_over_verdicts_and_failures_are_told_and_bound_it() -> None:
    run = a_run("msvdqa", [YES, YES, NO, "I cannot tell.", None])
    table = task_of("msvdqa").breakdown(run)
    assert point(task_of("msvdqa").headline, run) == pytest.approx(200 / 3)
    assert table["mean score"] == pytest.approx(3.0)
    assert table["answers without verdict"] == 1
    assert table["accuracy, no verdict as wrong"] == pytest.approx(50.0)
    assert worst_and_best(task_of("msvdqa").headline, run) == pytest.approx((40.0, 80.0))
    assert [one.result.reason for one in run if isinstance(one.result, Missing)] == [UNREADABLE, "file not found"]


def test_nothing_judged_has_no_figures() -> None:
    run = a_run("activitynetqa", ["Sure!", None])
    assert point(task_of("activitynetqa").headline, run) is None
    assert task_of("activitynetqa").breakdown(run) == {}


def test_types_of_question_have_figures_of_their_own_where_the_data_name_them() -> None:
    run = a_run("activitynetqa", [YES, NO, YES], ["3", "3", "0"])
    types = task_of("activitynetqa").breakdown(run)["types"]
    assert types == {"0": {"value": 100.0, "n": 1}, "3": {"value": 50.0, "n": 2}}
    assert "types" not in task_of("msvdqa").breakdown(a_run("msvdqa", [YES]))


def test_variants_read_every_reply_as_the_tools_do() -> None:
    replies = [YES, PROSE, "{'pred': 'unknown', 'score': 2.9}", None]
    variants = task_of("activitynetqa").variants(a_run("activitynetqa", replies))
    assert variants == {
        "official": 50.0,
        "official_score": 3.0,
        "lmms_eval": pytest.approx(200 / 3),
        "lmms_eval_score": pytest.approx(11 / 3),
    }
    assert set(task_of("msvdqa").variants(a_run("msvdqa", [YES]))) == {"official", "official_score"}
    assert task_of("msvdqa").variants(a_run("msvdqa", ["Sure!"])) == {}


@given(REPLIES)
def test_scoring_never_raises_and_never_invents_a_score(reply: str) -> None:
    result = judged(task_of("activitynetqa"), Sample("s", "q", None, "a"), {VERDICT: reply}).result
    if isinstance(result, Score):
        assert result.values["accuracy"] in (0.0, 1.0)
        assert 0 <= result.values["score"] <= 5
    run = [Scored(Sample("s", "q", None, "a"), Response("s", "x"), result), *a_run("activitynetqa", [YES])]
    assert task_of("activitynetqa").breakdown(run)["answers without verdict"] == isinstance(result, Missing)
    json.dumps([task_of("activitynetqa").variants(run)], allow_nan=False)


def test_the_judge_sees_question_reference_and_answer_at_temperature_0() -> None:
    sample = Sample("s", "who sings?", None, "a woman")
    (request,) = task_of("msvdqa").judge_requests(sample, Response("s", "A woman sings."), {})
    assert (request.sample_id, request.key, request.form) == ("s", VERDICT, "verdict")
    assert request.facts == {"question": "who sings?", "answer": "a woman", "prediction": "A woman sings."}
    assert (request.temperature, request.max_tokens) == (0.0, None)
    assert [role for role, _ in request.messages] == ["system", "user"]
    assert all(text in request.messages[1][1] for text in request.facts.values())


def test_no_reply_is_unreadable_like_any_other() -> None:
    result = task_of("msvdqa").score_judged(Sample("s", "q", None, "a"), Response("s", "x"), {})
    assert isinstance(result, Missing)
    assert result.reason == UNREADABLE


def test_cards_hold_the_papers_table_2() -> None:
    row = load_table("table2")["LLaVA-Mini"]
    for name in NAMES:
        assert task_of(name).card.paper == {"llava-mini": float(row.text(name))}
