"""Decoding: the right frames of odd files, and a reason for broken ones, with both readers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from harness.errors import MediaError, UserError
from harness.media import pyav_reader
from harness.media.pyav_reader import PyavReader
from harness.media.sampling import bounded_indices, frame_indices
from harness.media.video import read_frames
from harness.media.workers import PreparePool
from harness.types import FramePolicy, Media, Video
from tests.support.media import number, turn, write_sound, write_video

READERS = ("pyav", "decord")
FAST_START = {"movflags": "faststart"}


def frames(path: Path, reader: str = "pyav", policy: FramePolicy | None = None) -> list[np.ndarray]:
    return list(read_frames(Video(path.name, path), policy or FramePolicy(), reader))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("name", "codec"),
    [("h264.mp4", "libx264"), ("h264.mkv", "libx264"), ("vp9.webm", "libvpx-vp9"), ("mpeg4.avi", "mpeg4")],
)
def test_one_frame_a_second_by_segment_centres(name: str, codec: str, reader: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / name, frames=60, fps=10, codec=codec)
    assert [number(frame) for frame in frames(path, reader)] == frame_indices(60, 10.0, FramePolicy())


@pytest.mark.parametrize("name", ["a.mp4", "b.mkv", "c.avi"])
def test_both_readers_give_identical_pixels(name: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / name, codec="mpeg4" if name.endswith("avi") else "libx264")
    for ours, theirs in zip(frames(path, "pyav"), frames(path, "decord"), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_variable_rate_is_sampled_by_index_and_alike_in_both_readers(tmp_path: Path) -> None:
    times = [*range(20), *range(30, 130, 5)]
    path = write_video(tmp_path / "vfr.mp4", frames=len(times), times=times)
    ours, theirs = ([number(frame) for frame in frames(path, reader)] for reader in READERS)
    assert ours == theirs
    assert len(ours) == len(set(ours)) > 3


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("turns", "corner"), [(1, (0, -1)), (2, (-1, -1)), (3, (-1, 0))])
def test_rotated_video_stands_upright(turns: int, corner: tuple[int, int], reader: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / "turned.mp4", size=(96, 64))
    turn(path, turns)
    frame = frames(path, reader)[0]
    assert frame.shape == ((96, 64, 3) if turns % 2 else (64, 96, 3))
    assert frame[corner].mean() > 200, "the bright corner went elsewhere"


def test_rotated_frame_that_decord_garbles_is_a_reason(tmp_path: Path) -> None:
    path = write_video(tmp_path / "turned.mp4", size=(64, 48))
    turn(path, 1)
    assert frames(path, "pyav")[0].shape == (64, 48, 3)
    with pytest.raises(MediaError, match="garbles"):
        frames(path, "decord")


@pytest.mark.parametrize("reader", READERS)
def test_clip_under_a_second_gives_one_frame(reader: str, tmp_path: Path) -> None:
    assert len(frames(write_video(tmp_path / "short.mp4", frames=4), reader)) == 1
    assert len(frames(write_video(tmp_path / "still.mp4", frames=1), reader)) == 1


def test_cap_takes_fewer_frames_over_the_whole_video(tmp_path: Path) -> None:
    path = write_video(tmp_path / "long.mp4", frames=79)
    seen = [number(frame) for frame in frames(path, policy=FramePolicy(max_frames=3))]
    assert seen == frame_indices(79, 10.0, FramePolicy(max_frames=3))
    assert len(seen) == 3


def test_clip_bounds_show_the_annotated_part_alone(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", frames=79)
    video = Video("v", path, start_s=2.0, end_s=5.0)
    seen = [number(frame) for frame in read_frames(video, FramePolicy(clip_bounds=True))]
    assert len(seen) == 3
    assert all(20 <= index <= 50 for index in seen)


def test_clip_bounds_of_a_frame_folder_count_its_files_from_one(tmp_path: Path) -> None:
    for name in range(1, 25):
        PIL.Image.new("RGB", (4, 3), (name * 10, 0, 0)).save(tmp_path / f"{name:05}.png")
    video = Video("v", tmp_path, start_s=2.0, end_s=5.0, folder_fps=3.0)
    shown = [int(frame[0, 0, 0]) // 10 for frame in read_frames(video, FramePolicy(clip_bounds=True))]
    assert shown == bounded_indices(1, 24, 3.0, 2.0, 5.0, 3)
    assert len(list(read_frames(video, FramePolicy()))) == 24


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])


def scramble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 600
    rng = np.random.default_rng(0)
    content[start : start + 6000 : 3] = (
        rng.integers(0, 256, len(content[start : start + 6000 : 3])).astype("u1").tobytes()
    )
    path.write_bytes(content)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("damage", "reasons"),
    [
        (cut, {"truncated video", "corrupt video", "not a video"}),
        (lambda path: path.write_bytes(b""), {"empty file"}),
        (lambda path: path.write_bytes(b"no video at all" * 50), {"not a video"}),
        (lambda path: path.unlink(), {"file not found"}),
        (lambda path: write_sound(path), {"no video stream", "not a video"}),
    ],
    ids=["truncated", "empty", "text", "absent", "sound only"],
)
def test_broken_file_gives_a_reason(
    damage: Callable[[Path], object], reasons: set[str], reader: str, tmp_path: Path
) -> None:
    path = write_video(tmp_path / "v.mp4", frames=79, size=(160, 120), options=FAST_START)
    content = bytearray(path.read_bytes())
    damage(path)
    assert not path.exists() or path.read_bytes() != content
    with pytest.raises(MediaError) as caught:
        frames(path, reader)
    assert caught.value.reason in reasons


def test_truncated_download_is_no_shorter_video(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", frames=79, size=(160, 120), options=FAST_START)
    cut(path)
    with pytest.raises(MediaError, match="truncated video"):
        PyavReader(path)


def spoil(path: Path, how: str) -> None:
    """What interrupted downloads and bad disks leave."""
    content = bytearray(path.read_bytes())
    third = len(content) // 3
    if how == "end cut off":
        del content[third:]
    elif how == "end of zeros":
        content[2 * third :] = bytes(len(content) - 2 * third)
    else:
        middle = bytes(third) if how == "zeros inside" else np.random.default_rng(0).bytes(third)
        content[third : 2 * third] = middle
    path.write_bytes(content)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("how", ["end cut off", "end of zeros", "zeros inside", "noise inside"])
@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4")]
)
def test_spoilt_file_is_a_reason_and_never_a_shorter_or_black_video(
    name: str, codec: str, how: str, reader: str, tmp_path: Path
) -> None:
    path = write_video(tmp_path / name, frames=79, size=(160, 120), codec=codec, options={})
    spoil(path, how)
    with pytest.raises(MediaError) as caught:
        frames(path, reader)
    assert caught.value.reason in {"truncated video", "corrupt video", "not a video"}


@pytest.mark.parametrize("reader", READERS)
def test_scrambled_video_is_a_reason_or_whole_frames_never_fewer(reader: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", frames=79, size=(160, 120))
    expected = len(frames(path, reader))
    scramble(path)
    try:
        found = len(frames(path, reader))
    except MediaError:
        return
    assert found == expected


@pytest.mark.parametrize("reader", READERS)
def test_endless_video_is_a_reason(reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyav_reader, "MAX_PACKETS", 40)
    with pytest.raises(MediaError, match="endless video"):
        frames(write_video(tmp_path / "v.mp4", frames=79), reader)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "text",
    ["ffconcat version 1.0\nfile v.mp4\nfile list.mp4\n", "#EXTM3U\n#EXT-X-TARGETDURATION:8\n#EXTINF:8,\nv.mp4\n"],
    ids=["concat", "live stream"],
)
def test_playlists_that_name_other_files_are_not_followed(text: str, reader: str, tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4")
    (tmp_path / "list.mp4").write_text(text)
    with pytest.raises(MediaError, match="not a video"):
        frames(tmp_path / "list.mp4", reader)


def test_a_video_that_hangs_is_given_up_in_its_worker_and_others_are_read(tmp_path: Path) -> None:
    good = write_video(tmp_path / "good.mp4")
    with PreparePool(Hanging(str(tmp_path / "bad.mp4")), workers=1, timeout_s=3.0, ahead_bytes=10**7) as pool:
        bad = pool.submit(Video("bad", tmp_path / "bad.mp4"), FramePolicy())
        whole = pool.submit(Video("good", good), FramePolicy())
        with pytest.raises(MediaError, match="timed out"):
            list(bad)
        assert len(list(whole)) == 6


@dataclass(frozen=True)
class Hanging:
    """A reader that never comes back from one file, as decoders do."""

    path: str

    def __call__(self, media: Media, policy: FramePolicy) -> Iterator[np.ndarray]:
        assert isinstance(media, Video)
        while str(media.source) == self.path:
            time.sleep(1)
        yield from (frame[None] for frame in read_frames(media, policy))


def test_frame_folder_is_read_by_name_and_in_full(tmp_path: Path) -> None:
    for name in ("00010.jpg", "00002.png", "00001.jpeg", "x.txt", "9.jpg"):
        PIL.Image.new("RGB", (4, 3), (len(name) * 20, 0, 0)).save(tmp_path / name, format="png")
    seen = [int(frame[0, 0, 0]) // 20 for frame in frames(tmp_path)]
    assert seen == [len(name) for name in ("00001.jpeg", "00002.png", "00010.jpg", "9.jpg")]
    assert len(frames(tmp_path, policy=FramePolicy(max_frames=2))) == 2


def test_folder_without_frames_gives_a_reason(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no frames in folder"):
        frames(tmp_path)


def test_frames_are_decoded_only_as_they_are_asked_for(tmp_path: Path) -> None:
    stream = read_frames(Video("v", write_video(tmp_path / "v.mp4", frames=79)), FramePolicy())
    first = next(stream)
    stream.close()
    assert first.shape == (48, 64, 3)


def test_unknown_reader_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="pyav and decord"):
        frames(write_video(tmp_path / "v.mp4", frames=4), "ffmpeg")
