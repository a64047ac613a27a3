"""The model against the released code's tensors: every intermediate, the assembled input, logits, losses, tokens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from models.llava.fusion import MediaFusion
from models.llava.prefusion import TextContext
from models.llava.reducers.llava_mini import LlavaMini
from tests.support.llava_golden import EMBEDDING, LOGIT, LOSS, Case, case, case_names, close

pytestmark = pytest.mark.golden


@pytest.fixture(autouse=True)
def _no_gradient() -> Iterator[None]:
    with torch.no_grad():
        yield


def _reducer(golden: Case) -> LlavaMini:
    reducer = golden.model.reducer
    assert isinstance(reducer, LlavaMini)
    return reducer


def _visible(golden: Case, rows: list[int]) -> Tensor:
    ids = golden.ids[rows]
    return ids > 0 if golden.labels is None else (ids > 0) & (golden.labels[rows] == -100)


@pytest.mark.parametrize("name", case_names("mid.vision_features"))
def test_tower_features_are_the_released_ones(name: str) -> None:
    golden = case(name)
    for call, (_, pixels) in enumerate(golden.calls()):
        features = golden.model.tower(pixels.flatten(0, 1), _reducer(golden).request).only()
        close(features, golden.tensors["mid.vision_features"][call], EMBEDDING)


@pytest.mark.parametrize("name", case_names("mid.compressor_out"))
def test_compression_and_projection_are_the_released_ones(name: str) -> None:
    golden, reducer = case(name), _reducer(case(name))
    for call, (_, pixels) in enumerate(golden.calls()):
        expected = {key: value[call] for key, value in golden.tensors.items() if key.startswith(("mid.c", "mid.pro"))}
        seen: list[Tensor] = []
        hook = reducer.compressor.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0]))
        features = golden.model.tower(pixels.flatten(0, 1), reducer.request)
        encoded = reducer.encode(features, parts=pixels.shape[1])
        hook.remove()
        out, attention = reducer.compressor.attend(seen[0])
        close(out, expected["mid.compressor_out"], EMBEDDING)
        close(attention, expected["mid.compressor_attn"], EMBEDDING)
        close(encoded.tokens, expected["mid.projector_out_0"], EMBEDDING)
        whole = expected["mid.projector_out_1"]
        close(encoded.patches[:, -whole.shape[1] :], whole, EMBEDDING)
        if (tiles := expected.get("mid.projector_out_2")) is not None:
            close(reducer.projector(features.only().unflatten(0, pixels.shape[:2])[:, :-1]), tiles, EMBEDDING)


@pytest.mark.parametrize("name", case_names("mid.prefusion_input"))
def test_prefusion_sees_the_released_sequence(name: str) -> None:
    """Hidden positions take no part and ours leaves them out; the others have the same content, place, neighbours."""
    golden, reducer = case(name), _reducer(case(name))
    layers = reducer.prefusion.layers
    for call, (rows, pixels) in enumerate(golden.calls()):
        inputs: list[Tensor] = []
        outputs: list[Tensor] = []
        hooks = [layers[0].register_forward_pre_hook(lambda _, given, inputs=inputs: inputs.append(given[0]))]
        hooks += [layer.register_forward_hook(lambda *x, outputs=outputs: outputs.append(x[2])) for layer in layers]
        fusion = MediaFusion(golden.model, golden.ids[rows], range(len(rows)), _picked(golden.labels, rows))
        fusion.add(pixels, range(len(rows)))
        for hook in hooks:
            hook.remove()
        for index, row in enumerate(rows):
            whole = golden.tensors["mid.prefusion_input"][call, index]
            vision = len(whole) - golden.ids.shape[1]
            kept = torch.cat([torch.ones(vision, dtype=torch.bool), _visible(golden, [row])[0]])
            close(inputs[0][index, : kept.sum()], whole[kept], EMBEDDING)
            positions, mask = (
                golden.tensors[key][min(call, len(golden.tensors[key]) - 1), index]
                for key in ("mid.prefusion_position_ids", "mid.prefusion_mask_4d_keep")
            )
            assert positions[kept].tolist() == list(range(int(kept.sum())))
            neighbours = mask[0].bool()[kept]
            assert torch.equal(neighbours[:, kept], torch.ones(int(kept.sum()), int(kept.sum())).tril().bool())
            assert not neighbours[:, ~kept].any()
            for layer, out in enumerate(outputs):
                if (expected := golden.tensors.get(f"mid.prefusion_layer{layer}_out")) is not None:
                    close(out[index, : kept.sum()], expected[call, index][kept], EMBEDDING)


@pytest.mark.parametrize("name", case_names("mid.encode_text_tokens"))
def test_fused_tokens_and_text_are_the_released_ones(name: str) -> None:
    golden, reducer = case(name), _reducer(case(name))
    for call, (rows, pixels) in enumerate(golden.calls()):
        features = golden.model.tower(pixels.flatten(0, 1), reducer.request)
        text = TextContext(golden.model.lm.model.embed_tokens(golden.ids[rows].clamp(min=0)), _visible(golden, rows))
        reduction = reducer.fuse(reducer.encode(features, parts=pixels.shape[1]), text)
        close(reduction.visual, golden.tensors["mid.encode_image_tokens"][call], EMBEDDING)
        close(reduction.text, golden.tensors["mid.encode_text_tokens"][call], EMBEDDING)


@pytest.mark.parametrize("name", case_names("llm.inputs_embeds"))
def test_language_model_input_is_the_released_one(name: str) -> None:
    golden = case(name)
    inputs = golden.model(golden.ids, golden.images, golden.mask, golden.labels).inputs
    assert inputs is not None
    close(inputs.embeds, golden.tensors["llm.inputs_embeds"], EMBEDDING)
    assert torch.equal(inputs.mask, golden.tensors["llm.attention_mask"].bool())
    assert torch.equal(inputs.labels, golden.tensors["llm.labels"])


@pytest.mark.parametrize("name", case_names("logits"))
def test_logits_are_the_released_ones(name: str) -> None:
    golden = case(name)
    output = golden.model(golden.ids, golden.images, golden.mask, golden.labels)
    logits, expected = output.logits, golden.tensors["logits"]
    kept = torch.ones(logits.shape[:2], dtype=torch.bool) if output.inputs is None else output.inputs.mask
    if golden.meta["logits_positions"] == "last":
        logits, kept = logits[:, -1:], kept[:, -1:]
    assert kept.any()
    close(logits[kept], expected[kept], LOGIT)


@pytest.mark.parametrize("name", case_names("loss"))
def test_loss_is_the_released_one(name: str) -> None:
    golden = case(name)
    loss = golden.model(golden.ids, golden.images, golden.mask, golden.labels).loss
    assert loss is not None
    close(loss.reshape(1), golden.tensors["loss"], LOSS)


@pytest.mark.parametrize("name", case_names("gen.sequences"))
def test_greedy_tokens_logits_and_positions_are_the_released_ones(name: str) -> None:
    golden = case(name)
    end = golden.model.config.llama["eos_token_id"]
    made = golden.model.generate(
        golden.ids, golden.images, golden.mask, golden.meta["gen_max_new_tokens"], {end}, keep_logits=True
    )
    expected = [_until(row, end) for row in golden.tensors["gen.sequences"].tolist()]
    assert made.tokens == expected
    live = torch.tensor([[step < len(row) for row in expected] for step in range(len(made.step_logits))])
    close(torch.stack(made.step_logits)[live], golden.tensors["gen.step_logits"][live], LOGIT)
    prefill = golden.tensors["gen.prefill_position_ids"]
    for row, mask in enumerate(golden.tensors.get("llm.attention_mask", torch.ones_like(prefill)).bool()):
        own = made.positions[0][row if len(made.positions[0]) > 1 else 0]
        assert own[-int(mask.sum()) :].tolist() == prefill[row][mask].tolist()
        steps = [int(step[row, 0]) for step in golden.tensors["gen.decode_position_ids"]]
        taken = [int(step[row, 0]) for step in made.positions[1:]]
        assert taken[: len(expected[row]) - 1] == steps[: len(expected[row]) - 1]


def _until(row: list[int], end: int) -> list[int]:
    """The row up to and including its end token; what follows is padding."""
    return row[: row.index(end) + 1] if end in row else row


def _picked(labels: Tensor | None, rows: list[int]) -> Tensor | None:
    return None if labels is None else labels[rows]
