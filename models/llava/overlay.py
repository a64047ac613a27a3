"""Weights published apart from their model: a file of a few tensors, laid over a base that gets some words more.

Published so by Video-ChatGPT: `video_chatgpt-7B.bin` holds the projector, and may hold the embeddings, over the weights
of mmaaz60/LLaVA-7B-Lightening-v1-1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from harness.errors import CheckpointError
from models.weights import fetch

_GROWING = ("model.embed_tokens.weight", "lm_head.weight")
_NEEDED = "model.mm_projector."


def overlay_file(folder: Path, name: str) -> Path:
    """The file `name`, "owner/repository/file": in the base's folder or beside it, else from the hub.

    Raises NotAvailable.
    """
    repository, _, file = name.rpartition("/")
    for place in (folder / file, folder / name, folder.parent / file, folder.parent / name):
        if place.is_file():
            return place
    return fetch(repository, f"hf download {repository} {file} --local-dir {folder}", (file,)) / file


def laid_over(
    base: Iterable[Mapping[str, Tensor]], path: Path, read: Callable[[Path], Mapping[str, Tensor]], words: int
) -> Iterator[Mapping[str, Tensor]]:
    """The base's weights file by file, grown to `words` rows, then those of `path`, which come last and count.

    A new row is the mean of all others: its logit is the mean of theirs, so greedy decoding never chooses it.
    Raises CheckpointError where `path` holds no projector.
    """
    top = read(path)
    if not any(key.startswith(_NEEDED) for key in top):
        raise CheckpointError(
            f"{path}: holds no {_NEEDED}* but {', '.join(sorted(top)[:5]) or 'nothing'}, so it is not the file that "
            "its preset names. Download it again."
        )
    for shard in chain(base, (top,)):
        yield {key: _grown(tensor, words) if key in _GROWING else tensor for key, tensor in shard.items()}


def _grown(tensor: Tensor, words: int) -> Tensor:
    more = words - len(tensor)
    if more <= 0:
        return tensor
    mean = tensor.float().mean(0, keepdim=True).to(tensor.dtype)
    return torch.cat([tensor, mean.expand(more, -1)])
