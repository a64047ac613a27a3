"""Shared prefixes give the logits of prompts read one by one; LLaVA-1.5 gives those of our own `LlavaModel`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from harness.types import FramePolicy, Image, Media, Request, Video
from models import load_model
from models.llava.generation import greedy
from models.llava.prompts import IMAGE
from models.llava.sharing import answer
from models.transformers_native.adapter import NativeAdapter
from models.transformers_native.decoder import looking
from models.transformers_native.families import FAMILIES
from models.transformers_native.vision import Medium, Seen, positions
from tests.support.llava_golden import LOGIT, close
from tests.support.llava_tiny import SIDE, tiny_model
from tests.support.native_tiny import PRESETS, VIDEOS, VOCABULARY, write_native

STEPS = 4
QUESTIONS = ("what color is the circle ?", "which ?", "is it red and is it a square . yes no one two ?")
SHARING = [case for case in PRESETS if FAMILIES[case.partition(" ")[0]].prefix and not case.endswith("t5")]


def _logits(model: NativeAdapter, media: Media) -> tuple[list[Tensor], list[Tensor]]:
    """Of every question and step [T, V]: with a shared prefix, and one by one."""
    (seen,) = model._vision([Medium(list(model.preparer()(media, FramePolicy())), isinstance(media, Video))])
    rows = [model._rows.row(media, Request("", text), seen, seen.tokens) for text in QUESTIONS]
    first = rows[0]
    steps: list[tuple[tuple[int, ...], Tensor]] = []
    answer(
        looking(model.decoder, [first]),
        first.start,
        [row.question for row in rows],
        lambda _, tokens: len(tokens) == STEPS,
        steps,
        None if first.positions is None else first.positions[:, : len(first.start)],
    )
    together = [torch.stack([logits[who.index(at)] for who, logits in steps if at in who]) for at in range(len(rows))]
    alone = []
    for row in rows:
        mask = torch.ones(1, row.length, dtype=torch.bool)
        places = None if row.positions is None else row.positions[:, None]
        never = lambda _, tokens: False  # noqa: E731
        made = greedy(looking(model.decoder, [row]), row.embeds[None], mask, STEPS, never, True, places)
        alone.append(torch.cat(made.step_logits))
    return together, alone


@torch.inference_mode()
@pytest.mark.parametrize("case", SHARING)
def test_shared_logits_are_those_of_one_by_one(
    case: str, native: Mapping[str, NativeAdapter], pictures: list[Image], video: Video
) -> None:
    model = native[case]
    for media in (pictures[0], *([video] if case in VIDEOS else [])):
        for got, expected in zip(*_logits(model, media), strict=True):
            assert got.shape == expected.shape == (STEPS, len(VOCABULARY))
            close(got, expected, 1e-4)


def test_text_after_a_long_video_goes_on_behind_its_last_frame() -> None:
    seen = Seen(torch.zeros(12, 1), (3, 2, 2), 4.0)
    time, height, width = positions(2, seen, 2, torch.device("cpu")).tolist()
    assert time == [0, 1, *[2] * 4, *[6] * 4, *[10] * 4, 11, 12]
    assert height == [0, 1, *[2, 2, 3, 3] * 3, 11, 12]
    assert width == [0, 1, *[2, 3] * 6, 11, 12]
    assert positions(2, None, 3, torch.device("cpu")).tolist() == [[0, 1, 2, 3, 4]] * 3


@torch.inference_mode()
def test_the_shared_prefix_is_read_once(
    native: Mapping[str, NativeAdapter], pictures: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, read = native["llava_next"], 0

    def count(_: object, args: object, inputs: Mapping[str, Tensor]) -> None:
        nonlocal read
        read += inputs["inputs_embeds"].shape[:2].numel()

    hook = model.decoder.model.register_forward_pre_hook(count, with_kwargs=True)
    try:
        together, alone = _logits(model, pictures[0])
    finally:
        hook.remove()
    (seen,) = model._vision([Medium(list(model.preparer()(pictures[0], FramePolicy())), False)])
    rows = [model._rows.row(pictures[0], Request("", text), seen, seen.tokens) for text in QUESTIONS]
    further = (STEPS - 1) * len(rows)
    one_by_one = sum(row.length for row in rows) + further
    shared = len(rows[0].start) + sum(len(row.question) for row in rows) + further
    assert read == one_by_one + shared
    assert len(together) == len(alone) == len(rows)


@torch.inference_mode()
def test_llava_gives_the_logits_of_our_own_model(tmp_path: Path) -> None:
    ours = tiny_model(compressor_size=None, vocab_size=41)
    folder = write_native(
        tmp_path,
        "llava",
        vision_config={"model_type": "clip_vision_model", **ours.tower.clip.config.to_dict()},
        text_config={"model_type": "llama", **ours.lm.config.to_dict()},
        image_token_index=4,
    )
    (folder / "preprocessor_config.json").write_text(
        f'{{"size": {{"shortest_edge": {SIDE}}}, "crop_size": {{"height": {SIDE}, "width": {SIDE}}}}}'
    )
    model = load_model("llava-hf-1.5-7b", checkpoint=str(folder), device="cpu")
    assert isinstance(model, NativeAdapter)
    theirs = model.model
    theirs.model.vision_tower.load_state_dict(ours.tower.clip.state_dict())
    theirs.model.language_model.load_state_dict(ours.lm.model.state_dict())
    theirs.lm_head.load_state_dict(ours.lm.lm_head.state_dict())
    projector = {
        f"linear_{1 if key[0] == '0' else 2}{key[1:]}": one for key, one in ours.reducer.projector.state_dict().items()
    }
    theirs.model.multi_modal_projector.load_state_dict(projector)
    pixels = torch.randint(0, 256, (1, 1, SIDE, SIDE, 3), dtype=torch.uint8)
    ids = torch.tensor([[1, IMAGE, 15, 17, 23, 30]])
    expected = ours(ids, ours.tower.normalise(pixels, torch.float32)).logits[0]
    features = theirs.model.get_image_features(
        pixel_values=ours.tower.normalise(pixels, torch.float32)[0]
    ).pooler_output
    words = theirs.get_input_embeddings()(ids.clamp(min=0)[0])
    embeds = torch.cat([words[:1], features[0], words[2:]])
    decoder = model.decoder
    close(decoder.lm_head(decoder.model(inputs_embeds=embeds[None]).last_hidden_state)[0], expected, LOGIT)
