"""Memory against the number of images or frames: the slope of live and of peak bytes, with intercept and fit.

On CUDA the bytes are the allocator's, elsewhere those of the storages, counted exactly. Source: specs/efficiency.md
section 3.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from harness.profiler.lines import Line, fit
from harness.profiler.storages import LiveBytes, fused_attention

if TYPE_CHECKING:
    from transformers import LlamaConfig

LEAST_COUNTS = 4
MIB = 2**20
GIB = 2**30


@dataclass(frozen=True, slots=True)
class MemorySlopes:
    """Bytes beyond the weights at each count, and their lines. `method`: "allocator" (CUDA) or "counted"."""

    counts: tuple[int, ...]
    live_bytes: tuple[int, ...]
    peak_bytes: tuple[int, ...]
    live: Line
    peak: Line
    method: str


def measure_memory(
    run: Callable[[Any], object],
    counts: Sequence[int],
    device: torch.device,
    known: Iterable[Tensor] = (),
    before: Callable[[int], Any] = int,
) -> MemorySlopes:
    """`run(before(n))` does the work for n images and returns what stays alive afterwards; each count starts afresh.

    What `before` makes counts as alive, but its own peak does not. `known`: weights, which are not counted. Raises
    UserError with fewer than four counts.
    """
    held = list(known)
    take = _allocated if device.type == "cuda" else _counted
    points = [take(partial(before, count), run, device, held) for count in counts]
    live, peak = tuple(p[0] for p in points), tuple(p[1] for p in points)
    method = "allocator" if device.type == "cuda" else "counted"
    lines = fit(counts, live, LEAST_COUNTS), fit(counts, peak, LEAST_COUNTS)
    return MemorySlopes(tuple(counts), live, peak, *lines, method)


def _counted(
    before: Callable[[], Any], run: Callable[[Any], object], _: torch.device, known: Sequence[Tensor]
) -> tuple[int, int]:
    with torch.inference_mode(), fused_attention(), LiveBytes(known) as counter:
        given = before()
        counter.peak = counter.live
        kept = run(given)
        live, peak = counter.live, counter.peak
        del given, kept
    return live, peak


def _allocated(
    before: Callable[[], Any], run: Callable[[Any], object], device: torch.device, _: object
) -> tuple[int, int]:
    gc.collect()
    torch.cuda.empty_cache()
    start = torch.cuda.memory_allocated(device)
    with torch.inference_mode():
        given = before()
        torch.cuda.reset_peak_memory_stats(device)
        kept = run(given)
        torch.cuda.synchronize(device)
        live, peak = torch.cuda.memory_allocated(device), torch.cuda.max_memory_allocated(device)
        del given, kept
    return live - start, peak - start


def tensor_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of the storages of some tensors, each storage once."""
    storages = {tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())


def cache_bytes_per_token(config: LlamaConfig, dtype: torch.dtype) -> int:
    """Bytes of one position in the key/value cache: 2 * layers * key/value heads * head width * item size."""
    heads = config.num_key_value_heads or config.num_attention_heads
    width = config.head_dim or config.hidden_size // config.num_attention_heads
    return 2 * config.num_hidden_layers * heads * width * dtype.itemsize


def paper_bytes_per_token(config: LlamaConfig, dtype: torch.dtype) -> int:
    """What the paper's memory curves grow by: key/value cache and fp32 logits of every position stay alive.

    That is transformers < 4.45 after one forward: 652,288 bytes for Vicuna-7B in fp16, i.e. 358.31 MiB for 576 tokens.
    """
    return cache_bytes_per_token(config, dtype) + int(config.vocab_size) * torch.float32.itemsize
