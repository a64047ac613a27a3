"""VoCo-LLaMA end to end: text sees its few tokens alone, and answers are those under the paper's mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from harness.errors import CheckpointError, NotAvailable
from harness.model import ReadyGroup
from harness.types import FramePolicy, Group, Image, Request, Response
from models import load_model
from models.llava.adapter import LlavaAdapter
from models.llava.prompts import IMAGE, conversation, prompt_ids
from models.llava.reducers.voco import may_attend
from tests.support.llava_tiny import GRID, write_checkpoint
from tests.support.published import finished, write_voco

QUESTIONS = ("what is it ?", "red or\nblue ?", "is the circle a square ?", "which color and shape ?")
WAYS = [{"batch_tokens": 100_000}, {"batch_tokens": 1}, {"sharing": False}]


def _loaded(folder: Path, name: str = "voco-llama-7b") -> LlavaAdapter:
    model = load_model(name, checkpoint=str(folder), device="cpu", dtype="float32")
    assert isinstance(model, LlavaAdapter)
    return model


def _picture(folder: Path) -> Image:
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    PIL.Image.fromarray(picture).save(folder / "p.png")
    return Image("p", folder / "p.png")


def _answers(adapter: LlavaAdapter, folder: Path, *questions: str) -> list[Response]:
    media = _picture(folder)
    group = Group(media, tuple(Request(str(at), text, 6) for at, text in enumerate(questions)))
    ready = ReadyGroup(group, adapter.preparer()(media, FramePolicy()))
    return sorted(adapter.respond([ready]), key=lambda response: response.sample_id)


def test_sample_task_is_answered_alike_shared_and_one_by_one(tmp_path: Path) -> None:
    folder = write_voco(tmp_path / "model")
    together, *others = finished("voco-llama-7b", folder, "gqa", tmp_path, WAYS, 16)
    assert len(set(together.values())) > 1
    assert all(other == together for other in others)


@pytest.mark.parametrize(("name", "tokens"), [("voco-llama-7b", 1), ("voco-llama-7b-2", 2)])
@torch.no_grad()
def test_answers_are_those_under_the_papers_mask(tmp_path: Path, name: str, tokens: int) -> None:
    adapter = _loaded(write_voco(tmp_path / "model"), name)
    model = adapter.model
    chunk = next(iter(adapter.preparer()(_picture(tmp_path), FramePolicy())))
    pixels = model.tower.normalise(torch.from_numpy(chunk), torch.float32)
    patches = model.reducer.encode(model.tower(pixels.flatten(0, 1), model.reducer.request), 1).tokens[0]
    for response, question in zip(_answers(adapter, tmp_path, *QUESTIONS), QUESTIONS, strict=True):
        ids = prompt_ids(question, True, adapter.template, adapter.tokenizer)
        at = ids.index(IMAGE)
        words = model.lm.model.embed_tokens(torch.tensor(ids).clamp(min=0))
        row = torch.cat([words[:at], patches, words[at + 1 :]])
        voco = torch.tensor([*ids[:at], *[IMAGE] * len(patches), *ids[at + 1 :]]) == model.reducer.kept
        assert int(voco.sum()) == tokens
        said: list[int] = []
        while len(said) < 6 and said[-1:] != [2]:
            allowed = may_attend(voco[None], torch.ones(1, len(row), dtype=torch.bool))
            logits = model.lm(inputs_embeds=row[None], attention_mask=allowed[:, None]).logits[0, -1]
            said.append(int(logits.argmax()))
            row = torch.cat([row, model.lm.model.embed_tokens(torch.tensor(said[-1:]))])
            voco = torch.cat([voco, torch.tensor([False])])
        assert response.text == adapter.tokenizer.decode(said, skip_special_tokens=True).strip()
        assert (response.vision_tokens, response.output_tokens) == (GRID**2, len(said))
        assert response.text_tokens == len(ids) - 1


def test_prompt_begins_with_the_picture_and_has_no_other_line_break() -> None:
    template = conversation("voco_2")
    text = template.render(("<image>\nA.\nB.", None), None)
    assert text.startswith(
        "<image>\n<voco><voco>\nA chat between a curious user and an artificial intelligence assistant"
    )
    assert "assistant of the image. The assistant gives" in text
    assert text.endswith("USER: A.B. ASSISTANT:")
    assert template.render(("<image>\nis <vo\nco> <im<voco>age> a word ?", None), None).count("<voco>") == 2
    assert "<voco>" not in template.render(("text only", None), None)


def test_a_question_is_cut_at_the_models_limit(tmp_path: Path) -> None:
    template = conversation("voco_1")
    adapter = _loaded(write_voco(tmp_path / "model"))
    length = len(prompt_ids("what is it ?", True, template, adapter.tokenizer)) - 1 + GRID**2
    adapter = _loaded(write_voco(tmp_path / "short", tokenizer_model_max_length=length - 2))
    (response,) = _answers(adapter, tmp_path, "what is it ?")
    assert response.notes == ("prompt cut by 2 tokens (tokenizer_model_max_length)",)
    assert response.vision_tokens + response.text_tokens == length - 2


def test_weights_are_needed() -> None:
    with pytest.raises(NotAvailable, match="weights of voco-llama-7b were never published"):
        load_model("voco-llama-7b")


def test_llava_without_the_word_is_refused_with_its_keys(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, compressor_size=None)
    with pytest.raises(
        CheckpointError, match=r"of another shape \(.*model.embed_tokens.weight \[19, 32\] for \[20, 32\]"
    ):
        _loaded(folder)
