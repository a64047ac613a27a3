"""Which frames of a video a model sees: the rules of the released evaluation code, to the index."""

from __future__ import annotations

from harness.types import FramePolicy


def frame_count(total: int, fps: float, policy: FramePolicy) -> int:
    """Frames to take of `total` frames at `fps`: floor(seconds * policy.fps), at least 1, at most total and the cap."""
    wanted = int(total // (fps / policy.fps)) if fps > 0 else total
    taken = min(total, max(1, wanted))
    return taken if policy.max_frames is None else min(taken, policy.max_frames)


def segment_centres(total: int, count: int) -> list[int]:
    """Centres of `count` equal segments of frames 0..total-1, with the released code's rounding (half to even)."""
    length = float(total - 1) / count
    return [(round(length * i) + round(length * (i + 1))) // 2 for i in range(count)]


def spread_indices(first: int, last: int, count: int) -> list[int]:
    """`count` indices at equal distances, `first` and `last` among them, rounded down; repeated in a short video.

    Source: the sampling of Video-LLaVA's and LLaVA-OneVision's released code, `linspace(0, total - 1, count)`.
    """
    if count == 1:
        return [first]
    step = (last - first) / (count - 1)
    return [*(int(first + step * i) for i in range(count - 1)), last]


def frame_indices(total: int, fps: float, policy: FramePolicy) -> list[int]:
    """Indices into a video of `total` frames, ascending. Raises ValueError for an empty video."""
    if total < 1:
        raise ValueError("a video without frames has no frame to take")
    return segment_centres(total, frame_count(total, fps, policy))


def bounded_indices(first: int, last: int, fps: float, start_s: float, end_s: float, count: int) -> list[int]:
    """`count` indices between two times, in a video whose frames are numbered first..last (VideoChat2's MVBench
    rule)."""
    start = max(first, round(start_s * fps))
    end = min(round(end_s * fps), last)
    length = float(end - start) / count
    return [int(start + length / 2 + round(length * i)) for i in range(count)]


def clip_indices(
    total: int, fps: float, start_s: float, end_s: float, policy: FramePolicy, first: int = 0
) -> list[int]:
    """As many frames as the clip start_s..end_s alone would give, from that clip; within 0..total-1.

    `first`: the number of the first frame, 1 in folders of pictures.
    """
    frames = max(1, round(min(end_s * fps, total)) - round(start_s * fps))
    count = frame_count(frames, fps, policy)
    found = bounded_indices(first, first + total - 1, fps, start_s, end_s, count)
    return [min(max(index - first, 0), total - 1) for index in found]
