"""What a preparer makes of media, here and in a process of its own as the engine's workers are."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

from harness.errors import UserError
from harness.media.chunks import Preparer
from harness.types import FramePolicy, Media

TIMEOUT_S = 120.0
Prepared: TypeAlias = dict[str, list[str]]
"""A medium's chunks by its id, each as type, shape and sha256."""


def prepared_here(preparer: Preparer, media: Sequence[Media], frames: FramePolicy) -> Prepared:
    return {
        one.id: [
            f"{chunk.dtype} {chunk.shape} {hashlib.sha256(chunk.tobytes()).hexdigest()[:12]}"
            for chunk in preparer(one, frames)
        ]
        for one in media
    }


def prepared_elsewhere(preparer: Preparer, media: Sequence[Media], frames: FramePolicy) -> tuple[Prepared, bool]:
    """The same in a spawned process, and whether torch was imported there. Raises UserError where it does not come
    back, and whatever keeps the preparer from being pickled."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_prepare, args=(theirs, preparer, media, frames), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(TIMEOUT_S):
            raise UserError(f"nothing came back from a worker process in {TIMEOUT_S:g} s.")
        found: tuple[Prepared, bool] | str = ours.recv()
    except EOFError as error:
        process.join(5)
        raise UserError(f"a worker process ended with exit code {process.exitcode}.") from error
    finally:
        process.kill()
        process.join()
    if isinstance(found, str):
        raise UserError(f"in a worker process: {found}.")
    return found


def _prepare(pipe: Connection[Any, Any], preparer: Preparer, media: Sequence[Media], frames: FramePolicy) -> None:
    try:
        found = prepared_here(preparer, media, frames)
    except Exception as error:  # told to the parent, which says it
        pipe.send(f"{type(error).__name__}: {error}")
        return
    pipe.send((found, "torch" in sys.modules))
