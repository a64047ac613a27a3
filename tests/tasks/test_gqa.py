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
from harness.scoring.statistics import point
from harness.types import Missing, Response, Sample, Scored, Source
from tasks.gqa import Gqa
from tests.support.golden import REAL_MEDIA, golden_path, needs_real_media, published_path
from tests.support.hub import keep_caches_in, write_dataset
from tests.support.tasks import score_text, score_texts

GQA = Gqa()


def annotation(**changes: Any) -> dict[str, Any]:
    return {
        "question": "What color is it?",
        "answer": "red",
        "imageId": "n1",
        "isBalanced": True,
        "types": {"structural": "query", "semantic": "attr", "detailed": "color"},
        "groups": {"global": "color", "local": "x"},
        "semantic": [{"operation": "select", "dependencies": [], "argument": "it"}],
        **changes,
    }


def official_folder(root: Path, annotations: dict[str, dict[str, Any]], image: str | None = "n1.jpg") -> DataSource:
    (root / "gqa" / "data" / "images").mkdir(parents=True)
    (root / "gqa" / "data" / "testdev_balanced_questions.json").write_text(json.dumps(annotations))
    lines = [
        {"question_id": key, "text": item["question"], "category": "default", **({"image": image} if image else {})}
        for key, item in annotations.items()
    ]
    (root / "gqa" / "llava_gqa_testdev_balanced.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return DataSource("folder", root)


def one_sample(tmp_path: Path, **changes: Any) -> Sample:
    return GQA.samples(official_folder(tmp_path, {"q": annotation(**changes)}))[0]


def golden(tmp_path: Path) -> tuple[dict[str, Any], list[Scored]]:
    """The golden answers, scored on samples that went through the folder reader."""
    data = json.loads(golden_path("image", "gqa.json").read_text())
    annotations = {item["question_id"]: {"imageId": "n1", **item["annotation"]} for item in data["items"]}
    texts = {item["question_id"]: item["text"] for item in data["items"]}
    samples = GQA.samples(official_folder(tmp_path, annotations))
    return data, score_texts(GQA, samples, [texts[sample.id] for sample in samples])


def printed(value: float) -> float:
    return float(f"{value:.2f}")


@pytest.mark.golden
def test_each_answer_is_scored_as_the_official_script_scores_it(tmp_path: Path) -> None:
    data, run = golden(tmp_path)
    by_id = {one.sample.id: one.result for one in run}
    for item in data["items"]:
        if item["annotation"]["isBalanced"]:
            result = by_id[item["question_id"]]
            assert not isinstance(result, Missing)
            assert result.detail["answer"] == item["expect"]["converted"]
            assert result.values["accuracy"] == item["expect"]["correct"]
            assert result.values["lmms_eval"] == item["expect"]["lmms_exact_stripped"]


@pytest.mark.golden
def test_headline_variant_and_every_printed_number_are_the_official_ones(tmp_path: Path) -> None:
    data, run = golden(tmp_path)
    official, accuracy = data["aggregate"]["printed"], point(GQA.headline, run)
    assert accuracy == pytest.approx(data["aggregate"]["accuracy"], abs=1e-9)
    lmms = GQA.variants(run)["lmms_eval"]
    assert lmms == pytest.approx(100 * data["aggregate"]["lmms_mean_stripped"], abs=1e-9)
    ours = GQA.breakdown(run)
    overall = {"Accuracy": accuracy, **{name: ours[name] for name in ("Binary", "Open", "Distribution")}}
    for name, value in overall.items():
        assert [printed(value)] == official["overall"][name], name
    for title, rows in official.items():
        if title.startswith("Accuracy / "):
            table = ours[title.removeprefix("Accuracy / ")]
            assert {label: [printed(row["value"]), row["n"]] for label, row in table.items()} == rows, title


def test_breakdown_by_hand(tmp_path: Path) -> None:
    verify = {"structural": "verify", "semantic": "obj", "detailed": "exist"}
    steps = [("select", "dog"), ("exist", "?"), ("choose name", "dog"), ("query", "name"), ("relate", "dog,on,s")]
    semantic = [{"operation": operation, "dependencies": [], "argument": argument} for operation, argument in steps]
    annotations = {
        "a": annotation(answer="red"),
        "b": annotation(answer="red"),
        "c": annotation(answer="blue", groups={"global": "other", "local": None}),
        "d": annotation(question="Is it?", answer="yes", types=verify, groups={"global": None}, semantic=semantic),
    }
    samples = GQA.samples(official_folder(tmp_path, annotations))
    table = GQA.breakdown(score_texts(GQA, samples, ["red", "green", "blue", "no"]))
    assert table["Open"] == pytest.approx(200 / 3)
    assert table["Binary"] == 0.0
    assert table["structural type"] == {
        "query": {"value": pytest.approx(200 / 3), "n": 3},
        "verify": {"value": 0.0, "n": 1},
    }
    assert {label: row["n"] for label, row in table["semantic type"].items()} == {"attr": 3, "obj": 1}
    assert {label: row["n"] for label, row in table["steps number"].items()} == {"1": 3, "2": 1}
    assert {label: row["n"] for label, row in table["words number"].items()} == {"2": 1, "4": 3}
    # gold 2 red, predicted 1 red: (1 - 2)^2 / 2 in a group of 2; the other group of 1 is met exactly
    assert table["Distribution"] == pytest.approx((0.5 * 2 + 0.0 * 1) / 3 / 100)
    assert "sample kinds" not in table


def test_a_missing_answer_is_not_wrong_and_not_in_any_table(tmp_path: Path) -> None:
    samples = GQA.samples(official_folder(tmp_path, {"a": annotation(), "b": annotation()}))
    run = score_texts(GQA, samples, ["red", None])
    assert point(GQA.headline, run) == 100.0
    assert GQA.breakdown(run)["Open"] == 100.0
    assert GQA.variants(run) == {"lmms_eval": 100.0}


def test_nothing_scored_prints_nothing(tmp_path: Path) -> None:
    run = score_texts(GQA, [one_sample(tmp_path)], [None])
    assert GQA.breakdown(run) == {}
    assert GQA.variants(run) == {}


def test_unbalanced_questions_are_not_asked(tmp_path: Path) -> None:
    source = official_folder(tmp_path, {"a": annotation(isBalanced=False), "b": annotation()})
    assert [sample.id for sample in GQA.samples(source)] == ["b"]


@pytest.mark.published
@pytest.mark.published
def test_prompt_is_llavas_to_the_byte() -> None:
    for case in json.loads(published_path("prompts_sample.json").read_text())["gqa"]:
        question = case["text"].split("\n")[0]
        assert GQA.request(Sample("s", question, None, ""), "llava").text == case["text"]


def test_presets_differ_in_the_length_of_the_answer(tmp_path: Path) -> None:
    sample = one_sample(tmp_path)
    llava, lmms = (GQA.request(sample, prompt) for prompt in GQA.card.prompts)
    assert llava.text == lmms.text == "What color is it?\nAnswer the question using a single word or phrase."
    assert (llava.max_new_tokens, lmms.max_new_tokens) == (128, 16)


def test_samples_of_one_image_form_a_group_in_the_order_of_the_question_file(tmp_path: Path) -> None:
    samples = GQA.samples(official_folder(tmp_path, {key: annotation() for key in ("20", "3", "1")}))
    assert [sample.id for sample in samples] == ["20", "3", "1"]
    assert len({sample.media.id for sample in samples if sample.media}) == 1


def test_order_of_the_annotations_does_not_matter(tmp_path: Path) -> None:
    items = [(str(number), annotation(answer=f"a{number}")) for number in range(20)]
    source = official_folder(tmp_path, dict(items))
    before = GQA.samples(source)
    random.Random(0).shuffle(items)
    (tmp_path / "gqa" / "data" / "testdev_balanced_questions.json").write_text(json.dumps(dict(items)))
    assert GQA.samples(source) == before


def test_a_question_without_image_is_broken_and_stays_in_the_run(tmp_path: Path) -> None:
    (sample,) = GQA.samples(official_folder(tmp_path, {"a": annotation()}, image=None))
    assert sample.media is None
    assert sample.broken == "the question names no image"


def test_questions_without_annotation_are_named_and_counted(tmp_path: Path) -> None:
    source = official_folder(tmp_path, {"kept": annotation(), "gone": annotation()})
    (tmp_path / "gqa" / "data" / "testdev_balanced_questions.json").write_text(json.dumps({"kept": annotation()}))
    with pytest.raises(NotAvailable, match=r"1 of 2 questions.*gone"):
        GQA.samples(source)


def test_an_absent_folder_says_which_files_are_missing(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match=r"llava_gqa_testdev_balanced\.jsonl"):
        GQA.samples(DataSource("folder", tmp_path))


def test_the_hub_set_joins_questions_and_pictures_without_reading_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_caches_in(tmp_path, monkeypatch)
    questions = [
        {"id": key, **annotation(imageId=image, isBalanced=balanced)}
        for key, image, balanced in (("7", "n2", True), ("8", "n1", True), ("9", "n2", False), ("10", "lost", True))
    ]
    pictures = [{"id": image, "image": {"bytes": f"picture {image}".encode(), "path": None}} for image in ("n1", "n2")]
    configs = dict(zip(GQA.card.hub.configs, (questions, pictures), strict=True))
    write_dataset(tmp_path / "set", GQA.card.hub.split, configs, image="image")

    samples = GQA.samples(DataSource("hub", repo=str(tmp_path / "set")))
    assert [sample.id for sample in samples] == ["7", "8", "10"]
    assert [sample.media and sample.media.id for sample in samples] == ["n2", "n1", None]
    assert samples[2].broken == "the question names no image"
    source = samples[0].media.source if samples[0].media else None
    assert isinstance(source, Source)
    assert source.read() == b"picture n2"
    folder = GQA.samples(official_folder(tmp_path, {"7": annotation()}))
    assert samples[0].meta == folder[0].meta


SAMPLE = Sample(
    "s", "q", None, "red", meta={"structural": "query", "semantic": "a", "steps": 0, "words": 1, "group": "g"}
)


@given(st.text())
def test_any_text_is_scored(text: str) -> None:
    assert set(GQA.score(SAMPLE, Response("s", text)).values.values()) <= {0.0, 1.0}


@given(
    st.lists(st.sampled_from(["red", "blue", "Red.", None]), max_size=8),
    st.text().filter(lambda t: "red" not in t.lower()),
)
def test_a_wrong_answer_never_raises_the_score(texts: list[str | None], wrong: str) -> None:
    run = score_texts(GQA, [SAMPLE] * len(texts), texts)
    before, after = point(GQA.headline, run), point(GQA.headline, [*run, score_text(GQA, SAMPLE, wrong)])
    assert after is not None
    assert after <= (100.0 if before is None else before)
    assert before is not None or after == 0.0


@needs_real_media
def test_the_real_folder_is_read_whole() -> None:
    samples = GQA.samples(DataSource("folder", REAL_MEDIA))
    lines = (REAL_MEDIA / "gqa" / "llava_gqa_testdev_balanced.jsonl").read_text().splitlines()
    assert [sample.id for sample in samples] == [json.loads(line)["question_id"] for line in lines]
    assert all(sample.media and not sample.broken and Path(str(sample.media.source)).is_file() for sample in samples)
    right = score_texts(GQA, samples, [f"{sample.answer.capitalize()}." for sample in samples])
    assert point(GQA.headline, right) == 100.0
