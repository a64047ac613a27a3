"""Prompts: from the preset, the checkpoint's chat template or the family, and where the visual tokens stand in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import CheckpointError
from harness.types import Image, Media, Video
from models.transformers_native.families import FAMILIES, QUESTION
from models.transformers_native.prompts import Prompts, prompts
from models.weights import load_tokenizer
from tests.support.native_tiny import SPECIAL, write_words

PICTURE: Media = Image("p", Path("p.png"))
CLIP: Media = Video("v", Path("v.mp4"))
PARTS = """{% for m in messages %}{{ m['role'] }} : {% for c in m['content'] %}\
{% if c['type'] == 'text' %}{{ c['text'] }}{% else %}<{{ c['type'] }}>{% endif %}{% endfor %}{% endfor %}\
{% if add_generation_prompt %} assistant :{% endif %}"""
WITH_BEGIN = "{{ bos_token }}" + PARTS
OF_A_LANGUAGE_MODEL = "{% for m in messages %}{{ m['role'] + ' : ' + m['content'] }}{% endfor %}"
QUOTING = "{% for m in messages %}{{ m['role'] }} : {{ m['content'] }}{% endfor %}"
SWALLOWING = "{% for m in messages %}{{ m['role'] }} :{% endfor %}"


def _prompts(folder: Path, family: str, template: str | None = None, own: str | None = None) -> Prompts:
    write_words(folder)
    tokenizer = load_tokenizer(folder)
    tokenizer.chat_template = template
    return prompts(FAMILIES[family], tokenizer, folder, own)


@pytest.mark.parametrize("family", FAMILIES)
def test_visual_tokens_have_one_place_before_the_question(family: str, tmp_path: Path) -> None:
    made = _prompts(tmp_path, family)
    for media in (PICTURE, *([CLIP] if FAMILIES[family].video else [])):
        before, after = made.parts("which shape ?", media)
        assert made.parts("is it red", media)[0] == before
        words = made.tokenizer.decode(after)
        assert "which shape?" in words.replace(" ?", "?")
        assert not {SPECIAL.index(token) for token in ("<image>", "<video>", "<|image_pad|>")} & set(after)
        assert (SPECIAL.index("<image>") in before) == (family == "idefics")
    before, after = made.parts("which shape ?", None)
    assert not before
    assert not {SPECIAL.index(token) for token in SPECIAL if "image" in token or "vision" in token} & set(after)


@pytest.mark.parametrize("template", [PARTS, WITH_BEGIN])
def test_the_checkpoints_chat_template_comes_first(template: str, tmp_path: Path) -> None:
    made = _prompts(tmp_path, "video_llava", template)
    assert made.templates == {
        "image": f"user : <image>{QUESTION} assistant :",
        "video": f"user : <video>{QUESTION} assistant :",
        "text": f"user : {QUESTION} assistant :",
    }
    before, _ = made.parts("which", PICTURE)
    assert before.count(SPECIAL.index("<s>")) == 1


def test_a_file_beside_the_processor_comes_before_the_tokenizers(tmp_path: Path) -> None:
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": PARTS}))
    assert _prompts(tmp_path, "llava", SWALLOWING).templates["image"] == f"user : <image>{QUESTION} assistant :"


@pytest.mark.parametrize("template", [OF_A_LANGUAGE_MODEL, QUOTING, SWALLOWING, "{{ 1 / 0 }}", None])
def test_a_template_that_knows_no_pictures_leaves_the_familys(template: str | None, tmp_path: Path) -> None:
    made = _prompts(tmp_path, "llava", template)
    assert made.templates["image"] == f"USER: <image>\n{QUESTION} ASSISTANT:"


def test_the_presets_prompt_comes_before_all(tmp_path: Path) -> None:
    made = _prompts(tmp_path, "llava", PARTS, own="{medium} Question: {question} Answer:")
    assert made.templates["image"] == f"<image> Question: {QUESTION} Answer:"
    assert made.templates["text"] == f" Question: {QUESTION} Answer:"


def test_a_tokenizer_without_the_placeholder_is_of_another_checkpoint(tmp_path: Path) -> None:
    write_words(tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    raw = json.loads((tmp_path / "tokenizer.json").read_text())
    raw["added_tokens"] = [one for one in raw["added_tokens"] if one["content"] != "<image>"]
    raw["model"]["vocab"].pop("<image>")
    (tmp_path / "tokenizer.json").write_text(json.dumps(raw))
    tokenizer = load_tokenizer(tmp_path)
    with pytest.raises(CheckpointError, match="no token <image>"):
        prompts(FAMILIES["llava"], tokenizer, tmp_path, None)
