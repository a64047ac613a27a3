"""From media to pixels: the released processing to the byte, on any reader of a picture or frame."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file
from transformers import CLIPImageProcessorPil

from harness.errors import CheckpointError, MediaError
from harness.media.workers import PreparePool
from harness.types import FramePolicy, Image, Video
from models.llava.preprocess import LlavaPreparer, nearest, split_image
from models.llava.processor import Processor, read_processor, write_processor
from tests.support.golden import PROJECT, golden_path
from tests.support.llava_tiny import tiny_tower

VARIANT = re.compile(r"(image\d+)\.(square|pad)\.n(\d+)\.(uint8|pixel_values)")


@pytest.mark.golden
def test_prepared_pictures_are_the_released_ones() -> None:
    tensors = load_file(golden_path("llava_mini", "preprocess", "images.safetensors"))
    processor = read_processor(golden_path("llava_mini", "preprocess"))
    tower = tiny_tower()
    tower.processor = processor
    variants = [match for match in map(VARIANT.fullmatch, tensors) if match is not None]
    assert variants
    for match in variants:
        name, aspect, split, form = match.groups()
        prepared = LlavaPreparer(processor, int(split), aspect == "pad").image(PIL.Image.fromarray(tensors[name]))
        if form == "uint8":
            assert np.array_equal(prepared.transpose(0, 3, 1, 2), tensors[match.group()]), match.group()
        else:
            pixels = tower.normalise(torch.from_numpy(prepared), torch.float32).numpy()
            np.testing.assert_allclose(pixels, tensors[match.group()], rtol=0, atol=1e-6)


@pytest.mark.golden
def test_frames_are_squeezed_as_released() -> None:
    golden = json.loads(golden_path("llava_mini", "video_sampling.json").read_text())["frame_resize"]
    height, width, (side, _) = golden["source_height"], golden["source_width"], golden["target"]
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    squeezed = nearest(np.stack([rows, columns, columns], axis=-1), side)
    assert squeezed[:, 0, 0].tolist() == golden["source_row_of_target_row"]
    assert squeezed[0, :, 1].tolist() == golden["source_col_of_target_col"]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**32 - 1))
def test_processing_is_that_of_transformers(width: int, height: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    theirs = CLIPImageProcessorPil(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}, do_normalize=False
    )
    expected = theirs(PIL.Image.fromarray(picture), return_tensors="np").pixel_values[0] * 255
    ours = Processor(28, 28)(PIL.Image.fromarray(picture))
    assert np.array_equal(ours.transpose(2, 0, 1), np.rint(expected).astype(np.uint8))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 340))
def test_nearest_takes_the_pixels_torch_takes(height: int, width: int, side: int) -> None:
    frame = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    tensor = torch.from_numpy(frame).permute(2, 0, 1)[None]
    expected = torch.nn.functional.interpolate(tensor, size=(side, side))[0].permute(1, 2, 0).numpy()
    assert np.array_equal(nearest(frame, side), expected)


def test_tiles_come_in_reading_order_before_the_whole() -> None:
    rows, columns = np.mgrid[:7, :9].astype(np.uint8)
    parts = [np.asarray(part) for part in split_image(PIL.Image.fromarray(np.stack([rows, columns, rows], -1)), 2)]
    assert [part[0, 0, :2].tolist() for part in parts] == [[0, 0], [0, 4], [3, 0], [3, 4], [0, 0]]
    assert [part.shape[:2] for part in parts] == [(3, 4)] * 4 + [(7, 9)]


@pytest.mark.parametrize(("size", "split", "reason"), [((1, 9), 2, "too small"), ((1, 900), 1, "too narrow")])
def test_unusable_shape_is_a_reason_not_a_crash(tmp_path: Path, size: tuple[int, int], split: int, reason: str) -> None:
    PIL.Image.new("RGB", size).save(tmp_path / "sliver.png")
    prepare = LlavaPreparer(Processor(28, 28), split)
    with pytest.raises(MediaError, match=reason):
        list(prepare(Image("sliver", tmp_path / "sliver.png"), FramePolicy()))


def test_folder_of_frames_is_cropped_not_squeezed(tmp_path: Path) -> None:
    wide = np.zeros((28, 56, 3), np.uint8)
    wide[:, 14:42] = 255
    for index in range(5):
        PIL.Image.fromarray(wide).save(tmp_path / f"{index}.png")
    chunks = list(LlavaPreparer(Processor(28, 28), chunk=2)(Video("v", tmp_path, folder_fps=3.0), FramePolicy()))
    assert [chunk.shape for chunk in chunks] == [(2, 1, 28, 28, 3)] * 2 + [(1, 1, 28, 28, 3)]
    assert all((chunk == 255).all() for chunk in chunks)
    assert (LlavaPreparer(Processor(28, 28)).frame(wide)[:, :, 0] == 0).all()


def test_doubled_pictures_and_frames_are_two_equal_parts_unless_they_are_split_anyway(tmp_path: Path) -> None:
    PIL.Image.radial_gradient("L").resize((50, 40)).save(tmp_path / "picture.png")
    (tmp_path / "frames").mkdir()
    PIL.Image.radial_gradient("L").save(tmp_path / "frames" / "0.png")
    prepare, split = LlavaPreparer(Processor(28, 28)), LlavaPreparer(Processor(28, 28), 2)
    twice = FramePolicy(doubled=True)
    for media in (Image("i", tmp_path / "picture.png"), Video("v", tmp_path / "frames", folder_fps=1.0)):
        (once,), (doubled,) = prepare(media, FramePolicy()), prepare(media, twice)
        assert np.array_equal(doubled, np.concatenate([once, once], axis=1))
        assert (prepare.parts(FramePolicy()), prepare.parts(twice)) == (once.shape[1], doubled.shape[1])
        assert np.array_equal(*split(media, FramePolicy()), *split(media, twice))


def test_worker_process_prepares_what_this_process_prepares(tmp_path: Path) -> None:
    PIL.Image.radial_gradient("L").resize((50, 40)).save(tmp_path / "picture.png")
    prepare, image = LlavaPreparer(Processor(28, 28), 2, True), Image("i", tmp_path / "picture.png")
    with PreparePool(prepare, workers=1, timeout_s=60, ahead_bytes=10**6) as pool:
        (chunk,) = pool.submit(image, FramePolicy())
    assert np.array_equal(chunk, *prepare(image, FramePolicy()))


def test_preparing_imports_neither_torch_nor_transformers() -> None:
    code = "import models.llava.preprocess, sys; sys.exit(any(m in sys.modules for m in ('torch', 'transformers')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT).returncode == 0


def test_processor_survives_its_file(tmp_path: Path) -> None:
    processor = Processor(30, 28, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    write_processor(processor, tmp_path)
    assert read_processor(tmp_path) == processor


@pytest.mark.parametrize("content", ["", "{}", '{"size": 20, "crop_size": 28, "image_mean": [0], "image_std": [1]}'])
def test_unusable_processor_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "preprocessor_config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json"):
        read_processor(tmp_path)
