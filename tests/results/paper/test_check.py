"""The paper's efficiency numbers against ours: golden values, classes, and what T does."""

import json
from decimal import Decimal
from fractions import Fraction

import pytest

from harness.cli import DONE, main
from results.paper.check import Check, Explanation, checks
from results.paper.tables import rounds_to
from tests.support.golden import golden_path

GOLDEN = json.loads(golden_path("efficiency.json").read_text())
CONSISTENT = {
    ("Table 7", "LLaVA-v1.5"),
    ("Table 7", "LLaVA-Mini, no pre-fusion, 1 token"),
    ("Table 7", "LLaVA-Mini, no pre-fusion, 16 tokens"),
    ("Table 7", "LLaVA-Mini, no pre-fusion, 64 tokens"),
    ("Table 7", "LLaVA-Mini, no pre-fusion, 144 tokens"),
    ("Table 7", "LLaVA-Mini, 1 pre-fusion layer"),
    ("Table 7", "LLaVA-Mini, 2 pre-fusion layers"),
    ("Table 7", "LLaVA-Mini, 4 pre-fusion layers"),
    ("Table 8", "Average pooling, 4 tokens"),
    ("Figure 1", "FLOPs of LLaVA-Mini, 64 tokens"),
    ("Table 14", "LLaVA-v1.5, 672 pixels: total"),
    ("Table 14", "LLaVA-Mini, 672 pixels: total"),
    ("section 5.2", "FLOPs of LLaVA-Mini-HD"),
}
"""The totals that one formula explains (specs/efficiency.md section 0)."""


@pytest.fixture(scope="module")
def found() -> dict[tuple[str, str], Check]:
    return {(one.source, one.row): one for one in checks()}


@pytest.mark.golden
def test_every_golden_value_is_recomputed(found: dict[tuple[str, str], Check]) -> None:
    for case in GOLDEN:
        fitting = [
            one
            for one in found.values()
            if one.printed == Decimal(str(case["published"])) and abs(float(one.ours) - case["ours"]) < 6e-6
        ]
        assert fitting, case["name"]


@pytest.mark.golden
def test_numbers_are_exact_where_the_golden_ones_are(found: dict[tuple[str, str], Check]) -> None:
    for case in GOLDEN:
        for one in found.values():
            if one.printed == Decimal(str(case["published"])) and abs(float(one.ours) - case["ours"]) < 6e-6:
                assert (one.verdict[0] == "exact") == case["exact_at_printed_precision"], case["name"]


def test_thirteen_totals_are_exact_with_43_text_tokens_and_with_no_neighbour(
    found: dict[tuple[str, str], Check],
) -> None:
    assert len(CONSISTENT) == 13
    assert {found[key].verdict[0] for key in CONSISTENT} == {"exact"}
    for tokens in (42, 44):
        others = {(one.source, one.row): one for one in checks(tokens)}
        assert not any(others[key].verdict[0] == "exact" for key in CONSISTENT)


def test_totals_that_no_text_explains_are_named_with_a_reason(found: dict[tuple[str, str], Check]) -> None:
    for key, word in (
        (("Table 7", "LLaVA-Mini, 3 pre-fusion layers"), "1.71"),
        (("Figure 1", "FLOPs of LLaVA-Mini, 16 tokens"), "2.184"),
        (("Table 12", "LLaVA-Mini, compression and pre-fusion within the LLM"), "1.89"),
    ):
        verdict, reason = found[key].verdict
        assert verdict == "inconsistent"
        assert word in reason


def test_table_14_mixes_multiply_adds_flops_and_remainders(found: dict[tuple[str, str], Check]) -> None:
    said = {row: one.verdict for (source, row), one in found.items() if source == "Table 14"}
    assert "MACs" in said["LLaVA-Mini, 336 pixels: compression"][1]
    assert "MACs of one layer" in said["LLaVA-Mini, 336 pixels: prefusion"][1]
    assert "FLOPs of one layer" in said["LLaVA-Mini, 672 pixels: prefusion"][1]
    languages = {row: verdict for row, (verdict, _) in said.items() if row.endswith("language_model")}
    assert len(languages) == 4
    assert set(languages.values()) == {"remainder"}
    assert "prefusion 1.004 + language model 0.581" in said["LLaVA-Mini, 336 pixels: language_model"][1]


def test_everything_that_is_not_exact_has_a_reason(found: dict[tuple[str, str], Check]) -> None:
    for one in found.values():
        verdict, reason = one.verdict
        assert verdict == "exact" or reason
        assert reason != "no reading of the paper gives it", one.row


def test_memory_of_an_image_is_the_papers(found: dict[tuple[str, str], Check]) -> None:
    assert round(float(found["section 5.3", "Memory per image, LLaVA-v1.5"].ours), 2) == 358.31
    assert round(float(found["section 5.3", "Memory per image, LLaVA-Mini"].ours), 3) == 0.622


def test_classes_follow_from_what_fits() -> None:
    def check(ours: str, *explanations: Explanation) -> str:
        return Check("s", "r", Decimal("1.25"), "T", Fraction(ours), explanations).verdict[0]

    assert check("1.2451") == "exact"
    assert check("1.2599") == "rounding"
    assert check("1.24") == "inconsistent"
    assert check("3", Explanation("remainder", "why", Fraction("1.2549"))) == "remainder"
    assert check("3", Explanation("remainder", "why", Fraction("1.26"))) == "inconsistent"
    assert check("3", Explanation("remainder", "why", Fraction("1.26"), last_digit=True)) == "remainder"


def test_the_command_prints_every_number_and_a_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["paper-check"]) == DONE
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 100
    assert main(["paper-check", "--json"]) == DONE
    document = json.loads(capsys.readouterr().out)
    assert sum(document["summary"].values()) == len(document["rows"]) == len(list(checks()))
    assert f"{document['summary']['exact']} exact" in printed
    assert {line["gpu"] for line in document["latency"]} == {"RTX 3090", "A100", "A800"}
    for row in document["rows"]:
        assert {"source", "row", "published", "ours", "unit", "class", "note"} <= row.keys()
        assert row["published"] == float(row["printed"])
        assert (row["class"] != "exact") or rounds_to(Decimal(row["printed"]), row["ours"]) or row["note"]


def test_latencies_lie_on_lines_over_flops(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["paper-check", "--json"]) == DONE
    lines = {line["gpu"]: line for line in json.loads(capsys.readouterr().out)["latency"]}
    assert lines["A100"]["constant_ms"] == pytest.approx(15.0, abs=0.1)
    assert lines["RTX 3090"]["tflops_per_s"] == pytest.approx(48.9, abs=0.1)
    assert [round(lines[gpu]["speedup"], 2) for gpu in ("RTX 3090", "A100", "A800")] == [3.08, 2.93, 3.19]
