"""Synthetic pictures and videos: pure functions of (split, index, seed), with questions whose answers follow from it.

`image_scene` -> `render`, `image_questions`, `image_caption`; `video_scene` -> `render_frames`, `video_questions`.
Splits ("train", "validation", "evaluation") have different seeds by construction: the name is hashed into them.
"""

from harness.data.scenes.draw import render, render_at, render_frames
from harness.data.scenes.image import IMAGE_KINDS, ImageScene, image_caption, image_questions, image_scene
from harness.data.scenes.video import (
    SECONDS,
    VIDEO_KINDS,
    Track,
    VideoScene,
    things_at,
    video_caption,
    video_questions,
    video_scene,
)
from harness.data.scenes.vocabulary import (
    COLORS,
    SHAPES,
    SIDE,
    WORDS,
    Background,
    SceneQuestion,
    Split,
    Thing,
    scene_rng,
)

__all__ = [
    "COLORS",
    "IMAGE_KINDS",
    "SECONDS",
    "SHAPES",
    "SIDE",
    "VIDEO_KINDS",
    "WORDS",
    "Background",
    "ImageScene",
    "SceneQuestion",
    "Split",
    "Thing",
    "Track",
    "VideoScene",
    "image_caption",
    "image_questions",
    "image_scene",
    "render",
    "render_at",
    "render_frames",
    "scene_rng",
    "things_at",
    "video_caption",
    "video_questions",
    "video_scene",
]
