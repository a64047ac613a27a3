"""A small CLIP-shaped vision tower, trained on dense labels of synthetic scenes and then frozen.

Each patch learns to say which thing covers it (colour, shape, size, centre) and which word is printed across it. The
linear heads that read this off are thrown away; what remains is a plain `CLIPVisionModel`.
"""

from __future__ import annotations

import io
import random
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.data.scenes import (
    COLORS,
    SHAPES,
    SIDE,
    VIDEO_KINDS,
    WORDS,
    Thing,
    image_scene,
    render,
    render_at,
    scene_rng,
    things_at,
    video_scene,
)

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE_SIZE, PATCH = 72, 12
GRID = IMAGE_SIZE // PATCH
HEADS = {"color": len(COLORS) + 1, "shape": len(SHAPES) + 1, "size": 3, "word": len(WORDS) + 1, "centre": 2}
"""Classes of each per-patch label; class 0 is "nothing here". `centre`: does the thing's centre lie in this patch."""


@dataclass(frozen=True, slots=True)
class DenseSet:
    """`pixels` uint8 [n, S, S, 3]; `labels` uint8 [n, patches, heads]; `places` float32 [n, patches, 2] in 0..1."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    places: NDArray[np.float32]


def dense_set(count: int, seed: int = 0, workers: int = 2) -> DenseSet:
    """`count` labelled pictures of the "train" split: two thirds image scenes, one third moments of video scenes."""
    with ProcessPoolExecutor(workers) as pool:
        parts = list(pool.map(partial(_labelled, seed), range(count), chunksize=250))
    pixels, labels, places = (np.stack(arrays) for arrays in zip(*parts, strict=True))
    return DenseSet(pixels, labels, places)


def _labelled(seed: int, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]:
    from PIL.Image import Resampling

    rng = scene_rng("tower", seed, index)
    word, row = None, 0
    if index % 3:
        scene = image_scene("train", index, seed)
        picture, things, word, row = render(scene), scene.things, scene.word, scene.word_row
    else:
        clip, moment = video_scene("train", rng.choice(VIDEO_KINDS), index, seed), rng.uniform(0, 8)
        picture, things = render_at(clip, moment), things_at(clip, moment)
    picture = _compressed(picture, rng)
    resample = Resampling.BICUBIC if index % 3 else Resampling.NEAREST  # as pictures and frames are shrunk
    labels, places = _label(things, word, row)
    return np.asarray(picture.resize((IMAGE_SIZE, IMAGE_SIZE), resample)), labels, places


def _compressed(picture: Image, rng: random.Random) -> Image:
    from PIL import Image as pil

    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=rng.randint(55, 95))
    return pil.open(buffer).convert("RGB")


def _label(things: tuple[Thing, ...], word: str | None, row: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    labels = np.zeros((GRID, GRID, len(HEADS)), np.uint8)
    places = np.zeros((GRID, GRID, 2), np.float32)
    step = SIDE / GRID
    for y in range(GRID):
        for x in range(GRID):
            middle_x, middle_y = (x + 0.5) * step, (y + 0.5) * step
            near = sorted((np.hypot(t.x - middle_x, t.y - middle_y) - t.radius, t) for t in things)
            if not near or near[0][0] > step * 0.35:
                continue
            thing = near[0][1]
            centre = 1 + int(int(thing.x // step) == x and int(thing.y // step) == y)
            look = (list(COLORS).index(thing.color) + 1, SHAPES.index(thing.shape) + 1)
            labels[y, x] = (*look, 1 + int(thing.size == "large"), 0, centre - 1)
            places[y, x] = thing.x / SIDE, thing.y / SIDE
    if word is not None:
        labels[2 * row : 2 * row + 2, :, 3] = WORDS.index(word) + 1
    return labels.reshape(-1, len(HEADS)), places.reshape(-1, 2)


def train_tower(data: DenseSet, folder: Path, epochs: int = 4, batch: int = 128, seed: int = 0) -> dict[str, float]:
    """Trains and saves the tower and its preprocessing; returns per-patch accuracies on a held-out 1,000."""
    import torch
    from torch import nn
    from transformers import CLIPVisionConfig, CLIPVisionModel

    from models.llava.processor import Processor, write_processor

    torch.manual_seed(seed)
    config = CLIPVisionConfig(
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        image_size=IMAGE_SIZE,
        patch_size=PATCH,
        projection_dim=128,
    )
    tower = CLIPVisionModel(config)
    processor = Processor(IMAGE_SIZE, IMAGE_SIZE)
    heads = nn.Linear(config.hidden_size, sum(HEADS.values()) + 2)
    mean, std = (torch.tensor(values) * 255 for values in (processor.mean, processor.std))
    held = min(1000, len(data.pixels) // 10)
    train, test = np.split(np.arange(len(data.pixels)), [len(data.pixels) - held])

    def losses(picked: NDArray[np.int64]) -> tuple[torch.Tensor, dict[str, float]]:
        pixels = (torch.from_numpy(data.pixels[picked]).float() - mean) / std
        features = tower(pixels.permute(0, 3, 1, 2), output_hidden_states=True).hidden_states[-1][:, 1:]
        *logits, places = heads(features).split([*HEADS.values(), 2], dim=-1)
        labels = torch.from_numpy(data.labels[picked]).long()
        truth = torch.from_numpy(data.places[picked])
        total = 5 * ((places - truth).abs().sum(-1) * (labels[..., 0] > 0)).mean()
        right = {"place_error": float((places.detach() - truth).abs()[labels[..., 0] > 0].mean())}
        for index, (name, logit) in enumerate(zip(HEADS, logits, strict=True)):
            total = total + nn.functional.cross_entropy(logit.flatten(0, 1), labels[..., index].flatten())
            seen = labels[..., index] > 0
            right[name] = float((logit.argmax(-1) == labels[..., index])[seen].float().mean())
        return total, right

    optimizer = torch.optim.AdamW([*tower.parameters(), *heads.parameters()], lr=1e-3, weight_decay=0.01)
    batch = min(batch, len(train))
    steps = epochs * (len(train) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps, pct_start=0.05)
    order, started = np.random.default_rng(seed), time.monotonic()
    for step in range(steps):
        if step % (len(train) // batch) == 0:
            shuffled = order.permutation(train)
        first = (step % (len(train) // batch)) * batch
        loss, _ = losses(shuffled[first : first + batch])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"tower step {step}/{steps} loss {loss.item():.3f} {time.monotonic() - started:.0f} s", flush=True)
    with torch.no_grad():
        _, right = losses(test)
    tower.save_pretrained(folder)
    write_processor(processor, folder)
    return right
