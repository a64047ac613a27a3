"""Video scenes of 8 seconds and their questions, one maker for each of seven kinds (MLVU's task names).

What happens is laid out in whole seconds (a flash, an appearance, a change lasts at least one), so that sampling one
frame a second sees it. A thing that moves crosses most of the picture.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import TypeAlias

from harness.data.scenes.vocabulary import (
    COLORS,
    SHAPES,
    SIDE,
    Background,
    SceneQuestion,
    Split,
    Thing,
    describe,
    random_background,
    scene_rng,
)

SECONDS = 8
VIDEO_KINDS = ("plotQA", "needle", "ego", "count", "order", "anomaly_reco", "topic_reasoning")
ANOMALIES = ("color change", "shape change", "disappearance", "growth")
DIRECTIONS: dict[str, tuple[int, int]] = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


@dataclass(frozen=True, slots=True)
class Track:
    """A thing through time: at second 0 where `thing` says, moving by (`dx`, `dy`) px a second, seen in `seconds`."""

    thing: Thing
    seconds: frozenset[int]
    dx: float = 0.0
    dy: float = 0.0


@dataclass(frozen=True, slots=True)
class VideoScene:
    """`questions` are made with the scene, since only its maker knows what is going on in it."""

    key: str
    kind: str
    background: Background
    tracks: tuple[Track, ...]
    questions: tuple[SceneQuestion, ...]


_Made: TypeAlias = tuple[list[Track], list[SceneQuestion]]
_ALWAYS = frozenset(range(SECONDS))


def video_scene(split: Split, kind: str, index: int, seed: int = 0) -> VideoScene:
    """Scene number `index` of a split for one of `VIDEO_KINDS`: the same for the same arguments, on any machine."""
    rng = scene_rng("video", split, kind, seed, index)
    background = random_background(rng)
    tracks, questions = _MAKERS[kind](rng)
    return VideoScene(f"{split}-{seed}-{kind}-{index}", kind, background, tuple(tracks), tuple(questions))


def video_questions(scene: VideoScene) -> list[SceneQuestion]:
    """One or two questions with four options each."""
    return list(scene.questions)


def things_at(scene: VideoScene, seconds: float) -> tuple[Thing, ...]:
    """What is to be seen at a moment; things may lie outside the picture."""
    now = min(int(seconds), SECONDS - 1)
    return tuple(
        replace(track.thing, x=track.thing.x + track.dx * seconds, y=track.thing.y + track.dy * seconds)
        for track in scene.tracks
        if now in track.seconds
    )


def video_caption(scene: VideoScene) -> str:
    """What is to be seen in the middle of each second, e.g. 'small red star top, then nothing, then ...'."""
    return ", then ".join(describe(things_at(scene, now + 0.5)) or "nothing" for now in range(SECONDS))


def _ask(
    rng: random.Random, kind: str, text: str, answer: str, pool: Sequence[str], also: Sequence[str] = ()
) -> SceneQuestion:
    """Four options: the answer, those in `also`, the rest from `pool`; shuffled."""
    others = [option for option in also if option != answer]
    rest = [option for option in pool if option != answer and option not in others]
    choices = [answer, *(others + rng.sample(rest, len(rest)))[:3]]
    rng.shuffle(choices)
    return SceneQuestion(kind, text, answer, tuple(choices))


def _thing(rng: random.Random, shape: str, color: str) -> Thing:
    return Thing(shape, color, "large", rng.randint(45, SIDE - 45), rng.randint(45, SIDE - 45))


def _plot(rng: random.Random) -> _Made:
    """One thing crosses the picture; in half the clips another one stays still. What moves?"""
    (shape, still_shape), (color, still_color) = rng.sample(SHAPES, 2), rng.sample(list(COLORS), 2)
    mover = _crossing(rng, shape, color, rng.choice(list(DIRECTIONS)))
    tracks = [mover]
    if rng.random() < 0.5:
        tracks.insert(0, Track(_thing(rng, still_shape, still_color), _ALWAYS))
    still = ((still_color,), (still_shape,)) if len(tracks) == 2 else ((), ())
    return tracks, [
        _ask(rng, "plotQA", "What color is the moving object?", color, list(COLORS), still[0]),
        _ask(rng, "plotQA", "What shape is the moving object?", shape, SHAPES, still[1]),
    ]


def _crossing(rng: random.Random, shape: str, color: str, direction: str) -> Track:
    """From near one edge to near the opposite one in 8 seconds."""
    sx, sy = DIRECTIONS[direction]
    lane, reach = rng.randint(50, SIDE - 50), SIDE * 0.38
    x = SIDE / 2 - sx * reach if sx else lane
    y = SIDE / 2 - sy * reach if sy else lane
    return Track(Thing(shape, color, "large", x, y), _ALWAYS, 2 * reach * sx / SECONDS, 2 * reach * sy / SECONDS)


def _needle(rng: random.Random) -> _Made:
    """One thing stays all along; another is there for one second only. What was it?"""
    (shape, main_shape), (color, main_color) = rng.sample(SHAPES, 2), rng.sample(list(COLORS), 2)
    main, brief = _apart(rng, (main_shape, main_color), (shape, color))
    tracks = [Track(main, _ALWAYS), Track(brief, frozenset({rng.randrange(SECONDS)}))]
    colors, shapes = [c for c in COLORS if c != main_color], [s for s in SHAPES if s != main_shape]
    return tracks, [
        _ask(rng, "needle", "What color is the object that appears briefly?", color, colors),
        _ask(rng, "needle", "What shape is the object that appears briefly?", shape, shapes),
    ]


def _apart(rng: random.Random, *looks: tuple[str, str]) -> list[Thing]:
    """Things in different quarters of the picture."""
    quarters = rng.sample([(0.27, 0.27), (0.73, 0.27), (0.27, 0.73), (0.73, 0.73)], len(looks))
    return [
        Thing(shape, color, "large", x * SIDE + rng.randint(-10, 10), y * SIDE + rng.randint(-10, 10))
        for (shape, color), (x, y) in zip(looks, quarters, strict=True)
    ]


def _ego(rng: random.Random) -> _Made:
    """The camera pans over a standing thing, which therefore crosses the picture the other way."""
    shape, color = rng.choice(SHAPES), rng.choice(list(COLORS))
    seen = rng.choice(list(DIRECTIONS))
    sx, sy = DIRECTIONS[seen]
    camera = next(name for name, step in DIRECTIONS.items() if step == (-sx, -sy))
    return [_crossing(rng, shape, color, seen)], [
        _ask(rng, "ego", "In which direction does the camera move?", camera, list(DIRECTIONS)),
        _ask(rng, "ego", "What color is the object that the camera passes?", color, list(COLORS)),
    ]


def _count(rng: random.Random) -> _Made:
    """A thing flashes for a second, one to four times. How often?"""
    times = rng.randint(1, 4)
    starts = rng.choice(_spread(times))
    thing = _thing(rng, rng.choice(SHAPES), rng.choice(list(COLORS)))
    text = f"How many times does the {thing.shape} flash?"
    return [Track(thing, frozenset(starts))], [_ask(rng, "count", text, str(times), ("1", "2", "3", "4"))]


def _spread(times: int) -> list[tuple[int, ...]]:
    """All ways to choose `times` seconds no two of which touch, so that each is a flash of its own."""
    return [
        picked
        for picked in combinations(range(SECONDS), times)
        if all(later - earlier > 1 for earlier, later in pairwise(picked))
    ]


def _order(rng: random.Random) -> _Made:
    """Four things are shown for two seconds each, one after the other. Which is first, which last?"""
    colors = rng.sample(list(COLORS), 4)
    tracks = [
        Track(_thing(rng, rng.choice(SHAPES), color), frozenset({2 * place, 2 * place + 1}))
        for place, color in enumerate(colors)
    ]
    return tracks, [
        _ask(rng, "order", "What color is the object that appears first?", colors[0], colors),
        _ask(rng, "order", "What color is the object that appears last?", colors[-1], colors),
    ]


def _anomaly(rng: random.Random) -> _Made:
    """A still thing that, in the middle of the clip, changes colour or shape, vanishes or grows."""
    kind, when = rng.choice(ANOMALIES), rng.randint(2, SECONDS - 2)
    (shape, other_shape), (color, other_color) = rng.sample(SHAPES, 2), rng.sample(list(COLORS), 2)
    thing = replace(_thing(rng, shape, color), size="small" if kind == "growth" else rng.choice(("small", "large")))
    after = {
        "color change": replace(thing, color=other_color),
        "shape change": replace(thing, shape=other_shape),
        "growth": replace(thing, size="large"),
        "disappearance": None,
    }[kind]
    tracks = [Track(thing, frozenset(range(when)))]
    if after is not None:
        tracks.append(Track(after, frozenset(range(when, SECONDS))))
    return tracks, [_ask(rng, "anomaly_reco", "What unusual event happens?", kind, ANOMALIES)]


def _topic(rng: random.Random) -> _Made:
    """Eight pictures of one thing each, five of them of the same shape, three of others. What is it mostly about?"""
    main, *others = rng.sample(SHAPES, 4)
    shown = [main] * 5 + others
    rng.shuffle(shown)
    colors = [rng.choice(list(COLORS)) for _ in shown]
    tracks = [Track(_thing(rng, shape, colors[now]), frozenset({now})) for now, shape in enumerate(shown)]
    return tracks, [
        _ask(rng, "topic_reasoning", "What shape does the video mostly show?", main, SHAPES, others),
    ]


_MAKERS: dict[str, Callable[[random.Random], _Made]] = {
    "plotQA": _plot,
    "needle": _needle,
    "ego": _ego,
    "count": _count,
    "order": _order,
    "anomaly_reco": _anomaly,
    "topic_reasoning": _topic,
}
