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
from harness.types import Image, Response, Sample, Score, Scored
from tasks.seedbench import TYPES, SeedBench
from tests.support.folders import write_json, write_jsonl
from tests.support.golden import golden_path
from tests.support.tasks import score_text, score_texts

SEED = SeedBench()
SUFFIX = "\nAnswer with the option's letter from the given choices directly."
TEXTS = st.one_of(st.text(), st.text("ABCD. "), st.sampled_from("ABCD"))


def item(key: str, **changes: Any) -> dict[str, Any]:
    base = {"answer": "B", "data_id": f"d{key}", "data_type": "image", "question": "Which?", "question_type_id": 1}
    return {**base, "question_id": key, **{f"choice_{letter}": f"c{letter}" for letter in "abcd"}, **changes}


def official_folder(root: Path, items: list[dict[str, Any]]) -> DataSource:
    lines = []
    for one in items:
        key, kind = one["question_id"], one["question_type_id"]
        folder = "SEED-Bench-image/" + one["data_id"]
        file = folder if one["data_type"] == "image" else f"SEED-Bench-video-image/{kind}_{key}.png"
        lines.append({"question_id": int(key) if key.isdigit() else key, "image": file, "text": "", "category": "x"})
    write_json(root / "seed_bench" / "SEED-Bench.json", {"question_type": TYPES, "questions": items})
    write_jsonl(root / "seed_bench" / "llava-seed-bench.jsonl", lines)
    return DataSource("folder", root)


def golden(tmp_path: Path) -> tuple[dict[str, Any], list[Scored]]:
    """The golden answers, scored on samples that went through the folder reader."""
    data = json.loads(golden_path("image", "seedbench.json").read_text())
    samples = SEED.samples(official_folder(tmp_path, data["items"]))
    return data, score_texts(SEED, samples, [one["prediction"] for one in data["items"]])


@pytest.mark.golden
def test_types_are_the_released_ones() -> None:
    assert json.loads(golden_path("image", "seedbench.json").read_text())["question_type"] == TYPES


@pytest.mark.golden
def test_each_answer_is_scored_as_the_official_script_and_lmms_eval_score_it(tmp_path: Path) -> None:
    data, run = golden(tmp_path)
    for one, item in zip(run, data["items"], strict=True):
        assert isinstance(one.result, Score)
        assert one.result.values["accuracy"] == item["expect"]["correct"], item
        assert one.result.values["lmms_eval"] == item["expect"]["lmms_correct"], item


@pytest.mark.golden
def test_every_printed_number_is_the_official_one(tmp_path: Path) -> None:
    data, run = golden(tmp_path)
    printed, lmms = dict(data["aggregate"]["printed"]), data["aggregate"]["lmms"]
    table, total = SEED.breakdown(run), point(SEED.headline, run)
    assert f"{total:.2f}" == printed.pop("Total accuracy")
    for medium in ("image", "video"):
        assert f"{table[f'{medium} accuracy']:.2f}" == printed.pop(f"{medium} accuracy")
    assert {name: f"{row['value']:.2f}" for name, row in table["types"].items()} == printed
    variants = SEED.variants(run)
    ours = {"image": variants["lmms_eval_image"], "video": variants["lmms_eval_video"], "all": variants["lmms_eval"]}
    assert ours == pytest.approx({name: 100 * value for name, value in lmms.items()}, abs=1e-9)


def test_prompt_has_four_options_and_the_letter_instruction(tmp_path: Path) -> None:
    (one,) = SEED.samples(official_folder(tmp_path, [item("1")]))
    request = SEED.request(one, "llava")
    assert request.text == f"Which?\nA. ca\nB. cb\nC. cc\nD. cd{SUFFIX}"
    assert request.max_new_tokens == 128


def test_pictures_and_extracted_frames_are_found_where_llava_puts_them(tmp_path: Path) -> None:
    video = item("v7", data_type="video", question_type_id=11)
    samples = SEED.samples(official_folder(tmp_path, [item("1"), video]))
    root = tmp_path / "seed_bench"
    assert [one.media for one in samples] == [
        Image("seed_bench/SEED-Bench-image/d1", root / "SEED-Bench-image" / "d1"),
        Image("seed_bench/SEED-Bench-video-image/11_v7.png", root / "SEED-Bench-video-image" / "11_v7.png"),
    ]
    assert [one.id for one in samples] == ["1", "v7"]


@pytest.mark.parametrize("text", ["B.", " B", "b", "B\n", "(B)", ""])
def test_only_the_bare_letter_counts(tmp_path: Path, text: str) -> None:
    (one,) = SEED.samples(official_folder(tmp_path, [item("1")]))
    assert SEED.score(one, Response("1", "B")).values["accuracy"] == 1.0
    assert SEED.score(one, Response("1", text)).values["accuracy"] == 0.0


def test_a_type_without_a_right_answer_is_zero(tmp_path: Path) -> None:
    samples = SEED.samples(official_folder(tmp_path, [item("1"), item("2", question_type_id=2)]))
    types = SEED.breakdown(score_texts(SEED, samples, ["B", "A"]))["types"]
    assert types["Instance Identity"] == {"value": 0.0, "n": 1}


def test_a_question_without_annotation_is_broken(tmp_path: Path) -> None:
    source = official_folder(tmp_path, [item("1")])
    write_json(tmp_path / "seed_bench" / "SEED-Bench.json", {"questions": []})
    (one,) = SEED.samples(source)
    assert one.broken == "no entry in seed_bench/SEED-Bench.json"


def test_order_of_the_annotations_does_not_matter(tmp_path: Path) -> None:
    items = [item(str(number), answer="ABCD"[number % 4]) for number in range(20)]
    source = official_folder(tmp_path, items)
    before = SEED.samples(source)
    random.Random(0).shuffle(items)
    write_json(tmp_path / "seed_bench" / "SEED-Bench.json", {"questions": items})
    assert SEED.samples(source) == before


def test_an_absent_folder_says_which_files_are_missing(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match=r"SEED-Bench\.json"):
        SEED.samples(DataSource("folder", tmp_path))


SAMPLE = Sample("1", "Which?", None, "B", tuple("wxyz"), {"type": 1, "medium": "image"})


def test_nothing_scored_prints_no_number() -> None:
    run = [score_text(SEED, SAMPLE, None)]
    assert SEED.variants(run) == {}
    assert SEED.breakdown(run) == {"types": {}}


@given(TEXTS)
def test_any_text_is_scored(text: str) -> None:
    assert set(SEED.score(SAMPLE, Response("1", text)).values.values()) <= {0.0, 1.0}


@given(st.lists(TEXTS, max_size=8), TEXTS.filter(lambda text: text != "B"))
def test_a_wrong_answer_never_raises_the_score(texts: list[str], wrong: str) -> None:
    run = score_texts(SEED, [SAMPLE] * len(texts), texts)
    before, after = point(SEED.headline, run), point(SEED.headline, [*run, score_text(SEED, SAMPLE, wrong)])
    assert after is not None
    assert after <= (before or 0.0)
