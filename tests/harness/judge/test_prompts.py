"""Judge prompts equal the official ones to the byte, and a package that changed is noticed."""

import hashlib
import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.errors import NotAvailable, UnknownName
from harness.judge import prompts
from harness.judge.prompts import INSTALL, NAMES, load_prompt
from tests.support.golden import golden_path

FACTS = {
    **{"question": "Q?", "answer": "ANS", "prediction": "PRED"},
    **{"question_1": "Q1?", "question_2": "Q2?", "prediction_1": "PRED1", "prediction_2": "PRED2"},
}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.golden
def test_video_prompts_are_the_official_ones() -> None:
    cases = json.loads(golden_path("video", "judge_prompt_hashes.json").read_text())["prompts"]
    assert cases
    for name, case in cases.items():
        messages = load_prompt({"detailed_orientation": "detail"}.get(name, name)).messages(**FACTS)
        assert [role for role, _ in messages] == case["roles"]
        assert [_sha256(text) for _, text in messages] == [case["system_sha256"], case["user_sha256"]], name


@pytest.mark.golden
def test_mmvet_prompt_is_the_official_one() -> None:
    case = json.loads(golden_path("image", "mmvet.json").read_text())["judge_prompt_check"]
    facts = {name: case[name] for name in ("question", "prediction")}
    answer = case["answer"].replace("<AND>", " <AND> ").replace("<OR>", " <OR> ")
    ((_, text),) = load_prompt("mmvet").messages(answer=answer, **facts)
    assert (len(text), _sha256(text)) == (case["n_chars"], case["sha256"])


@pytest.mark.golden
def test_llavabench_prompt_is_the_official_one() -> None:
    for case in json.loads(golden_path("image", "llavabench.json").read_text())["judge_prompt_check"]:
        messages = load_prompt("llavabench").messages(
            context="\n".join(case["caption"]),
            question=case["question"],
            answer=case["answer1"],
            prediction=case["answer2"],
        )
        assert (len(messages[1][1]), _sha256(messages[1][1])) == (case["n_chars"], case["sha256"])


def test_fields_are_filled_as_they_are() -> None:
    odd = "{pred} \\n %s <b>"
    assert odd in load_prompt("qa").messages(question=odd, answer="a", prediction="p")[1][1]


def test_unknown_prompt_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="correctness"):
        load_prompt("corectness")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package's prompt files, found instead of the installed ones."""
    spec = find_spec("lmms_eval")
    assert spec
    assert spec.submodule_search_locations
    installed = Path(spec.submodule_search_locations[0]) / "tasks"
    for file in ("activitynetqa/utils.py", "videochatgpt/utils.py", "mmvet/utils.py", "llava-in-the-wild/rule.json"):
        (tmp_path / "tasks" / file).parent.mkdir(parents=True)
        shutil.copyfile(installed / file, tmp_path / "tasks" / file)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(prompts, "find_spec", lambda name: spec)
    load_prompt.cache_clear()
    yield tmp_path / "tasks"  # type: ignore[misc]
    load_prompt.cache_clear()


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_package_is_refused_with_the_command(name: str, package: Path) -> None:
    load_prompt(name)
    load_prompt.cache_clear()
    for path in [*package.rglob("*.py"), *package.rglob("*.json")]:
        path.write_text(
            path.read_text().replace("evaluat", "evaluatt").replace("ground truth", "truth").replace("rate", "grade")
        )
    with pytest.raises(NotAvailable, match=re.escape(INSTALL)):
        load_prompt(name)


def test_an_absent_package_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "find_spec", lambda name: None)
    load_prompt.cache_clear()
    with pytest.raises(NotAvailable, match=INSTALL):
        load_prompt("qa")
    load_prompt.cache_clear()
