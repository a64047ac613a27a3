"""LLaMA-VID end to end: its layout, its tower and words, two tokens a frame of which one knows the question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from safetensors.torch import load_file
from transformers import InstructBlipVisionConfig, InstructBlipVisionModel, LlamaForCausalLM

from harness.errors import CheckpointError, NotAvailable, UserError
from harness.model import ReadyGroup
from harness.types import FramePolicy, Group, Image, Media, Request, Response, Video
from models import Preset, presets
from models.llava.adapter import LlavaAdapter
from models.llava.config import parse_config
from models.llava.eva import eva_key
from models.llava.loading import load
from models.llava.reducers.llama_vid import LlamaVidReducer
from tests.support.llava_tiny import GRID, raw_config
from tests.support.media import write_video
from tests.support.published import VID, change_weights, eva_weights, finished, rewrite, write_llama_vid
from tests.support.vicuna import VICUNA

WAYS = [{"batch_tokens": 100_000}, {"batch_tokens": 1}, {"sharing": False}]
PUBLISHED = {
    "model.vlm_att_query", "model.vlm_att_ln.weight", "model.vlm_att_projector.weight",
    "model.vlm_att_key_projector.bias", "model.vlm_att_val_projector.weight", "model.mm_projector.0.weight",
    "model.mm_projector.2.bias", "model.vlm_att_encoder.bert.embeddings.word_embeddings.weight",
    "model.vlm_att_encoder.bert.embeddings.LayerNorm.weight",
    "model.vlm_att_encoder.bert.encoder.layer.0.attention.self.query.weight",
    "model.vlm_att_encoder.bert.encoder.layer.0.crossattention.self.key.weight",
    "model.vlm_att_encoder.bert.encoder.layer.3.output_query.dense.weight",
}  # fmt: skip


def _loaded(folder: Path, modalities: tuple[str, ...] = ("image", "video"), **options: Any) -> LlavaAdapter:
    preset = Preset("vid", "", "", str(folder), "v1", modalities, reducer="llama-vid", options={**VID, **options})
    return load(preset, None, "cpu", "float32", "pyav")


def _answers(adapter: LlavaAdapter, media: Media, *questions: str) -> dict[str, Response]:
    group = Group(media, tuple(Request(text, text, 6) for text in questions))
    ready = ReadyGroup(group, adapter.preparer()(media, FramePolicy()))
    return {response.sample_id: response for response in adapter.respond([ready])}


def _picture(folder: Path) -> Image:
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    PIL.Image.fromarray(picture).save(folder / "p.png")
    return Image("p", folder / "p.png")


def test_checkpoint_has_the_published_keys(tmp_path: Path) -> None:
    assert load_file(write_llama_vid(tmp_path) / "model.safetensors").keys() >= PUBLISHED


@pytest.mark.parametrize("task", ["mvbench", "gqa"])
def test_sample_task_is_answered_alike_in_batches_and_one_by_one(tmp_path: Path, task: str) -> None:
    adapter = _loaded(write_llama_vid(tmp_path / "model"))
    together, *others = finished(adapter, tmp_path / "model", task, tmp_path, WAYS, 6)
    assert len(set(together.values())) > 1
    assert all(other == together for other in others)


@pytest.mark.parametrize(("compress", "tokens"), [("mean", 2), ("grid:2", 5), (None, 1 + GRID**2)])
def test_every_frame_has_its_tokens(tmp_path: Path, compress: str | None, tokens: int) -> None:
    adapter = _loaded(write_llama_vid(tmp_path / "model", compress))
    video = Video("v", write_video(tmp_path / "v.mp4", frames=20, fps=5))
    (response,) = _answers(adapter, video, "what is it ?").values()
    assert (response.frames, response.vision_tokens) == (4, 4 * tokens)
    assert adapter.card.settings["vision_tokens"] == tokens
    assert any("anew for each question" in note for note in adapter.card.notes)


def test_context_token_alone_knows_the_question(tmp_path: Path) -> None:
    model = _loaded(write_llama_vid(tmp_path / "model")).model
    pixels = torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        encoded = model.reducer.encode(model.tower(pixels, model.reducer.request), 1)
        question = model.reducer.read(["what is it ?", "red"])
        tokens = [model.reducer.ask(encoded, question.rows(torch.tensor([row, row]))) for row in (0, 1)]
    assert torch.equal(tokens[0][:, 1], tokens[1][:, 1])
    assert float((tokens[0][:, 0] - tokens[1][:, 0]).abs().max()) > 1e-3


def test_tower_sees_a_picture_once_for_all_questions(tmp_path: Path) -> None:
    adapter, seen = _loaded(write_llama_vid(tmp_path / "model")), []
    adapter.model.tower.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    answers = _answers(adapter, _picture(tmp_path), "what is it ?", "which color ?", "is it red ?")
    assert (len(answers), seen) == (3, [1])


def test_frames_without_a_question_cannot_be_seen(tmp_path: Path) -> None:
    model = _loaded(write_llama_vid(tmp_path / "model")).model
    with pytest.raises(ValueError, match="a question a row is needed to see anything: 0 for 1 rows"):
        model(torch.tensor([[1, -200, 5]]), torch.zeros(1, 1, 3, 28, 28))


def test_questions_are_cut_from_their_beginning(tmp_path: Path) -> None:
    read = _loaded(write_llama_vid(tmp_path / "model")).model.reducer.read
    long, short = (read([text]).ids[0] for text in ("red " * 30 + "blue ?", "what blue ?"))
    assert len(long) == 16
    assert long[-3:].tolist() == short[-3:].tolist()
    assert long[0] == short[0]


def test_frames_are_cropped_and_pictures_padded(tmp_path: Path) -> None:
    folder = write_llama_vid(tmp_path / "model", image_aspect_ratio="pad")
    prepare = _loaded(folder).preparer()
    wide = np.zeros((28, 84, 3), np.uint8)
    wide[:, 28:56] = 255
    (tmp_path / "v").mkdir()
    PIL.Image.fromarray(wide).save(tmp_path / "v" / "0.png")
    (frame,) = prepare(Video("v", tmp_path / "v", folder_fps=1.0), FramePolicy())
    (picture,) = prepare(Image("p", tmp_path / "v" / "0.png"), FramePolicy())
    assert frame.mean() > 200 > picture.mean()


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    folder = write_llama_vid(tmp_path)
    change_weights(folder, lambda all_: {k: v for k, v in all_.items() if "vlm_att_ln" not in k})
    with pytest.raises(CheckpointError, match=r"2 missing \(model.vlm_att_ln.bias, model.vlm_att_ln.weight\)"):
        _loaded(folder)
    (folder / "model_zoo" / "LAVIS" / "eva_vit_g.pth").unlink()
    with pytest.raises(NotAvailable, match=r"eva_vit_g.pth is not here"):
        _loaded(folder)


def test_compression_that_cannot_be_is_refused(tmp_path: Path) -> None:
    folder = write_llama_vid(tmp_path)
    for wish, says in (("gird:2", "compress_type 'gird:2' is unknown"), ("grid:5", r"asked for 5 \* 5 content tokens")):
        rewrite(folder, compress_type=wish)
        with pytest.raises(UserError, match=says):
            _answers(_loaded(folder), _picture(tmp_path), "what ?")


def test_other_presets_say_whose_weights_these_are(tmp_path: Path) -> None:
    folder = write_llama_vid(tmp_path)
    weights = load_file(folder / "model.safetensors")
    rewrite(folder, mm_vision_tower="vision_tower")
    assert "model.vlm_att_query" in weights
    with pytest.raises(CheckpointError, match="By their keys they are of LLaMA-VID"):
        load(Preset("plain", "", "", str(folder), "v1"), None, "cpu", "float32", "pyav")


def test_digest_changes_with_the_tower_and_the_words(tmp_path: Path) -> None:
    folder = write_llama_vid(tmp_path)
    digests = {_loaded(folder).card.digest}
    vocabulary = folder / "bert-base-uncased" / "vocab.txt"
    vocabulary.write_text(vocabulary.read_text() + "\nnew")
    digests.add(_loaded(folder).card.digest)
    torch.save(eva_weights(mlp=24), folder / "model_zoo" / "LAVIS" / "eva_vit_g.pth")
    digests.add(_loaded(folder).card.digest)
    assert len(digests) == 3


def test_movie_prompt_stands_around_the_film() -> None:
    from models.llava.prompts import conversation, user_turn

    template = conversation(presets()["movie-llm-7b"].conversation)
    said = user_turn("Who?", True, template.turn)
    assert said.startswith("Below is a movie. Memorize the content")
    assert said.endswith("<image>\nNow the movie end.\nWho?")


def test_published_shapes() -> None:
    """At the size that was published, on the meta device."""
    raw = {**VICUNA, "model_type": "llava", "mm_hidden_size": 1408, "compress_type": "mean"}
    with torch.device("meta"):
        reducer = LlamaVidReducer(parse_config(raw, "published", "llama-vid"))
        eva = InstructBlipVisionModel(InstructBlipVisionConfig())
    shapes = {reducer.public_key(name): [*one.shape] for name, one in reducer.named_parameters()}
    shapes |= {eva_key(name): [*one.shape] for name, one in eva.named_parameters()}
    assert shapes["model.vlm_att_query"] == [1, 32, 768]
    assert shapes["model.vlm_att_encoder.bert.embeddings.word_embeddings.weight"] == [30523, 768]
    assert shapes["model.vlm_att_encoder.bert.encoder.layer.10.crossattention.self.key.weight"] == [768, 1408]
    assert "model.vlm_att_encoder.bert.encoder.layer.11.crossattention.self.key.weight" not in shapes
    assert shapes["model.vlm_att_val_projector.weight"] == [4096, 1408]
    assert shapes["model.mm_projector.2.weight"] == [4096, 4096]
    assert shapes["blocks.38.attn.qkv.weight"] == [3 * 1408, 1408]
    assert shapes["blocks.38.mlp.fc1.weight"] == [6144, 1408]
    assert shapes["pos_embed"] == [1, 257, 1408]


def test_long_videos_scale_positions_as_their_config_says() -> None:
    """Movie-LLM's: linear, by 16, in the notation of its time."""
    scaling = {"type": "linear", "factor": 16.0}
    plain, scaled = (
        LlamaForCausalLM(parse_config(raw_config(compressor_size=None, **more), "long").llama_config()).model.rotary_emb
        for more in ({}, {"rope_scaling": scaling})
    )
    torch.testing.assert_close(scaled.inv_freq * 16, plain.inv_freq)
