"""Bytes and texts from elsewhere: whatever comes, it is read or refused in words, and never a traceback.

`FUZZ=20` tries twenty times as many inputs of each kind as the names say.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.cli.options import _from_file
from harness.data.archives import unpack
from harness.data.sources import load_json, load_jsonl
from harness.endpoint.wire import Unreadable, reply_of
from harness.errors import CheckpointError, MediaError, UserError
from harness.judge.judgements import read_judgements
from harness.media.image import open_image
from harness.records.folder import RUN, RunFolder
from harness.records.journal import read_journal
from harness.scoring.choice import first_letter, lmms_egoschema_letter, lmms_mlvu_letter, lmms_mvbench_letter
from harness.scoring.text import gqa_answer
from harness.scoring.vqa import lmms_vqa_answer, m4c_answer, vizwiz_answer, vqa_answer
from harness.types import Image
from models.llava.config import read_config
from tasks.ratings import ratings
from tasks.verdicts import lmms_score, lmms_verdict, official_accuracy, official_score, sound_score, sound_verdict

TIMES = int(os.environ.get("FUZZ", "1"))
Test = Callable[..., None]


def inputs(count: int) -> Callable[[Test], Test]:
    """So many inputs, the same ones each time unless more are asked for."""
    calm = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=count * TIMES, derandomize=TIMES == 1, deadline=None, suppress_health_check=calm)


@contextmanager
def file(content: bytes, name: str = "file") -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        yield path


VALUE: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
ENTRY = {
    "id": "1",
    "text": "a",
    "vision_tokens": 1,
    "text_tokens": 1,
    "output_tokens": 1,
    "frames": 1,
    "notes": [],
    "missing": {"reason": "r", "detail": "d"},
    "judge": {"spec": "rules"},
    "content": "c",
    "reply": "yes",
    "model": "m",
}


def near(document: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """The document with fields lost or of another kind, random bytes, and the document cut or scrambled."""
    fields = st.fixed_dictionaries({}, optional={name: st.just(value) | VALUE for name, value in document.items()})
    whole = json.dumps(document).encode()
    cut = st.integers(0, len(whole)).map(lambda end: whole[:end])
    spliced = st.tuples(st.integers(0, len(whole)), st.binary(max_size=8)).map(
        lambda at: whole[: at[0]] + at[1] + whole[at[0] :]
    )
    return st.one_of(fields.map(lambda row: json.dumps(row).encode()), st.binary(max_size=200), cut, spliced)


@inputs(400)
@given(near(ENTRY))
def test_400_journal_and_judgement_lines_are_read_or_refused(line: bytes) -> None:
    with file(line + b"\n") as path:
        for read in (read_journal, lambda path: read_judgements(path, "rules")):
            with suppress(UserError):
                list(read(path))


@inputs(200)
@given(near({"status": "running", "config": {"tasks": ["gqa"]}}))
def test_200_run_files_are_read_or_refused(content: bytes) -> None:
    with file(content, RUN) as path, suppress(UserError):
        assert isinstance(RunFolder(path.parent).read(RUN), dict)


@inputs(200)
@given(near({"id": 1, "question": "q", "deep": [[[[]]]]}) | st.integers(1, 200_000).map(lambda n: b"[" * n))
def test_200_annotation_files_are_read_or_refused(content: bytes) -> None:
    with file(content) as path:
        for read in (load_json, load_jsonl):
            with suppress(UserError):
                read(path)


@inputs(300)
@given(near({"choices": [{"message": {"content": "yes"}}], "usage": {"prompt_tokens": 1}, "model": "m"}))
def test_300_bodies_of_an_endpoint_are_a_reply_or_refused(content: bytes) -> None:
    with suppress(Unreadable):
        assert isinstance(reply_of(content, "m").text, str)


REPLY = st.one_of(
    st.text(),
    st.text("{}[]()'\":,.0123456789eE+-/ \npredscoreyesno\0\ud800", max_size=200),
    st.integers(1, 3000).map(lambda n: "{" * n),
    st.integers(1, 3000).map(lambda n: "(" * n),
    st.integers(1, 3000).map(lambda n: "{'score': " + "9" * n + "}"),
)


@inputs(500)
@given(REPLY)
def test_500_judge_replies_are_a_score_or_none(reply: str) -> None:
    for score in (sound_score(reply), lmms_score(reply)):
        assert score is None or isinstance(score, int | float)
    for read in (sound_verdict, lmms_verdict, official_score):
        read(reply)
    official_accuracy([reply])
    assert all(0 <= number <= 10 for number in ratings(reply, 10))


@inputs(500)
@given(st.text() | st.text("aAbB(). ,:;'\"0123456789-\n\t\0\ud800", max_size=300))
def test_500_answers_are_normalised_whatever_they_hold(answer: str) -> None:
    for normalised in (gqa_answer, vqa_answer, m4c_answer, vizwiz_answer, lmms_vqa_answer):
        assert isinstance(normalised(answer), str)
    assert first_letter(answer, "ABCD") in {*"ABCD", None}
    lmms_mvbench_letter(answer)
    lmms_mlvu_letter(answer)
    lmms_egoschema_letter(answer, ["one", "two", answer, "", "five"])


def _pictures() -> list[bytes]:
    import io

    import PIL.Image

    found = []
    for form in ("png", "jpeg", "gif", "bmp", "webp", "tiff"):
        buffer = io.BytesIO()
        PIL.Image.new("RGB", (9, 7), (200, 30, 10)).save(buffer, form)
        found.append(buffer.getvalue())
    return found


PICTURES = _pictures()
CHANGES = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=8)


@inputs(600)
@given(st.sampled_from(PICTURES), CHANGES, st.integers(0, 2000))
def test_600_spoilt_pictures_are_pictures_or_a_reason(content: bytes, changes: list[tuple[int, int]], end: int) -> None:
    spoilt = bytearray(content)
    for at, value in changes:
        spoilt[at % len(spoilt)] = value
    with file(bytes(spoilt[: end or None]), "picture.jpg") as path, suppress(MediaError):
        assert open_image(Image("i", path)).mode == "RGB"


@inputs(200)
@given(near({"model_type": "llava_llama", "mm_vision_tower": "t", "mm_hidden_size": 8, "hidden_size": 8}))
def test_200_configs_of_a_checkpoint_are_read_or_refused(content: bytes) -> None:
    with file(content, "config.json") as path, suppress(UserError, CheckpointError):
        read_config(path.parent)


@inputs(200)
@given(st.binary(max_size=100) | st.text("tasks:-gq[]{}&*!|>\"'# \n\0", max_size=60).map(str.encode))
def test_200_configuration_files_are_read_or_refused(content: bytes) -> None:
    with file(content) as path, suppress(UserError):
        _from_file(path)


@inputs(200)
@given(st.lists(st.text(st.sampled_from("a./\\~\0 .."), min_size=1, max_size=12), max_size=4))
def test_200_archives_write_nothing_outside_their_folder(names: list[str]) -> None:
    with file(b"", "a.zip") as path:
        with zipfile.ZipFile(path, "w") as archive:
            for name in dict.fromkeys(name for name in names if name.partition("\0")[0]):
                archive.writestr(name, b"x")
        with suppress(UserError):
            unpack(path, path.parent / "in" / "target")
        assert {entry.name for entry in path.parent.iterdir()} <= {"a.zip", "in"}
        assert not (path.parent / "in").is_dir() or [one.name for one in (path.parent / "in").iterdir()] == ["target"]


@pytest.mark.parametrize("size", [8, 2**62])
def test_weights_whose_header_lies_are_refused(size: int, tmp_path: Path) -> None:
    from models.llava.checkpoint import _tensors

    header = json.dumps({"w": {"dtype": "F32", "shape": [size], "data_offsets": [0, 4 * size]}}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"1234")
    with pytest.raises(CheckpointError, match="cannot be read"):
        _tensors(path)
