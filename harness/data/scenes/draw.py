"""Scenes as PIL pictures. Drawn at twice the size and shrunk, so that edges are smooth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from harness.data.scenes.image import ImageScene
from harness.data.scenes.video import SECONDS, VideoScene, things_at
from harness.data.scenes.vocabulary import COLORS, SIDE, Background, Thing

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_SCALE = 2


def render(scene: ImageScene) -> Image:
    """RGB, `SIDE` x `SIDE` px."""
    canvas = _canvas(scene.background, scene.things)
    if scene.word is not None:
        _print_word(canvas, scene.word, scene.word_row)
    return canvas.resize((SIDE, SIDE))


def render_frames(scene: VideoScene, fps: float = 8.0) -> Iterator[Image]:
    """`SECONDS` x `fps` frames, RGB `SIDE` x `SIDE` px; frame k shows the scene at k / fps seconds."""
    for index in range(int(SECONDS * fps)):
        yield render_at(scene, index / fps)


def render_at(scene: VideoScene, seconds: float) -> Image:
    """The frame at one moment."""
    return _canvas(scene.background, things_at(scene, seconds)).resize((SIDE, SIDE))


def _canvas(background: Background, things: tuple[Thing, ...]) -> Image:
    from PIL import Image, ImageDraw

    canvas = Image.new("RGB", (SIDE * _SCALE, SIDE * _SCALE), background.base)
    draw = ImageDraw.Draw(canvas)
    _texture(draw, background)
    for thing in things:
        _SHAPES[thing.shape](draw, thing.x * _SCALE, thing.y * _SCALE, thing.radius * _SCALE, COLORS[thing.color])
    return canvas


def _texture(draw: ImageDraw, background: Background) -> None:
    side, step = SIDE * _SCALE, background.period * _SCALE
    if background.texture == "plain":
        return
    for row, top in enumerate(range(0, side, step)):
        if background.texture == "stripes":
            draw.rectangle((0, top, side, top + step // 2), fill=background.accent)
            continue
        for left in range((row % 2) * step, side, 2 * step):
            box = (left, top, left + step - 1, top + step - 1)
            (draw.rectangle if background.texture == "checks" else draw.ellipse)(box, fill=background.accent)


def _print_word(canvas: Image, word: str, row: int) -> None:
    """Black on a white plate in the middle of a grid row, in PIL's built-in font."""
    from PIL import ImageDraw, ImageFont

    draw, cell = ImageDraw.Draw(canvas), SIDE * _SCALE // 3
    middle = (SIDE * _SCALE // 2, row * cell + cell // 2)
    draw.rectangle((8, row * cell + 16, SIDE * _SCALE - 8, (row + 1) * cell - 16), fill=(250, 250, 250))
    draw.text(middle, word, fill=(10, 10, 10), font=ImageFont.load_default(size=110), anchor="mm")


def _regular(
    draw: ImageDraw, x: float, y: float, radius: float, points: int, inner: float, fill: tuple[int, int, int]
) -> None:
    """A polygon of `points` corners, the first on top, with corners at `inner` x radius between them if inner < 1."""
    corners = []
    for index in range(2 * points):
        reach = radius if index % 2 == 0 else radius * inner
        angle = math.pi * index / points - math.pi / 2
        corners.append((x + reach * math.cos(angle), y + reach * math.sin(angle)))
    draw.polygon(corners if inner < 1 else corners[::2], fill=fill)


def _circle(draw: ImageDraw, x: float, y: float, radius: float, fill: tuple[int, int, int]) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def _square(draw: ImageDraw, x: float, y: float, radius: float, fill: tuple[int, int, int]) -> None:
    half = radius * 0.88
    draw.rectangle((x - half, y - half, x + half, y + half), fill=fill)


def _triangle(draw: ImageDraw, x: float, y: float, radius: float, fill: tuple[int, int, int]) -> None:
    _regular(draw, x, y + radius * 0.15, radius * 1.15, 3, 1.0, fill)


def _star(draw: ImageDraw, x: float, y: float, radius: float, fill: tuple[int, int, int]) -> None:
    _regular(draw, x, y, radius * 1.12, 5, 0.42, fill)


def _cross(draw: ImageDraw, x: float, y: float, radius: float, fill: tuple[int, int, int]) -> None:
    arm = radius * 0.34
    draw.rectangle((x - arm, y - radius, x + arm, y + radius), fill=fill)
    draw.rectangle((x - radius, y - arm, x + radius, y + arm), fill=fill)


def _ring(draw: ImageDraw, x: float, y: float, radius: float, fill: tuple[int, int, int]) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=fill, width=max(1, int(radius * 0.42)))


_SHAPES: dict[str, Callable[[ImageDraw, float, float, float, tuple[int, int, int]], None]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "cross": _cross,
    "ring": _ring,
}
