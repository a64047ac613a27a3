"""Whole runs through servers: a scripted one, and `transformers serve` with a tiny LLaVA."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.cli import DONE, WITHHELD
from tests.support.cli import run_eval
from tests.support.judge_server import MODEL, Answer, judge_server
from tests.support.native_tiny import write_native, write_words
from tests.support.smollm2 import serving

SECRET = "planted-key-of-a-test"
TEMPLATE = (
    "{% for m in messages %}USER : {% for part in m['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}"
    "{% else %}<image>{% endif %}{% endfor %}{% endfor %} ASSISTANT :"
)


def _echo(body: Mapping[str, Any], before: int) -> Answer:
    return Answer("red") if before else Answer("busy, and the key was planted-key-of-a-test", status=503)


def test_a_run_is_whole_can_be_compared_and_holds_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    home = tmp_path / "home"
    with judge_server(_echo) as server:
        name = f"openai:{MODEL}@{server.url}"
        asked = ["--model", f"{name},llava-mini-tiny", "--tasks", "gqa", "--data", "sample", "--limit", "6"]
        done = run_eval(*asked, "--output", "run", home=home, cwd=tmp_path)
        assert done.returncode == DONE, done.stderr
        assert server.keys == {f"Bearer {SECRET}"}
    assert f"openai:{MODEL}" in done.stdout
    assert "66 tokens in, 18 out" in done.stderr
    board = run_eval("leaderboard", "run", "--format", "markdown", home=home, cwd=tmp_path)
    assert board.returncode == DONE, board.stderr
    assert MODEL in board.stdout
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert SECRET not in left.decode("utf-8", "replace") + done.stdout + done.stderr


def test_options_are_kept_with_the_run_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    with judge_server("red") as server:
        asked = ["--model", f"openai:{MODEL}@{server.url}", "--tasks", "gqa", "--data", "sample", "--limit", "2"]
        options = ["--model-options", "detail=low,side=64", "--output", "run"]
        done = run_eval(*asked, *options, home=tmp_path / "home", cwd=tmp_path)
        assert done.returncode == DONE, done.stderr
        assert all(call["messages"][0]["content"][0]["image_url"]["detail"] == "low" for call in server.calls)
        wrong = run_eval(*asked, "--model-options", "detial=low", home=tmp_path / "home", cwd=tmp_path)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["config"]["options"] == {"detail": "low", "side": 64}
    assert (wrong.returncode, "Did you mean 'detail'" in wrong.stderr) == (2, True)


@pytest.mark.slow
def test_transformers_serve_answers_a_task(tmp_path: Path) -> None:
    from transformers import AutoTokenizer, CLIPImageProcessor, LlavaProcessor

    folder = write_native(tmp_path / "model", "llava")
    write_words(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    pictures = CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    LlavaProcessor(pictures, tokenizer, 14, "default", TEMPLATE, num_additional_image_tokens=1).save_pretrained(folder)
    with serving(folder, tmp_path / "server.log") as url:
        model = ["--model", f"openai:{folder}@{url}", "--model-options", "concurrency=1"]
        task = ["--tasks", "gqa", "--data", "sample", "--limit", "3", "--max-new-tokens", "3"]
        done = run_eval(*model, *task, "--output", "run", "--json", home=tmp_path / "home", cwd=tmp_path)
    assert done.returncode in (DONE, WITHHELD), done.stderr
    rows = [json.loads(line) for line in (tmp_path / "run" / "gqa" / "responses.jsonl").read_text().splitlines()]
    assert [row.get("missing") for row in rows] == [None] * 3, done.stderr
    assert all(0 < row["output_tokens"] <= 3 for row in rows)
