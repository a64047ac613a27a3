from __future__ import annotations

import json

import pytest

from harness.scoring.vqa_tables import ARTICLES, NUMBERS, PUNCTUATION, vizwiz_contractions, vqa_contractions
from tests.support.golden import golden_path


@pytest.mark.golden
def test_tables_are_the_protocols() -> None:
    tables = json.loads(golden_path("image", "tables.json").read_text())
    assert vqa_contractions() == tables["vqa"]
    assert vizwiz_contractions() == tables["vizwiz"]
    assert list(PUNCTUATION) == tables["punctuation"]
    assert tables["numbers"] == NUMBERS
    assert set(tables["articles"]) == ARTICLES


def test_vizwiz_table_has_the_same_entries_in_other_apostrophes() -> None:
    def straight(table: dict[str, str]) -> dict[str, str]:
        return {key.replace("\u2019", "'"): value.replace("\u2019", "'") for key, value in table.items()}

    assert straight(dict(vizwiz_contractions())) == vqa_contractions()
    assert vizwiz_contractions()["dont"] == "don\u2019t"
    assert vizwiz_contractions()["cant"] == "can't"
