"""What the frozen tower says about each training picture or frame, computed once and kept in half precision on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.types import FramePolicy, Image, Media, Video
from models.llava.checkpoint import load_tower
from models.llava.preprocess import LlavaPreparer
from models.llava.processor import read_processor
from models.llava.tower import FeatureRequest

_FRAMES_A_RUN = 256
_PICTURES = {".jpg", ".jpeg", ".png"}


class FeatureStore:
    """Features [frames, N, D] of every medium of a training folder. A clip's frames lie one after the other."""

    def __init__(self, folder: Path) -> None:
        self._rows = np.load(folder / "features.npy", mmap_mode="r")
        self._index: dict[str, tuple[int, int]] = json.loads((folder / "features.json").read_text())

    def features(self, media: Sequence[str]) -> Tensor:
        """[media, frames, N, D] float32. All media must have the same number of frames."""
        rows = [self._rows[start : start + frames] for start, frames in (self._index[name] for name in media)]
        return torch.from_numpy(np.stack(rows).astype(np.float32))


def write_features(tower_folder: Path, root: Path, media: Iterable[str], output: Path, select_layer: int = -1) -> None:
    """Runs media (paths relative to `root`, frames at 1 a second) through evaluation's own preprocessing and the tower.

    Raises MediaError, CheckpointError.
    """
    tower, processor = load_tower(tower_folder, torch.float32), read_processor(tower_folder)
    mean, std = torch.tensor(processor.mean), torch.tensor(processor.std)
    request, index, parts = FeatureRequest((select_layer,)), {}, []
    for names, frames in _runs(LlavaPreparer(processor), root, media):
        start = sum(map(len, parts))
        for name, count in names:
            index[name] = (start, count)
            start += count
        pixels = (torch.from_numpy(frames).float() / 255 - mean) / std
        parts.append(tower(pixels.permute(0, 3, 1, 2), request).only().half().numpy())
    output.mkdir(parents=True, exist_ok=True)
    np.save(output / "features.npy", np.concatenate(parts))
    (output / "features.json").write_text(json.dumps(index))


def _runs(
    prepare: LlavaPreparer, root: Path, media: Iterable[str]
) -> Iterator[tuple[list[tuple[str, int]], NDArray[np.uint8]]]:
    """Media gathered until they fill a run of the tower: (name, frames) of each, and all their frames [f, S, S, 3]."""
    names: list[tuple[str, int]] = []
    waiting: list[NDArray[np.uint8]] = []
    for name in media:
        frames = np.concatenate(list(prepare(_medium(root / name), FramePolicy())))[:, 0]
        names.append((name, len(frames)))
        waiting.append(frames)
        if sum(map(len, waiting)) >= _FRAMES_A_RUN:
            yield names, np.concatenate(waiting)
            names, waiting = [], []
    if waiting:
        yield names, np.concatenate(waiting)


def _medium(path: Path) -> Media:
    picture = path.suffix.lower() in _PICTURES
    return Image(path.name, path) if picture else Video(path.name, path)
