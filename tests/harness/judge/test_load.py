"""From --judge SPEC to a judge, or to a message that says what is wrong with it."""

from pathlib import Path

import pytest

from harness.errors import UnknownName, UserError
from harness.judge.batch import OpenAiBatchJudge
from harness.judge.client import OpenAiJudge
from harness.judge.contract import JudgeCard
from harness.judge.load import JudgeSettings, card_of, load_judge
from harness.judge.local_chat import TransformersJudge
from harness.judge.rules import RulesJudge

URL = "http://127.0.0.1:8000/v1"


def test_a_spec_names_judge_model_and_endpoint() -> None:
    assert card_of("rules") == JudgeCard("rules", "rules")
    assert card_of("openai:gpt-4o") == JudgeCard("openai:gpt-4o", "gpt-4o")
    assert card_of(f"openai:org/m@rev@{URL}") == JudgeCard(f"openai:org/m@rev@{URL}", "org/m@rev", URL)


def test_a_judge_has_the_card_of_its_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-planted-key")
    batch = JudgeSettings(batch_state=tmp_path / "state.json")
    for spec, settings, kind in (
        ("rules", JudgeSettings(), RulesJudge),
        ("openai:gpt-4o", JudgeSettings(), OpenAiJudge),
        (f"openai:m@{URL}", JudgeSettings(concurrency=2), OpenAiJudge),
        (f"openai:m@{URL}", batch, OpenAiBatchJudge),
        (f"transformers:{tmp_path}", JudgeSettings(), TransformersJudge),
    ):
        judge = load_judge(spec, settings)
        assert isinstance(judge, kind)
        assert judge.card == card_of(spec)


@pytest.mark.parametrize("spec", ["openai", "openai:", "transformers:"])
def test_what_is_missing_after_the_colon_is_said(spec: str) -> None:
    with pytest.raises(UserError, match="after the colon is missing"):
        load_judge(spec)


def test_a_server_without_a_model_is_refused() -> None:
    with pytest.raises(UserError, match="model's name is missing"):
        load_judge(f"openai:@{URL}")


@pytest.mark.parametrize("spec", ["", "rule", "rules:x", "opnai:gpt-4o", "gpt-4o"])
def test_an_unknown_judge_is_refused_with_those_that_there_are(spec: str) -> None:
    with pytest.raises(UnknownName, match=r"Known: .*rules"):
        load_judge(spec)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        load_judge(f"transformers:{tmp_path / 'none'}")
