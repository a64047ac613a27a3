from __future__ import annotations

import json

import pytest

from tasks import TASKS
from tests.support.golden import golden_path

ROWS = {
    "LLaVA-v1.5": "llava-v1.5-7b",
    "LLaVA-Mini": "llava-mini-7b",
    "LLaVA-Mini-HD": "llava-mini-hd",
    "LLaVA-Mini* (LLaMA-3.1-8B)": "llava-mini",
}
COLUMNS = {
    "vqav2": "vqav2",
    "gqa": "gqa",
    "vizwiz": "vizwiz",
    "textvqa": "textvqa",
    "scienceqa_img": "scienceqa",
    "pope": "pope",
    "mme": "mme",
    "mmbench": "mmbench",
    "seed": "seedbench",
    "llava_w": "llavabench",
    "mmvet": "mmvet",
}


@pytest.mark.golden
@pytest.mark.parametrize(("column", "name"), COLUMNS.items())
def test_cards_hold_the_papers_table_1(column: str, name: str) -> None:
    rows = json.loads(golden_path("image", "table1_average.json").read_text())["rows"]
    table = {ROWS[row["model"]]: row["scores"][column] for row in rows if row["model"] in ROWS}
    assert TASKS.load(name).card.paper == table
