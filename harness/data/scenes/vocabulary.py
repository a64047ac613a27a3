"""What scenes are made of: colours, shapes, sizes, printed words, and the seeds that keep splits apart."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Rgb: TypeAlias = tuple[int, int, int]
Split: TypeAlias = Literal["train", "validation", "evaluation"]
Size: TypeAlias = Literal["small", "large"]

SIDE = 216
"""Pixels of a picture's side; positions and radii of things are in these pixels, origin top left."""

CELL = SIDE // 3
"""Pixels of a cell's side in the 3 x 3 grid that places are named by."""

COLORS: dict[str, Rgb] = {
    "red": (214, 36, 36),
    "orange": (244, 140, 28),
    "yellow": (244, 222, 48),
    "green": (36, 150, 56),
    "cyan": (48, 205, 215),
    "blue": (36, 68, 214),
    "purple": (136, 48, 184),
    "pink": (248, 134, 194),
}
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
RADIUS: dict[Size, int] = {"small": 17, "large": 31}
PLACES = (("top left", "top", "top right"), ("left", "center", "right"), ("bottom left", "bottom", "bottom right"))
WORDS = ("STOP", "EXIT", "OPEN", "TAXI", "CAFE", "BANK", "ZOO", "HOTEL", "BUS", "PARK")


@dataclass(frozen=True, slots=True, order=True)
class Thing:
    """A coloured shape centred at (`x`, `y`) px."""

    shape: str
    color: str
    size: Size
    x: float
    y: float

    @property
    def radius(self) -> int:
        return RADIUS[self.size]


@dataclass(frozen=True, slots=True)
class Background:
    """A muted `base` colour, with a `texture` drawn in `accent` where it is not plain."""

    base: Rgb
    accent: Rgb
    texture: Literal["plain", "stripes", "checks", "dots"]
    period: int = 18


@dataclass(frozen=True, slots=True)
class SceneQuestion:
    """A question whose answer follows from what is drawn. `choices`: the 4 options of a video's question."""

    kind: str
    text: str
    answer: str
    choices: tuple[str, ...] = ()


def scene_rng(*key: str | int) -> random.Random:
    """A generator for one scene. The split is part of the hashed key, so no two splits ever share a seed."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))


def random_background(rng: random.Random) -> Background:
    level = rng.choice((28, 60, 150, 190, 225))
    base = _muted(rng, level)
    accent = _muted(rng, level + rng.choice((-18, 18)))
    return Background(base, accent, rng.choice(("plain", "plain", "stripes", "checks", "dots")), rng.randint(10, 30))


def _muted(rng: random.Random, level: int) -> Rgb:
    red, green, blue = (max(0, min(255, level + rng.randint(-8, 8))) for _ in range(3))
    return red, green, blue


def describe(things: Iterable[Thing]) -> str:
    """Things in reading order with the places they lie at, e.g. 'small red star top left, large blue ring center'."""
    placed = sorted((_cell(thing.y), _cell(thing.x), thing) for thing in things)
    return ", ".join(f"{thing.size} {thing.color} {thing.shape} {PLACES[row][column]}" for row, column, thing in placed)


def _cell(position: float) -> int:
    return max(0, min(2, int(position // CELL)))
