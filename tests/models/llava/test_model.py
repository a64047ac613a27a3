"""What must hold for any LLaVA-family model: rows do not touch, sharing changes nothing, gradients arrive."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import CLIPVisionConfig, LlamaConfig, LlavaForConditionalGeneration
from transformers import LlavaConfig as NativeConfig

from models.llava.fusion import MediaFusion
from models.llava.model import LlavaModel
from tests.support.llava_tiny import GRID, SIDE, questions, tiny_model

TOLERANCE = 5e-5
"""Of fp32 sums in another order; embeddings and logits here reach 30."""
VARIANTS = {
    "mini": {},
    "mini of four tokens": {"compressor_size": 2},
    "without pre-fusion": {"prefusion_layer_num": 0},
    "identity": {"compressor_size": None},
}


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS.keys(), scope="module")
def model(request: pytest.FixtureRequest) -> LlavaModel:
    return tiny_model(**request.param)


def _media(*frames: int, parts: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(7)
    return [torch.randn(count, parts, 3, SIDE, SIDE, generator=generator) for count in frames]


def test_identity_gives_the_logits_of_transformers_llava() -> None:
    ours = tiny_model(compressor_size=None)
    native = LlavaForConditionalGeneration(
        NativeConfig(
            vision_config=CLIPVisionConfig(
                **{k: v for k, v in ours.tower.clip.config.to_dict().items() if k != "dtype"}
            ),
            text_config=LlamaConfig(**ours.config.llama),
            image_token_index=63,
            vision_feature_layer=-2,
            projector_hidden_act="gelu",
        )
    ).eval()
    native.model.vision_tower.load_state_dict(ours.tower.clip.state_dict())
    native.model.language_model.load_state_dict(ours.lm.model.state_dict())
    native.lm_head.load_state_dict(ours.lm.lm_head.state_dict())
    projector = native.model.multi_modal_projector
    projector.linear_1.load_state_dict(ours.reducer.projector[0].state_dict())
    projector.linear_2.load_state_dict(ours.reducer.projector[2].state_dict())
    ids = torch.tensor([[1, 5, -200, 9, 8, 7]])
    pixels = torch.randn(1, 3, SIDE, SIDE)
    patches = GRID * GRID
    expanded = torch.tensor([[1, 5, *[63] * patches, 9, 8, 7]])
    with torch.no_grad():
        expected = native(input_ids=expanded, pixel_values=pixels, attention_mask=torch.ones_like(expanded)).logits
        got = ours(ids, pixels[:, None]).logits
    torch.testing.assert_close(got, expected, rtol=0, atol=TOLERANCE)


def test_row_does_not_feel_its_neighbours(model: LlavaModel) -> None:
    ids, media = questions(3, 9, 5), _media(1, 3, 2)
    mask = ids != 0
    together = model.generate(ids, media, mask, 6, keep_logits=True)
    for row, medium in enumerate(media):
        own = ids[row][mask[row]][None]
        alone = model.generate(own, [medium], None, 6, keep_logits=True)
        assert together.tokens[row] == alone.tokens[0]
        for step, logits in enumerate(alone.step_logits):
            torch.testing.assert_close(together.step_logits[step][row], logits[0], rtol=0, atol=1e-4)


def test_picture_shared_by_several_questions_gives_each_what_it_gets_alone(model: LlavaModel) -> None:
    ids, media = questions(4, 7, 2, 6), _media(3, 1)
    medium_of = [0, 0, 1, 0]
    with torch.no_grad():
        shared = MediaFusion(model, ids, medium_of)
        shared.add(media[0][:2], [0, 0])
        shared.add(torch.cat([media[0][2:], media[1]]), [0, 1])
        got = model.assemble(shared, ids, ids != 0)
        expected = model.assemble(model.fuse(ids, [media[m] for m in medium_of]), ids, ids != 0)
    torch.testing.assert_close(got.embeds, expected.embeds, rtol=0, atol=TOLERANCE)
    assert [shared.frames(row) for row in range(4)] == [3, 3, 1, 3]


@pytest.mark.parametrize("step", [1, 2, 7])
def test_video_streamed_in_chunks_gives_what_it_gives_at_once(model: LlavaModel, step: int) -> None:
    ids, (video,) = questions(5, 8), _media(7)
    with torch.no_grad():
        whole = MediaFusion(model, ids, [0, 0])
        whole.add(video, [0] * 7)
        streamed = MediaFusion(model, ids, [0, 0])
        for first in range(0, 7, step):
            streamed.add(video[first : first + step], [0] * len(video[first : first + step]))
    torch.testing.assert_close(streamed.text(), whole.text(), rtol=1e-5, atol=TOLERANCE)
    torch.testing.assert_close(streamed.visual(1), whole.visual(1), rtol=1e-5, atol=TOLERANCE)


def test_streaming_keeps_no_frame_alive(model: LlavaModel) -> None:
    fusion, (video,) = MediaFusion(model, questions(4), [0]), _media(2)
    with torch.no_grad():
        fusion.add(video, [0, 0])
    tokens = fusion.visual(0)
    assert tokens.untyped_storage().nbytes() == tokens.nbytes


def test_question_split_over_several_fusion_calls_is_answered_the_same(
    model: LlavaModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, media = questions(4, 7, 2), _media(2, 1)
    inputs = [media[0], media[1], media[1]]
    with torch.no_grad():
        whole = model.assemble(model.fuse(ids, inputs), ids)
        monkeypatch.setattr("models.llava.fusion.PAIR_TOKENS", 1)
        shared = MediaFusion(model, ids, [0, 1, 1])
        shared.add(torch.cat([media[0], media[1]]), [0, 0, 1])
        split = model.assemble(shared, ids)
    torch.testing.assert_close(split.embeds, whole.embeds, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("changes", [{}, {"compressor_size": 2}, {"compressor_size": None}])
def test_every_part_of_a_high_resolution_image_matters(changes: dict[str, int]) -> None:
    model, ids, (image,) = tiny_model(**changes), questions(5), _media(1, parts=5)
    with torch.no_grad():
        before = model(ids, image).logits
        for part in range(5):
            changed = image.clone()
            changed[:, part] = 0
            assert not torch.allclose(model(ids, changed).logits, before, atol=1e-3), part


def test_all_that_trains_gets_a_gradient() -> None:
    """The released code cuts the embeddings off, and everything for videos; here both learn."""
    for images in (_media(1)[0], _media(2)[0][None]):
        model = tiny_model(compressor_size=2).train()
        ids = questions(6)
        labels = torch.full_like(ids, -100)
        labels[:, -2:] = ids[:, -2:]
        loss = model(ids, images, labels=labels).loss
        assert loss is not None
        loss.backward()
        silent = [
            name
            for name, parameter in model.named_parameters()
            if parameter.requires_grad and (parameter.grad is None or not parameter.grad.abs().sum())
        ]
        assert silent == []


def test_answers_are_hidden_from_fusion_in_training() -> None:
    model, ids, images = tiny_model(), questions(6), _media(1)[0]
    labels = torch.full_like(ids, -100)
    labels[:, -2:] = ids[:, -2:]
    other = ids.clone()
    other[:, -2:] = 9
    with torch.no_grad():
        first, second = (model.fuse(given, images, labels) for given in (ids, other))
        assert torch.equal(first.text()[:, :-2], second.text()[:, :-2])
        assert torch.equal(first.text()[:, -2:], model.lm.model.embed_tokens(ids[:, -2:]))


def test_second_placeholder_is_refused() -> None:
    ids = torch.tensor([[1, -200, 5, -200]])
    with pytest.raises(ValueError, match="2 placeholders"):
        tiny_model()(ids, _media(1)[0])


def test_cut_prompt_is_counted() -> None:
    model, ids = tiny_model(tokenizer_model_max_length=6), questions(9)
    inputs = model.assemble(model.fuse(ids, _media(1)[0]), ids)
    assert inputs.embeds.shape[1] == 6
    assert inputs.cut == (5,)


def test_generation_stops_at_the_end_token(model: LlavaModel) -> None:
    ids, media = questions(4, 6), _media(1, 1)
    free = model.generate(ids, media, ids != 0, 8)
    end = free.tokens[0][2]
    stopped = model.generate(ids, media, ids != 0, 8, {end})
    assert stopped.tokens[0] == free.tokens[0][: free.tokens[0].index(end) + 1]
    assert free.tokens[1][: len(stopped.tokens[1])] == stopped.tokens[1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_near_single(model: LlavaModel, dtype: torch.dtype) -> None:
    ids, image = questions(5), _media(1)[0]
    half = tiny_model(**{key: model.config.raw.get(key) for key in ("compressor_size", "prefusion_layer_num")})
    half.load_state_dict(model.state_dict())
    half.reducer.to(dtype)
    half.lm.to(dtype)
    with torch.no_grad():
        single, low = model(ids, image).logits, half(ids, image.to(dtype)).logits
    assert low.dtype is dtype
    torch.testing.assert_close(low.float(), single, rtol=0.1, atol=0.1 * float(single.abs().max()))
