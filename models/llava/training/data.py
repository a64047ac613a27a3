"""LLaVA-format JSON as packs: one picture or clip with several questions about it, ready for a batch.

A record is {"id", "image" | "video" | neither, "conversations": [human, gpt, human, gpt, ...]}. Records about the same
medium go into one pack, so the frozen tower and the vision part of pre-fusion run once for all of them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.llava.model import IGNORE

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of a prompt (-200 where the medium goes) and of its answer, end token included."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pack:
    """Examples about one medium: the path of a picture or clip, or None for text alone."""

    medium: str | None
    examples: tuple[Example, ...]


Encode = Callable[[str], tuple[int, ...]]


def read_records(path: Path) -> list[dict[str, Any]]:
    """The list of a LLaVA-format JSON file. Raises ValueError naming the first record that is not of this form."""
    records = json.loads(path.read_text())
    for record in records:
        talk = record.get("conversations", [])
        if not talk or [turn["from"] for turn in talk] != ["human", "gpt"] * (len(talk) // 2):
            raise ValueError(f"{path}: record {record.get('id')!r} needs 'conversations' of human and gpt in turn")
    return records


def packs_of(records: Iterable[Mapping[str, Any]], prompt: Encode, answer: Encode, size: int) -> list[Pack]:
    """Packs of at most `size` examples, in the records' order. Each human turn is a question of its own."""
    examples: dict[tuple[str, str], Example] = {}
    media: dict[str, list[Example]] = {}
    packs = []
    for record in records:
        turns = [turn["value"] for turn in record["conversations"]]
        medium = record.get("image") or record.get("video")
        for key in zip(turns[::2], turns[1::2], strict=True):
            example = examples.get(key) or examples.setdefault(key, Example(prompt(key[0]), answer(key[1])))
            if medium is None:
                packs.append(Pack(None, (example,)))
            else:
                media.setdefault(medium, []).append(example)
    for medium, asked in media.items():
        packs += [Pack(medium, tuple(asked[first : first + size])) for first in range(0, len(asked), size)]
    return packs


def batches(packs: Sequence[Pack], size: int, count: int, seed: int) -> list[list[Pack]]:
    """`count` shuffled batches of `size` like packs (kind of medium, length, one question or more), in epochs.

    Smaller ones where no kind of pack fills one. Raises ValueError without packs.
    """
    rng = random.Random(seed)
    alike: dict[tuple[str, int, bool], list[Pack]] = {}
    for pack in packs:
        kind, longest = (pack.medium or "").rpartition(".")[2], max(len(example.prompt) for example in pack.examples)
        alike.setdefault((kind, longest // 24, len(pack.examples) > 1), []).append(pack)
    made: list[list[Pack]] = []
    while len(made) < count:
        epoch = []
        for same in alike.values():
            rng.shuffle(same)
            epoch += [same[first : first + size] for first in range(0, len(same) - size + 1, size)]
        epoch = epoch or list(alike.values())
        if not epoch:
            raise ValueError("there are no packs to make batches of: no record fits")
        rng.shuffle(epoch)
        made += epoch
    return made[:count]


def collate(packs: Sequence[Pack], pad: int) -> dict[str, torch.Tensor]:
    """`input_ids` and `labels` [packs, questions, tokens], right-padded; labels are `IGNORE` but for answers."""
    import torch

    questions = max(len(pack.examples) for pack in packs)
    tokens = max(len(e.prompt) + len(e.answer) for pack in packs for e in pack.examples)
    ids = torch.full((len(packs), questions, tokens), pad)
    labels = torch.full_like(ids, IGNORE)
    for row, pack in enumerate(packs):
        for column, example in enumerate(pack.examples):
            start, end = len(example.prompt), len(example.prompt) + len(example.answer)
            ids[row, column, :start] = torch.tensor(example.prompt)
            ids[row, column, start:end] = labels[row, column, start:end] = torch.tensor(example.answer)
        ids[row, len(pack.examples) :, :1] = ids[row, 0, :1]  # an empty question still holds the start token
    return {"input_ids": ids, "labels": labels}
