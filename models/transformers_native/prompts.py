"""Prompts of the families: from the preset, the checkpoint's chat template or the family's own; and their ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import CheckpointError
from harness.types import Media, Video
from models.transformers_native.families import MEDIUM, QUESTION, Family
from models.weights import read_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KINDS = ("image", "video", "text")


@dataclass(frozen=True, slots=True)
class Prompts:
    """`templates`: by kind, with {question}. `places`: the id that gives its place to the visual tokens, by kind;
    `keep`: it stays, as the visual tokens stand elsewhere."""

    tokenizer: PreTrainedTokenizerBase
    templates: Mapping[str, str]
    tokens: Mapping[str, str]
    places: Mapping[str, int]
    in_front: bool = False
    keep: bool = False

    def parts(self, question: str, media: Media | None) -> tuple[list[int], list[int]]:
        """Ids before the visual tokens and after them; those before are the same for every question."""
        kind = kind_of(media)
        for token in self.tokens.values():
            question = question.replace(token, "")
        ids = list(self.tokenizer(self.templates[kind].replace(QUESTION, question)).input_ids)
        if kind == "text" or self.in_front:
            return [], ids
        at = ids.index(self.places[kind])
        return ids[: at + 1 if self.keep else at], ids[at + 1 :]


def kind_of(media: Media | None) -> str:
    """One of KINDS."""
    return "text" if media is None else "video" if isinstance(media, Video) else "image"


def prompts(family: Family, tokenizer: PreTrainedTokenizerBase, folder: Path, own: str | None) -> Prompts:
    """The prompts of a checkpoint. `own`: the preset's. Raises CheckpointError."""
    template = None if own or family.in_front or family.sees == "latents" else _chat_template(tokenizer, folder)
    tokens = {"image": family.image_token} | ({"video": family.video_token} if family.video else {})
    found: dict[str, str] = {}
    for kind in KINDS:
        if kind == "video" and not family.video:
            continue
        token = tokens.get(kind)
        text = _rendered(tokenizer, template, kind, token) if template else None
        text = text or _filled(own or family.prompt, getattr(family, kind, ""))
        found[kind] = text.replace(token, "") if family.in_front and token else text
        if tokenizer.bos_token:
            found[kind] = found[kind].removeprefix(tokenizer.bos_token)  # which the tokenizer writes itself
    places = {} if family.in_front else {kind: _place(tokenizer, token, folder) for kind, token in tokens.items()}
    return Prompts(tokenizer, found, tokens, places, family.in_front, family.sees == "latents")


def _filled(prompt: str, medium: str) -> str:
    """A medium in its place; without one, the line break behind it goes as well."""
    return prompt.replace(MEDIUM, medium) if medium else prompt.replace(f"{MEDIUM}\n", "").replace(MEDIUM, "")


def _chat_template(tokenizer: PreTrainedTokenizerBase, folder: Path) -> str | None:
    """The checkpoint's: beside the processor, where older ones have it, or the tokenizer's."""
    path = folder / "chat_template.json"
    found = read_json(path).get("chat_template") if path.is_file() else tokenizer.chat_template
    return found if isinstance(found, str) else None


def _rendered(tokenizer: PreTrainedTokenizerBase, template: str, kind: str, token: str | None) -> str | None:
    """A prompt by the chat template; None where it is one of a language model, which knows no media."""
    content: list[dict[str, Any]] = [{"type": "text", "text": QUESTION}]
    turns = [{"role": "user", "content": ([{"type": kind}] if token else []) + content}]
    try:
        text = tokenizer.apply_chat_template(turns, chat_template=template, tokenize=False, add_generation_prompt=True)
    except Exception:  # a template is a program, and one that was not written for media fails in any way
        return None
    knows = isinstance(text, str) and text.count(QUESTION) == 1 and "'type'" not in text
    return str(text) if knows and (token is None or str(text).count(token) == 1) else None


def _place(tokenizer: PreTrainedTokenizerBase, token: str, folder: Path) -> int:
    ids = tokenizer(token, add_special_tokens=False).input_ids
    if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
        raise CheckpointError(
            f"{folder}: the tokenizer has no token {token}, which this family's prompts need. Take the tokenizer files "
            "from the same checkpoint as the weights."
        )
    return int(ids[0])
