from __future__ import annotations

import json
from typing import Any

import pytest

from results.averages import MME, PERCENTAGES, image_averages
from tests.support.golden import golden_path

COLUMNS = {"scienceqa_img": "scienceqa", "seed": "seedbench", "llava_w": "llavabench"}


def rows() -> list[dict[str, Any]]:
    data = json.loads(golden_path("image", "table1_average.json").read_text())
    return [{**row, "scores": {COLUMNS.get(k, k): value for k, value in row["scores"].items()}} for row in data["rows"]]


@pytest.mark.golden
def test_both_averages_of_every_row_of_table_1() -> None:
    for row in rows():
        averages = image_averages(row["scores"])
        assert averages["avg_paper"] == pytest.approx(row["avg_paper_formula"], abs=1e-9), row["model"]
        assert averages["avg_mme_percent"] == pytest.approx(row["avg_mme_as_percent"], abs=1e-9), row["model"]
        assert f"{averages['avg_paper']:.1f}" == str(row["paper_avg"]), row["model"]


def test_an_average_without_one_of_the_eleven_does_not_exist() -> None:
    whole = dict.fromkeys((*PERCENTAGES, MME), 50.0)
    for name in whole:
        for incomplete in ({**whole, name: None}, {key: value for key, value in whole.items() if key != name}):
            assert image_averages(incomplete) == {"avg_paper": None, "avg_mme_percent": None}


def test_further_tasks_change_nothing() -> None:
    whole = dict.fromkeys((*PERCENTAGES, MME), 50.0)
    assert image_averages({**whole, "mlvu": 1.0, "mmbench_cn": 1.0}) == image_averages(whole)
