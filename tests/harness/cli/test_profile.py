from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import CHANGE_SOMETHING, DONE, main

TINY = "llava-mini-tiny,llava-v1.5-tiny"


def profiled(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, object]:
    assert main(["profile", *argv, "--json"]) == DONE
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    return document


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["profile", *argv]) == CHANGE_SOMETHING
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def test_flops_of_the_7b_shapes_need_no_weights_and_print_as_the_paper(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "--model", "llava-mini-7b,llava-v1.5-7b", "--what", "flops"]) == DONE
    out = capsys.readouterr().out
    for printed in ("1.9612", "8.5533", "77.1", "Random weights; T = 43"):
        assert printed in out


def test_parts_that_are_not_asked_for_are_not_made(capsys: pytest.CaptureFixture[str]) -> None:
    found = profiled(capsys, "--model", TINY, "--no-latency", "--text-tokens", "10,20")
    assert {"flops", "memory"} < set(found)
    assert "latency" not in found
    assert found["flops"]["text_tokens"] == [10, 20]  # type: ignore[index]
    assert found["text_tokens"] == 10


def test_7b_is_not_timed_on_a_cpu_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    found = profiled(capsys, "--model", "llava-v1.5-7b", "--what", "latency", "--device", "cpu")
    assert found["latency"]["models"] == {}  # type: ignore[index]
    assert "too much to time on a CPU" in found["latency"]["skipped"]["llava-v1.5-7b"]  # type: ignore[index]


def test_a_compression_that_no_model_has_is_only_counted(capsys: pytest.CaptureFixture[str]) -> None:
    model = "llava-mini-tiny:compression=average-pooling"
    found = profiled(capsys, "--model", model, "--device", "cpu", "--text-tokens", "43")
    assert found["flops"]["paper"][model]["total"] > 0  # type: ignore[index]
    for part in (found["memory"][model], {"skipped": found["latency"]["skipped"][model]}):  # type: ignore[index]
        assert "no such model" in part["skipped"]


def test_without_a_gpu_the_same_command_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    found = profiled(capsys, "--model", TINY, "--what", "memory", "--device", "cuda")
    assert any("no NVIDIA GPU here" in line for line in found["notes"])  # type: ignore[attr-defined]
    assert found["memory"]["llava-mini-tiny"]["method"] == "counted"  # type: ignore[index]


def test_frames_that_fit_are_predicted(capsys: pytest.CaptureFixture[str]) -> None:
    found = profiled(capsys, "--model", TINY, "--what", "memory", "--max-frames-in", "1GiB")
    frames = {name: one["frames"]["predicted"] for name, one in found["memory"].items()}  # type: ignore[attr-defined]
    assert frames["llava-mini-tiny"] > frames["llava-v1.5-tiny"] > 0


def test_a_change_to_all_spares_what_cannot_have_it(capsys: pytest.CaptureFixture[str]) -> None:
    models = "llava-mini-7b,llava-mini-7b:prefusion_layers=3,llava-v1.5-7b"
    found = profiled(capsys, "--model", models, "--what", "flops", "--set", "prefusion_layers=2")
    layers = [one["prefusion_layers"] for one in found["models"].values()]  # type: ignore[attr-defined]
    assert layers == [2, 3, 0]


def test_output_is_written_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "--model", TINY, "--what", "flops", "--output", str(tmp_path)]) == DONE
    assert str(tmp_path / "profile.html") in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {
        "profile.json", "flops.csv", "text_tokens.csv", "profile.html",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--model", "llava-mini-tiny", "--stages", "towr"], "tower"),
        (["--model", "llava-mini-tiny", "--what", "flop"], "flops"),
        (["--model", "llava-mni-7b"], "llava-mini-7b"),
        (["--model", "llava-mini-tiny", "--text-tokens", "0"], "--text-tokens 0"),
        (["--model", "llava-mini-tiny", "--text-tokens", "x"], "--text-tokens x"),
        (["--model", "llava-mini-tiny", "--max-frames-in", "24"], "24GiB"),
        (["--model", "llava-mini-tiny", "--rounds", "0"], "--rounds 0"),
        (["--model", "llava-mini-tiny", "--device", "tpux"], "no such device"),
        (["--model", "llava-mini-tiny", "--baseline", "other", "--what", "flops"], "--baseline"),
        (["--model", "llava-v1.5-7b", "--set", "prefusion_layers=2"], "cannot be set"),
        (["--model", "llava-mini-7b", "--set", "prefusion_layers"], "KEY=VALUE"),
        (["--model", "llava-mini-tiny", "--no-latency", "--what", "flops"], "exclude each other"),
        ([], "--model is missing"),
    ],
)
def test_a_wrong_word_is_one_message(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refused(capsys, *argv)
