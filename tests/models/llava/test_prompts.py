"""Prompts, ids and labels against the released templates, and what a question must not do to them."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from harness.errors import UnknownName
from models.llava.prompts import (
    CONVERSATIONS,
    IGNORE,
    IMAGE,
    IMAGE_TEXT,
    conversation,
    prompt_ids,
    tokenize,
    training_ids,
    user_turn,
)
from tests.support.golden import golden_path


@cache
def _tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(golden_path("llava_mini", "tiny_tokenizer"))


def _golden(name: str) -> list[dict[str, Any]]:
    return json.loads(golden_path("llava_mini", name).read_text())


@pytest.mark.golden
def test_prompts_and_ids_are_the_released_ones() -> None:
    for golden in _golden("prompts.json"):
        turns = [golden["user"], golden["assistant"]]
        if golden["assistant"] is not None:
            turns += [golden["second_user"], None]
        prompt = conversation(golden["template"]).render(turns, _tokenizer())
        assert prompt == golden["prompt"], golden["template"]
        assert tokenize(prompt, _tokenizer()) == golden["input_ids"], golden["template"]


@pytest.mark.golden
def test_stop_words_are_the_released_ones() -> None:
    for golden in _golden("prompts.json"):
        template = conversation(golden["template"])
        if golden["stop_str"] is not None:
            assert template.stop == golden["stop_str"]
        if golden["sep_style"] in ("TWO", "MPT", "LLAMA_3_1"):
            released = golden["sep2"] if golden["sep_style"] == "TWO" else golden["sep"]
            assert (template.video_stop or template.stop) == released


@pytest.mark.golden
def test_training_ids_and_labels_are_the_released_ones() -> None:
    for golden in _golden("train_labels.json"):
        if not isinstance(golden["conversation"], list):
            continue
        turns = [text for _, text in golden["conversation"]]
        ids, labels = training_ids(turns, conversation(golden["template"]), _tokenizer())
        assert (ids, labels) == (golden["input_ids"], golden["labels"])
        assert _tokenizer().decode([label for label in labels if label != IGNORE]) == golden["trained_text"]


@pytest.mark.golden
def test_video_sample_differs_from_the_released_one_in_its_placeholder_alone() -> None:
    """The released loader leaves `<image>` of a video sample as plain text, so training never sees its videos."""
    literal = tuple(_tokenizer()(IMAGE_TEXT, add_special_tokens=False).input_ids)
    for golden in _golden("train_labels.json"):
        if isinstance(golden["conversation"], list):
            continue
        text = _tokenizer().decode(golden["input_ids"])
        turns = [part.split("<|eot_id|>")[0] for part in text.split("<|end_header_id|>\n\n")[2:4]]
        ids, labels = training_ids(turns, conversation(golden["template"]), _tokenizer())
        place = ids.index(IMAGE)
        assert (*ids[:place], *literal, *ids[place + 1 :]) == tuple(golden["input_ids"])
        assert (*labels[:place], *[IGNORE] * len(literal), *labels[place + 1 :]) == tuple(golden["labels"])


@pytest.mark.parametrize("name", sorted(CONVERSATIONS))
def test_every_template_asks_with_one_placeholder(name: str) -> None:
    for question in ("What?", "What <image> is that?", "<ima<image>ge>", "<im<image-placeholder>age>"):
        assert prompt_ids(question, True, conversation(name), _tokenizer()).count(IMAGE) == 1
        assert IMAGE not in prompt_ids(question, False, conversation(name), _tokenizer())


@pytest.mark.parametrize("name", sorted(set(CONVERSATIONS) - {"plain", "bare"}))
def test_every_chat_template_trains_the_answers_and_their_ends(name: str) -> None:
    template = conversation(name)
    ids, labels = training_ids(("<image>\nOne?", "Red.", "Two?", "Blue."), template, _tokenizer())
    assert len(ids) == len(labels)
    assert all(label in (IGNORE, token) for token, label in zip(ids, labels, strict=True))
    trained = _tokenizer().decode([label for label in labels if label != IGNORE])
    assert trained.replace(" ", "") == f"Red.{template.stop}Blue.{template.stop}"


def test_placeholder_named_in_the_question_stands_where_it_is_named() -> None:
    assert user_turn("Look at <image-placeholder> and tell.", True) == "Look at <image> and tell."
    assert user_turn("Tell.", True) == "<image>\nTell."


def test_unknown_template_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'llava_llama_3_1'"):
        conversation("llava_llama_31")
