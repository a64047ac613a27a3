"""The same tokens as transformers' own image processors and `generate`, fed as their processors would feed them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
import transformers

from harness.model import ReadyGroup
from harness.types import FramePolicy, Group, Image, Request, Video
from models import load_model
from models.transformers_native.adapter import NativeAdapter
from tests.support.native_tiny import IMAGE, PICTURES, SPECIAL, write_native

QUESTION, NEW = "which color is the circle ?", 6
CASES = {
    "llava": ("llava-hf-1.5-7b", "CLIPImageProcessorPil"),
    "llava_next": ("llava-next-vicuna-7b", "LlavaNextImageProcessorPil"),
    "llava_onevision": ("llava-onevision-7b", "LlavaOnevisionImageProcessorPil"),
    "video_llava": ("video-llava-7b", "CLIPImageProcessorPil"),
    "qwen2_vl": ("qwen2-vl-7b", "Qwen2VLImageProcessorPil"),
    "qwen2_5_vl": ("qwen2.5-vl-7b", "Qwen2VLImageProcessorPil"),
    "blip-2": ("blip2-opt-6.7b", "BlipImageProcessorPil"),
    "blip-2 t5": ("blip2-flan-t5-xl", "BlipImageProcessorPil"),
    "instructblip": ("instructblip-vicuna-7b", "BlipImageProcessorPil"),
    "idefics": ("idefics-9b-instruct", "IdeficsImageProcessorPil"),
}


def _loaded(case: str, folder: Path) -> NativeAdapter:
    family, _, text = case.partition(" ")
    write_native(folder, family, text or None)
    model = load_model(CASES[case][0], checkpoint=str(folder), device="cpu")
    assert isinstance(model, NativeAdapter)
    return model


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
    processor = getattr(transformers, CASES[case][1])(**PICTURES[family], **sizes)
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
        input_ids=ids, attention_mask=mask, **inputs, **kept, max_new_tokens=NEW, do_sample=False, eos_token_id=2
    )
    new = new if case.endswith("t5") else new[:, ids.shape[1] :]
    return str(tokenizer.decode(new[0], skip_special_tokens=True).strip())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [(45, 30), (30, 100)])
def test_answer_to_a_picture_is_transformers_own(case: str, size: tuple[int, int], tmp_path: Path) -> None:
    model = _loaded(case, tmp_path / "checkpoint")
    noise = np.random.default_rng(3).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    picture = PIL.Image.fromarray(noise)
    picture.save(tmp_path / "picture.png")
    ours = _ours(model, Image("picture", tmp_path / "picture.png"))
    assert ours.text == _theirs(case, model, picture, ours.vision_tokens)
