"""What sets the families apart that transformers has classes for: data, one entry a `model_type` of config.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

MEDIUM, QUESTION = "{medium}", "{question}"
"""Places in a prompt."""


@dataclass(frozen=True, slots=True)
class Family:
    """How one of transformers' classes is used.

    `sees`: how pixels become visual tokens (`vision.Vision`). `prompt`: where neither the preset nor the checkpoint's
    chat template has one. `image`, `video`: what stands at {medium}, of which `image_token` or `video_token` gives its
    place to the visual tokens; `video` "": takes none. `in_front`: visual tokens stand before everything, the begin
    token too. `frames`: a video's most frames; `spread`: just so many, first and last included, instead of the run's
    frames a second. `prefix`: whether questions about a medium share the language model's keys and values of what
    stands before them; `why` not. `stop` ends an answer; at `until` it is cut, where a model goes on with a question of
    its own. `dtype`: on a GPU, unless --dtype says otherwise.
    """

    class_name: str
    sees: Literal["pictures", "tiles", "patches", "queries", "latents"]
    prompt: str
    image: str = "<image>"
    video: str = ""
    image_token: str = "<image>"
    video_token: str = "<video>"
    in_front: bool = False
    frames: int = 0
    spread: bool = False
    prefix: bool = True
    why: str = ""
    stop: str | None = None
    until: str = ""
    dtype: str = "float16"


_USER = "USER: {medium}\n{question} ASSISTANT:"
_VICUNA = (
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    f"and polite answers to the human's questions. {_USER}"
)
_QWEN = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "<|im_start|>user\n{medium}{question}<|im_end|>\n<|im_start|>assistant\n"
)
_IDEFICS = "User:{medium}{question}<end_of_utterance>\nAssistant:"


def _qwen(class_name: str) -> Family:
    return Family(
        class_name,
        "patches",
        _QWEN,
        image="<|vision_start|><|image_pad|><|vision_end|>",
        video="<|vision_start|><|video_pad|><|vision_end|>",
        image_token="<|image_pad|>",
        video_token="<|video_pad|>",
        frames=64,
        stop="<|im_end|>",
        dtype="bfloat16",
    )


FAMILIES: Mapping[str, Family] = {
    "llava": Family("LlavaForConditionalGeneration", "pictures", _USER),
    "llava_next": Family("LlavaNextForConditionalGeneration", "tiles", _VICUNA),
    "llava_onevision": Family(
        "LlavaOnevisionForConditionalGeneration",
        "tiles",
        "<|im_start|>user {medium}\n{question}<|im_end|><|im_start|>assistant\n",
        video="<video>",
        frames=32,
        spread=True,
        stop="<|im_end|>",
    ),
    "video_llava": Family(
        "VideoLlavaForConditionalGeneration", "pictures", _USER, video="<video>", frames=8, spread=True
    ),
    "qwen2_vl": _qwen("Qwen2VLForConditionalGeneration"),
    "qwen2_5_vl": _qwen("Qwen2_5_VLForConditionalGeneration"),
    "blip-2": Family(
        "Blip2ForConditionalGeneration",
        "pictures",
        "{medium}Question: {question} Answer:",
        in_front=True,
        until="\n",
        why="a T5 reads its prompt in an encoder, where nothing stands before the question",
    ),
    "instructblip": Family(
        "InstructBlipForConditionalGeneration",
        "queries",
        "{medium}{question}",
        in_front=True,
        prefix=False,
        why="its Q-Former reads the question, so that the visual tokens are each question's own",
    ),
    "idefics": Family(
        "IdeficsForVisionText2Text",
        "latents",
        _IDEFICS,
        image="<fake_token_around_image><image><fake_token_around_image>",
        stop="<end_of_utterance>",
        dtype="bfloat16",
    ),
}
"""By `model_type`."""
