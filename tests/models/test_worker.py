"""A model in an interpreter of its own: answers, and everything that can go wrong on the way."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from harness.conformance import conformance
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import evaluate
from harness.errors import MediaError, NotAvailable, UserError
from harness.media.workers import PreparePool
from harness.model import ReadyGroup
from harness.types import Failure, FramePolicy, Group, Image, Request, Response, Video
from models import Preset, check_model
from models.worker import PYTHON, SECONDS, load, model_arguments
from models.workers.adapter import FilePreparer, WorkerAdapter
from models.workers.process import LONGEST_LINE
from tests.support.golden import PROJECT
from tests.support.media import write_video

BRIDGE = """
import os, signal, sys, time
from pathlib import Path

def load(options):
    print("a library greets on standard output")
    os.write(1, b"and another past sys.stdout")
    assert sys.stdin.read() == ""
    adapter, arguments = options["adapter"], options["arguments"]
    if adapter == "broken":
        raise ImportError("no module named monsoon")
    return {"versions": {"stand-in": arguments.get("version", 1)}}, lambda request: answer(arguments, request)

def answer(arguments, request):
    text = request["text"]
    print("asked", text)
    trace = Path(arguments["trace"]) if "trace" in arguments else None
    seen = 0
    if trace is not None:
        seen = len(trace.read_text().splitlines()) if trace.exists() else 0
        with trace.open("a") as file:
            file.write(f"{os.getpid()} {text}\\n")
    once = text.startswith("once ")
    what = text.removeprefix("once ") if not (once and seen) else "well"
    if what == "die":
        os._exit(7)
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "hang":
        time.sleep(600)
    if what == "memory":
        raise MemoryError("nothing left")
    if what == "cuda memory":
        raise RuntimeError("CUDA out of memory. Tried to allocate 20 GiB")
    if what == "raise":
        raise ValueError("this question is odd")
    if what == "long":
        return {"text": "x" * 3_000_000}
    if what == "garbage":
        for number in range(3, 12):
            try:
                os.write(number, b"{\\"id\\": not json\\n")
            except OSError:
                pass
    return {"text": f"{what}: {request['media']} {[Path(p).suffix for p in request['paths']]}", "output_tokens": 3}
"""


@pytest.fixture
def bridge(tmp_path: Path) -> Path:
    path = tmp_path / "bridge.py"
    path.write_text(BRIDGE)
    return path


@pytest.fixture(autouse=True)
def interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PYTHON, sys.executable)


def _adapter(bridge: Path, adapter: str = "stand-in", **more: object) -> WorkerAdapter:
    options = {"adapter": adapter, "bridge": str(bridge), **more}
    preset = Preset(
        "far", "models.worker:load", "", modalities=("image", "video"), how="own interpreter", options=options
    )
    return load(preset, None, None, None, "pyav")


def _ask(model: WorkerAdapter, *texts: str, media: Image | Video | None = None) -> list[Response | Failure]:
    group = Group(media, tuple(Request(f"s{at}", text) for at, text in enumerate(texts)))
    chunks = iter(()) if media is None else model.preparer()(media, FramePolicy(max_frames=3))
    return list(model.respond([ReadyGroup(group, chunks)]))


def _pids(trace: Path) -> list[str]:
    return [line.split()[0] for line in trace.read_text().splitlines()]


def test_answers_come_back_whatever_libraries_print(bridge: Path) -> None:
    assert _ask(_adapter(bridge), "well", "so") == [
        Response("s0", "well: None []", output_tokens=3),
        Response("s1", "so: None []", output_tokens=3),
    ]


def test_picture_on_disk_travels_as_its_path_and_another_as_png(bridge: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    PIL.Image.new("RGB", (8, 8)).save(path)

    class Row:
        def read(self) -> bytes:
            return path.read_bytes()

    model = _adapter(bridge)
    (on_disk,) = _ask(model, "well", media=Image("a", path))
    (from_row,) = _ask(model, "well", media=Image("b", Row()))
    assert (on_disk.text, from_row.text) == ("well: image ['.jpg']", "well: image ['.png']")  # type: ignore[union-attr]


def test_video_travels_as_its_file_or_as_sampled_frames(bridge: Path, tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    write_video(path, frames=50, fps=10)
    (as_file,) = _ask(_adapter(bridge), "well", media=Video("v", path))
    (as_frames,) = _ask(_adapter(bridge, video="frames"), "well", media=Video("v", path))
    assert as_file.text == "well: video ['.mp4']"  # type: ignore[union-attr]
    assert as_frames == Response("s0", "well: frames ['.png', '.png', '.png']", output_tokens=3, frames=3)


def test_media_that_cannot_be_read_never_reach_the_worker(bridge: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    (tmp_path / "frames").mkdir()
    model = _adapter(bridge)
    for media in (Image("i", tmp_path / "bad.png"), Video("v", tmp_path / "bad.mp4"), Video("f", tmp_path / "frames")):
        with pytest.raises(MediaError):
            _ask(model, "well", media=media)


@pytest.mark.parametrize("fault", ["die", "killed", "memory", "cuda memory", "garbage", "hang"])
def test_worker_lost_once_is_started_again_and_asked_again(
    bridge: Path, tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECONDS, "1" if fault == "hang" else "60")
    trace = tmp_path / "trace"
    model = _adapter(bridge, arguments={"trace": str(trace)})
    answers = _ask(model, f"once {fault}", "after")
    assert [answer.text.split(":")[0] for answer in answers if isinstance(answer, Response)] == ["well", "after"]
    assert len(_pids(trace)) == 3
    assert len(set(_pids(trace))) == 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("die", "worker died"),
        ("killed", "out of memory"),
        ("memory", "out of memory"),
        ("cuda memory", "out of memory"),
        ("garbage", "garbage from the worker"),
        ("hang", "timed out"),
    ],
)
def test_worker_lost_twice_costs_that_sample_alone(
    bridge: Path, fault: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECONDS, "0.5" if fault == "hang" else "60")
    before, lost, after = _ask(_adapter(bridge), "before", fault, "after")
    assert isinstance(before, Response)
    assert isinstance(after, Response)
    assert isinstance(lost, Failure)
    assert lost.reason == reason


def test_exception_of_one_question_leaves_the_worker_alive(bridge: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    odd, after = _ask(_adapter(bridge, arguments={"trace": str(trace)}), "raise", "after")
    assert odd == Failure("s0", "model error: ValueError", "this question is odd")
    assert isinstance(after, Response)
    assert len(_pids(trace)) == 2
    assert len(set(_pids(trace))) == 1


def test_answer_longer_than_a_line_may_be_is_a_failure_of_its_own(bridge: Path) -> None:
    long, after = _ask(_adapter(bridge), "long", "after")
    assert isinstance(long, Failure)
    assert long.reason == "answer too long"
    assert isinstance(after, Response)


def test_question_longer_than_a_line_may_be_is_said_so(bridge: Path) -> None:
    (answer,) = _ask(_adapter(bridge), "x" * LONGEST_LINE)
    assert isinstance(answer, Failure)
    assert "longer than a line may be" in answer.detail


def test_worker_lost_over_many_questions_ends_the_run(bridge: Path) -> None:
    with pytest.raises(UserError, match="5 questions in a row"):
        _ask(_adapter(bridge), *["die"] * 6)


def test_model_that_answers_nothing_about_many_media_ends_the_run(bridge: Path) -> None:
    model = _adapter(bridge)
    groups = [ReadyGroup(Group(None, (Request(f"s{at}", "raise"),)), iter(())) for at in range(6)]
    with pytest.raises(UserError, match="5 media in a row, the last time model error: ValueError: this"):
        list(model.respond(groups))


def test_a_run_scores_what_the_worker_answered_and_says_what_it_lost(bridge: Path, tmp_path: Path) -> None:
    from tasks.samples import build

    build(("gqa",), tmp_path / "data", 0)
    model = _adapter(bridge, arguments={"trace": str(tmp_path / "trace")})
    ask = model._worker.ask
    calls = iter(range(1_000))

    def third_dies(request: Mapping[str, object]) -> Mapping[str, object]:
        return ask({**request, "text": "die"} if next(calls) in (2, 3) else request)

    model._worker.ask = third_dies  # type: ignore[method-assign]
    config = RunConfig(
        "far", ("gqa",), {"gqa": DataSource("folder", tmp_path / "data", synthetic=True)}, tmp_path / "run", limit=8
    )
    run = evaluate(config, model=model)
    task = run.metrics["tasks"]["gqa"]
    assert (task["n_scored"], task["missing"]) == (7, {"worker died": 1})
    told = run.info["tasks"]["gqa"]
    assert (told["vision_tokens"], told["output_tokens"], told["frames"]) == (None, 3.0, 1.0)


def test_no_interpreter_says_what_to_install_and_where_to_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PYTHON)
    with pytest.raises(NotAvailable, match=r"transformers.*RUN_EVAL_PYTHON_QWEN_VL_CHAT"):
        check_model("qwen-vl-chat")
    monkeypatch.setenv("RUN_EVAL_PYTHON_QWEN_VL_CHAT", "/no/such/python")
    with pytest.raises(NotAvailable, match="no such program"):
        check_model("qwen-vl-chat")


def test_model_that_does_not_load_says_why(bridge: Path) -> None:
    with pytest.raises(UserError, match="no module named monsoon"):
        _adapter(bridge, "broken")


def test_card_changes_with_the_environment_and_the_arguments(bridge: Path) -> None:
    one, same, other = (_adapter(bridge, arguments={"version": version}).card for version in (1, 1, 2))
    assert one == same
    assert one.digest != other.digest
    assert one.settings["versions"] == {"stand-in": 1}


def test_checkpoint_names_any_adapter_and_its_arguments() -> None:
    anything = Preset("lmms-eval", "models.worker:load", "")
    assert model_arguments(anything, "llava_hf:pretrained=DIR,x=1") == ("llava_hf", {"pretrained": "DIR", "x": "1"})
    for wrong in (None, "llava_hf:DIR"):
        with pytest.raises(UserError, match="KEY=VALUE"):
            model_arguments(anything, wrong)


@pytest.mark.parametrize("name", ["serve", "lmms_eval_bridge"])
def test_what_runs_elsewhere_is_python_3_8_and_imports_only_the_standard_library_at_once(name: str) -> None:
    source = (PROJECT / "models" / "workers" / f"{name}.py").read_text(encoding="utf-8")
    for node in ast.parse(source, feature_version=(3, 8)).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else [str(node.module)]
            assert all(one.split(".")[0] in sys.stdlib_module_names for one in names)


def test_worker_ends_when_the_harness_is_gone(bridge: Path) -> None:
    first = {"protocol": 1, "bridge": str(bridge), "options": {"adapter": "x", "arguments": {}}}
    serve = PROJECT / "models" / "workers" / "serve.py"
    done = subprocess.run(
        [sys.executable, str(serve)], input=json.dumps(first) + "\n", capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["ready"] == {"versions": {"stand-in": 1}}
    assert "a library greets" in done.stderr


def test_pool_prepares_for_workers_in_other_processes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    PIL.Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)
    with PreparePool(FilePreparer(), 1, 60, 1 << 20) as pool:
        assert [chunk.shape for chunk in pool.submit(Image("a", path), FramePolicy())] == [(1, 0)]


COUNTING = """
import hashlib
from pathlib import Path

def load(options):
    return {"versions": {}}, answer

def answer(request):
    seen = b"".join(Path(path).read_bytes() for path in request["paths"])
    words = hashlib.sha256(seen + request["text"].encode()).hexdigest()[: request["max_new_tokens"]]
    counts = {"vision_tokens": 4 * len(request["paths"]), "text_tokens": len(request["text"].split())}
    return {"text": words, "output_tokens": len(words), "frames": len(request["paths"]), **counts}
"""


@pytest.mark.parametrize("video", ["file", "frames"])
def test_worker_passes_the_kit(bridge: Path, video: str) -> None:
    bridge.write_text(COUNTING)
    assert [one for one in conformance(_adapter(bridge, video=video)) if not one.passed] == []
