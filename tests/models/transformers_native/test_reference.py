"""The same tokens as transformers' own image processors and `generate`, fed as their processors would feed them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
import transformers

from harness.model import ReadyGroup
from harness.types import FramePolicy, Group, Image, Request, Video
from models.transformers_native.adapter import NativeAdapter
from tests.support.native_tiny import FRAMES, IMAGE, PICTURES, PRESETS, SPECIAL, VIDEOS

QUESTION, NEW = "which color is the circle ?", 6
PROCESSORS = {
    "llava": "CLIPImageProcessorPil",
    "llava_next": "LlavaNextImageProcessorPil",
    "llava_onevision": "LlavaOnevisionImageProcessorPil",
    "video_llava": "CLIPImageProcessorPil",
    "qwen2_vl": "Qwen2VLImageProcessorPil",
    "qwen2_5_vl": "Qwen2VLImageProcessorPil",
    "blip-2": "BlipImageProcessorPil",
    "instructblip": "BlipImageProcessorPil",
    "idefics": "IdeficsImageProcessorPil",
}


def _ours(model: NativeAdapter, media: Image | Video) -> Any:
    group = Group(media, (Request("a", QUESTION, NEW),))
    (answer,) = model.respond([ReadyGroup(group, model.preparer()(media, FramePolicy()))])
    return answer


def _prompt(model: NativeAdapter, kind: str) -> str:
    return str(model.card.settings["prompts"][kind].replace("{question}", QUESTION))


def _theirs(case: str, model: NativeAdapter, picture: PIL.Image.Image, vision_tokens: int) -> str:
    """What transformers' documentation does with a picture and a prompt."""
    family, tokenizer = case.partition(" ")[0], model._tokenizer
    sizes = {"patch_size": 4, "merge_size": 2} if family.startswith("qwen") else {}
    processor = getattr(transformers, PROCESSORS[family])(**PICTURES[family], **sizes)
    given = processor(picture, return_tensors="pt")
    inputs = {"pixel_values": given} if isinstance(given, torch.Tensor) else dict(given)
    text, kept = _prompt(model, "image"), {}
    place = "<|image_pad|>" if family.startswith("qwen") else "<image>"
    if family == "idefics":
        inputs["pixel_values"] = inputs["pixel_values"][None]
    elif "blip" in family:
        text = "<image>" * vision_tokens + text
    else:
        text = text.replace(place, place * vision_tokens)
    ids = tokenizer(text, return_tensors="pt").input_ids
    if "blip" in family:  # visual tokens stand before the begin token
        ids = torch.cat([ids[:, 1 : 1 + vision_tokens], ids[:, :1], ids[:, 1 + vision_tokens :]], dim=1)
    if family == "idefics":
        kept["image_attention_mask"] = (torch.cumsum(ids == IMAGE, 1) > 0).long()[..., None]
    if family == "instructblip":
        kept["qformer_input_ids"] = tokenizer(QUESTION, return_tensors="pt").input_ids
    if family.startswith("qwen"):
        kept["mm_token_type_ids"] = (ids == SPECIAL.index("<|image_pad|>")).int()
    inputs.pop("batch_num_images", None)
    mask = torch.ones_like(ids)
    new = model.model.generate(
        input_ids=ids,
        attention_mask=mask,
        **inputs,
        **kept,
        max_new_tokens=NEW,
        do_sample=False,
        eos_token_id=sorted(model._stop),
    )
    new = new if case.endswith("t5") else new[:, ids.shape[1] :]
    return str(tokenizer.decode(new[0], skip_special_tokens=True).strip())


@pytest.mark.parametrize("case", PRESETS)
def test_answer_to_a_picture_is_transformers_own(
    case: str, native: Mapping[str, NativeAdapter], pictures: list[Image]
) -> None:
    model = native[case]
    for one in pictures:
        assert isinstance(one.source, Path)
        ours = _ours(model, one)
        assert ours.text == _theirs(case, model, PIL.Image.open(one.source), ours.vision_tokens), one.id


@pytest.mark.parametrize("case", VIDEOS)
def test_answer_to_a_video_is_transformers_own(case: str, native: Mapping[str, NativeAdapter], video: Video) -> None:
    """Frames as their image processors make them, since their video processors need torchvision."""
    model = native[case]
    ours = _ours(model, video)
    paths = sorted(video.source.iterdir())
    chosen = [int(at) for at in np.linspace(0, len(paths) - 1, ours.frames)] if ours.frames > 5 else range(5)
    frames = [PIL.Image.open(paths[at]) for at in chosen]
    place = "<|video_pad|>" if case.startswith("qwen") else "<video>"
    text = _prompt(model, "video").replace(place, place * ours.vision_tokens)
    ids = model._tokenizer(text, return_tensors="pt").input_ids
    inputs: dict[str, Any] = {}
    if case.startswith("qwen"):
        frames.append(frames[-1])  # an even number
        processor = transformers.Qwen2VLImageProcessorPil(**FRAMES, patch_size=4, merge_size=2)
        made = [processor(frame, return_tensors="pt") for frame in frames]
        height, width = made[0]["image_grid_thw"][0, 1:].tolist()
        cells = torch.stack([one["pixel_values"].reshape(height * width, 3, 2, -1)[:, :, 0] for one in made])
        pairs = cells.reshape(3, 2, height * width, 3, -1).permute(0, 2, 3, 1, 4)
        inputs["pixel_values_videos"] = pairs.reshape(3 * height * width, -1)
        inputs["video_grid_thw"] = torch.tensor([[3, height, width]])
        inputs["mm_token_type_ids"] = (ids == SPECIAL.index("<|video_pad|>")).int() * 2
        if case == "qwen2_5_vl":
            inputs["second_per_grid_ts"] = torch.tensor([2.0])
    else:
        kind = "BlipImageProcessorPil" if case == "llava_onevision" else PROCESSORS[case]  # without tiles
        settings = {key: one for key, one in PICTURES[case].items() if key != "image_grid_pinpoints"}
        processor = getattr(transformers, kind)(**settings)
        inputs["pixel_values_videos"] = processor(frames, return_tensors="pt").pixel_values[None]
    new = model.model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        **inputs,
        max_new_tokens=NEW,
        do_sample=False,
        eos_token_id=2,
    )
    said = model._tokenizer.decode(new[0, ids.shape[1] :], skip_special_tokens=True)
    assert ours.text == str(said).strip()
