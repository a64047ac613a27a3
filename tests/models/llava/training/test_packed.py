"""The packed training forward is the plain forward of `LlavaModel`, several questions at a time."""

from pathlib import Path

import pytest
import torch

from models.llava import checkpoint
from models.llava.model import IGNORE, IMAGE, LlavaModel
from models.llava.training.packed import PackedLlava
from models.llava.training.shapes import TINY_MODELS, parsed_tiny

VOCABULARY = 40


def _model(name: str) -> LlavaModel:
    from transformers import CLIPVisionConfig, CLIPVisionModel

    torch.manual_seed(0)
    shape = CLIPVisionConfig(
        hidden_size=128, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4, image_size=24, patch_size=12
    )
    tower = checkpoint.ClipTower(CLIPVisionModel(shape).eval())
    return checkpoint.build(parsed_tiny(name, VOCABULARY), tower).eval()


def _pixels(frames: int, packs: int = 2) -> torch.Tensor:
    return torch.randn(packs, frames, 1, 3, 24, 24)


QUESTIONS = [
    [([5, 6, 7], [8, 2]), ([9, 10, 11, 12, 13], [14, 2])],
    [([15, 6], [8, 2]), ([9, 16, 17], [18, 19, 2])],
]


def _packed() -> tuple[torch.Tensor, torch.Tensor]:
    ids, labels = torch.zeros(2, 2, 9, dtype=torch.long), torch.full((2, 2, 9), IGNORE)
    for row, questions in enumerate(QUESTIONS):
        for column, (question, answer) in enumerate(questions):
            sequence = [1, IMAGE, *question, *answer]
            ids[row, column, : len(sequence)] = torch.tensor(sequence)
            start = len(sequence) - len(answer)
            labels[row, column, start : len(sequence)] = torch.tensor(answer)
    return ids, labels


@pytest.mark.parametrize("name", TINY_MODELS)
@pytest.mark.parametrize("frames", [1, 3])
def test_packed_loss_is_the_plain_loss(name: str, frames: int) -> None:
    model, pixels = _model(name), _pixels(frames)
    ids, labels = _packed()
    features = model.tower(pixels.flatten(0, 2), model.reducer.request).only().unflatten(0, (2, frames))
    packed = PackedLlava(model)(ids, labels, features)["loss"]
    rows = pixels.repeat_interleave(2, dim=0)
    images = rows[:, 0] if frames == 1 else rows
    flat_ids, flat_labels = ids.flatten(0, 1), labels.flatten(0, 1)
    plain = model(flat_ids, images=images, attention_mask=flat_ids != 0, labels=flat_labels).loss
    torch.testing.assert_close(packed, plain, rtol=1e-5, atol=1e-5)


def test_text_alone_is_the_plain_language_model() -> None:
    model = _model("llava-v1.5-tiny")
    ids = torch.tensor([[[1, 5, 6, 7, 2]], [[1, 9, 8, 2, 0]]])
    labels = torch.tensor([[[IGNORE, IGNORE, IGNORE, 7, 2]], [[IGNORE, IGNORE, 8, 2, IGNORE]]])
    packed = PackedLlava(model)(ids, labels)["loss"]
    plain = model.lm(input_ids=ids[:, 0], attention_mask=ids[:, 0] != 0, labels=labels[:, 0]).loss
    torch.testing.assert_close(packed, plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", TINY_MODELS)
def test_packed_and_plain_give_equal_gradients(name: str) -> None:
    model, pixels = _model(name), _pixels(1)
    ids, labels = _packed()
    features = model.tower(pixels.flatten(0, 2), model.reducer.request).only().unflatten(0, (2, 1))
    weight = next(one for one in model.reducer.parameters() if one.requires_grad and one.dim() == 2)
    (packed,) = torch.autograd.grad(PackedLlava(model)(ids, labels, features)["loss"], weight)
    flat = ids.flatten(0, 1)
    loss = model(flat, pixels[:, 0].repeat_interleave(2, dim=0), flat != 0, labels.flatten(0, 1)).loss
    (plain,) = torch.autograd.grad(loss, weight)
    torch.testing.assert_close(packed, plain, rtol=1e-4, atol=1e-6)


def test_saved_model_gives_equal_logits(tmp_path: Path) -> None:
    model, pixels = _model("llava-mini-tiny"), _pixels(1)
    checkpoint.save(model, tmp_path)
    again = checkpoint.load(tmp_path)
    ids = torch.tensor([[1, IMAGE, 5, 6], [1, IMAGE, 7, 8]])
    torch.testing.assert_close(again(ids, pixels[:, 0]).logits, model(ids, pixels[:, 0]).logits, rtol=0, atol=0)
