"""Both ways between this project and lmms-eval 0.7.3: its adapters here, our models there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from harness.errors import UserError
from harness.model import ReadyGroup
from harness.types import FramePolicy, Group, Image, Request, Response
from models import load_model
from models.worker import PYTHON, load
from tests.support.lmms_eval import environment, interpreter, run

TASK = """
task: colours
dataset_path: parquet
dataset_kwargs:
  data_files:
    test: {table}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.doc_to_visual
doc_to_text: question
doc_to_target: answer
process_results: !function utils.process_results
generation_kwargs: {{max_new_tokens: 8, temperature: 0, do_sample: false}}
metric_list:
  - {{metric: right, aggregation: mean, higher_is_better: true}}
"""
UTILS = """
from io import BytesIO
from PIL import Image

def doc_to_visual(doc):
    return [Image.open(BytesIO(doc["image"]["bytes"]))]

def process_results(doc, results):
    return {"right": float(results[0] == doc["answer"])}
"""
EVALUATE = """
import json, sys
from lmms_eval.evaluator import simple_evaluate
from lmms_eval.tasks import TaskManager
found = simple_evaluate(
    "llava_mini", model_args="model=llava-mini-tiny,dtype=float32", tasks=["colours"], batch_size=1,
    device="cpu", bootstrap_iters=0, log_samples=True, force_simple=True,
    task_manager=TaskManager(include_path=sys.argv[1], include_defaults=False),
)
print(json.dumps({
    "right": float(found["results"]["colours"]["right,none"]),
    "texts": {str(one["doc_id"]): one["filtered_resps"][0] for one in found["samples"]["colours"]},
}))
"""
QUESTIONS = ("What color is the ball?", "Is there a cat?")


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "red.png", tmp_path / "blue.png"]
    for path, colour in zip(paths, ((200, 30, 30), (30, 30, 200)), strict=True):
        pixels = np.full((48, 64, 3), 255, np.uint8)
        pixels[8:40, 16:48] = colour
        PIL.Image.fromarray(pixels).save(path)
    return paths


def _ours(pictures: list[Path]) -> list[str]:
    model = load_model("llava-mini-tiny", device="cpu", dtype="float32")
    answers = []
    for path in pictures:
        asked = tuple(Request(text, text, 8) for text in QUESTIONS)
        media = Image(path.name, path)
        ready = ReadyGroup(Group(media, asked), model.preparer()(media, FramePolicy()))
        found = {one.sample_id: one for one in model.respond([ready])}
        for text in QUESTIONS:
            answer = found[text]
            assert isinstance(answer, Response)
            answers.append(answer.text)
    return answers


@pytest.mark.slow
def test_our_model_in_lmms_eval_answers_as_here_and_scores_as_by_hand(pictures: list[Path], tmp_path: Path) -> None:
    answers = _ours(pictures)
    references = [*answers[:3], "something else"]
    rows = [
        {"question": QUESTIONS[index % 2], "answer": reference, "image": {"bytes": pictures[index // 2].read_bytes()}}
        for index, reference in enumerate(references)
    ]
    task = tmp_path / "task"
    task.mkdir()
    pd.DataFrame(rows).to_parquet(tmp_path / "colours.parquet")
    (task / "colours.yaml").write_text(TASK.format(table=tmp_path / "colours.parquet"))
    (task / "utils.py").write_text(UTILS)
    (tmp_path / "evaluate_here.py").write_text(EVALUATE)
    done = run([str(tmp_path / "evaluate_here.py"), str(task)], tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert [found["texts"][str(index)] for index in range(4)] == answers
    assert found["right"] == 3 / 4


@pytest.mark.slow
def test_lmms_evals_adapter_answers_here(pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(PYTHON, interpreter())
    from models import presets

    preset = presets()["lmms-eval"]
    model = load(preset, "dummy:response=C,read_bytes=0", "cpu", None, "pyav")
    media = Image("red", pictures[0])
    group = Group(media, (Request("a", "what?"), Request("b", "why?")))
    answers = list(model.respond([ReadyGroup(group, model.preparer()(media, FramePolicy()))]))
    assert answers == [Response("a", "C", frames=1), Response("b", "C", frames=1)]
    assert model.card.settings["versions"]["lmms_eval"]
    with pytest.raises(UserError, match="no-such-adapter"):
        load(preset, "no-such-adapter:x=1", "cpu", None, "pyav")
