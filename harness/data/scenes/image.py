"""Image scenes: up to six things on a 3 x 3 grid, perhaps a printed word, and the questions they answer.

Every thing of a scene has a colour of its own, so "the red star" and "the red object" name exactly one thing. One shape
may repeat (what counting asks about); all others occur once.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from harness.data.scenes.vocabulary import (
    CELL,
    COLORS,
    SHAPES,
    WORDS,
    Background,
    SceneQuestion,
    Size,
    Split,
    Thing,
    describe,
    random_background,
    scene_rng,
)

IMAGE_KINDS = ("colour", "shape", "count", "existence", "relation", "size", "word")
_APART = 40
"""Centres nearer than this (px) along an axis are neither left nor right, above nor below, of each other."""


@dataclass(frozen=True, slots=True)
class ImageScene:
    """`word` is printed across grid row `word_row` (0 top, 2 bottom), where no thing lies."""

    key: str
    background: Background
    things: tuple[Thing, ...]
    word: str | None = None
    word_row: int = 0


def image_scene(split: Split, index: int, seed: int = 0, easy: bool = False) -> ImageScene:
    """Scene number `index` of a split: the same for the same arguments, on any machine.

    `easy`: one to three things instead of three to six, for the beginning of training.
    """
    rng = scene_rng("image-easy" if easy else "image", split, seed, index)
    word = rng.choice(WORDS) if rng.random() < 0.5 else None
    word_row = rng.randrange(3)
    cells = [(column, row) for row in range(3) for column in range(3) if word is None or row != word_row]
    repeats = rng.randint(1, 2 if easy else 4)
    shapes = list(SHAPES)
    rng.shuffle(shapes)
    others = rng.randint(0, 1) if easy else rng.randint(max(1, 3 - repeats), 6 - repeats)
    names = [shapes[0]] * repeats + shapes[1 : 1 + others]
    rng.shuffle(names)
    colors = rng.sample(list(COLORS), len(names))
    places = rng.sample(cells, len(names))
    things = tuple(_thing(rng, *item) for item in zip(names, colors, places, strict=True))
    return ImageScene(
        f"{split}-{seed}-{'easy-' if easy else ''}{index}", random_background(rng), things, word, word_row
    )


def _thing(rng: random.Random, shape: str, color: str, cell: tuple[int, int]) -> Thing:
    size: Size = rng.choice(("small", "large"))
    slack = 11 if size == "small" else 4
    x, y = ((position + 0.5) * CELL + rng.randint(-slack, slack) for position in cell)
    return Thing(shape, color, size, x, y)


def image_questions(scene: ImageScene, rng: random.Random | None = None) -> list[SceneQuestion]:
    """At most one question of each kind; kinds the scene cannot answer are left out. Yes and no are equally likely."""
    rng = rng or scene_rng("questions", scene.key)
    makers = (_colour, _shape, _count, _existence, _relation, _size, _word)
    return [question for maker in makers if (question := maker(scene, rng)) is not None]


def _singles(scene: ImageScene) -> list[Thing]:
    shapes = [thing.shape for thing in scene.things]
    return [thing for thing in scene.things if shapes.count(thing.shape) == 1]


def _colour(scene: ImageScene, rng: random.Random) -> SceneQuestion | None:
    singles = _singles(scene)
    if not singles:
        return None
    thing = rng.choice(singles)
    return SceneQuestion("colour", f"What color is the {thing.shape}?", thing.color)


def _shape(scene: ImageScene, rng: random.Random) -> SceneQuestion:
    thing = rng.choice(scene.things)
    return SceneQuestion("shape", f"What shape is the {thing.color} object?", thing.shape)


def _count(scene: ImageScene, rng: random.Random) -> SceneQuestion:
    shapes = [thing.shape for thing in scene.things]
    most = max(shapes, key=shapes.count)
    shape = most if rng.random() < 0.85 else rng.choice(shapes)
    return SceneQuestion("count", f"How many {_plural(shape)} are there?", str(shapes.count(shape)))


def _plural(shape: str) -> str:
    return shape + ("es" if shape.endswith("s") else "s")


def _existence(scene: ImageScene, rng: random.Random) -> SceneQuestion:
    yes = rng.random() < 0.5
    thing = rng.choice(scene.things)
    form = rng.choice(("color", "shape", "both"))
    colors, shapes = [t.color for t in scene.things], [t.shape for t in scene.things]
    if form == "color":
        name = f"{thing.color if yes else rng.choice([c for c in COLORS if c not in colors])} object"
    elif form == "shape" and (yes or len(set(shapes)) < len(SHAPES)):
        name = thing.shape if yes else rng.choice([s for s in SHAPES if s not in shapes])
    else:  # a colour that is there, on another shape
        name = f"{thing.color} {thing.shape if yes else rng.choice([s for s in SHAPES if s != thing.shape])}"
    article = "an" if name[0] in "aeiou" else "a"
    return SceneQuestion("existence", f"Is there {article} {name}?", "yes" if yes else "no")


def _relation(scene: ImageScene, rng: random.Random) -> SceneQuestion | None:
    pairs = [
        (a, b, axis)
        for a in scene.things
        for b in scene.things
        for axis in ("x", "y")
        if abs(getattr(a, axis) - getattr(b, axis)) > _APART
    ]
    if not pairs:
        return None
    a, b, axis = rng.choice(pairs)
    if axis == "x":
        asked, answer = "left or right of", "left" if a.x < b.x else "right"
    else:
        asked, answer = "above or below", "above" if a.y < b.y else "below"
    return SceneQuestion("relation", f"Is the {a.color} {a.shape} {asked} the {b.color} {b.shape}?", answer)


def _size(scene: ImageScene, rng: random.Random) -> SceneQuestion | None:
    pairs = [(a, b) for a in scene.things for b in scene.things if a.size != b.size]
    if not pairs:
        return None
    a, b = rng.choice(pairs)
    answer = "larger" if a.size == "large" else "smaller"
    text = f"Is the {a.color} {a.shape} larger or smaller than the {b.color} {b.shape}?"
    return SceneQuestion("size", text, answer)


def _word(scene: ImageScene, rng: random.Random) -> SceneQuestion | None:
    return None if scene.word is None else SceneQuestion("word", "What word is printed?", scene.word.lower())


def image_caption(scene: ImageScene) -> str:
    """Every thing with its place, then the printed word: 'small red star top, large blue ring center, word stop'."""
    return describe(scene.things) + (f", word {scene.word.lower()}" if scene.word else "")
