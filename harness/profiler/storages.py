"""Exact bytes of the tensors that are alive, without a GPU: storages are counted as they come and go.

Works on the meta device (shapes of any size, no memory) and on CPU. Counted is what tensors hold; a CUDA allocator adds
rounding to 512 bytes and what kernels keep for themselves (workspaces, the CUDA context).
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from functools import partial
from types import TracebackType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts storages made while active: `live` bytes now, `peak` the most at any operation.

    `known`: tensors that are there already (weights, inputs) and are not counted.
    """

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = 0
        self.peak = 0
        self._known = list(known)  # held, so that no address is used again
        self._alive = {tensor.untyped_storage()._cdata for tensor in self._known}
        self._watched: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return out

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        self._watched.clear()

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._alive:
            return
        size = storage.nbytes()
        self._alive.add(key)
        self._watched[key] = weakref.ref(storage, partial(self._gone, key, size))
        self.live += size
        self.peak = max(self.peak, self.live)

    def _gone(self, key: int, size: int, _: object) -> None:
        self._alive.discard(key)
        self._watched.pop(key, None)
        self.live -= size


class _Fused(TorchFunctionMode):
    """Attention that allocates its output alone, as fused kernels do."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.nn.functional.scaled_dot_product_attention and args[0].is_meta:
            query, _, value = args[:3]
            return query.new_empty(*query.shape[:-1], value.shape[-1])
        return func(*args, **(kwargs or {}))


def fused_attention() -> _Fused:
    """On the meta device PyTorch spells attention out, with all N x N scores; here it is one operation instead."""
    return _Fused()
