"""The kinds of error a person can cause or meet, each with what to do about it.

`UserError` ends a command with one message and exit code 2. `MediaError` never ends a run: the samples that need the
medium become Missing with its reason.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """The user must change something. The message says what happened, where, and what to do; exit code 2."""


class UnknownName(UserError):
    """A model, task or option that does not exist; the message names the nearest one that does."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        super().__init__(f"unknown {kind} '{name}'.{hint} Known: {', '.join(names)}.")
        self.nearest = near[0] if near else None


class NotAvailable(UserError):
    """Weights or a dataset that cannot be reached; the message says what to get, where to put it and what works now."""


class CheckpointError(UserError):
    """A checkpoint whose files or keys do not fit the model; the message lists the keys."""


class MediaError(Exception):
    """An image or video that cannot be read. `reason` is short, stable and groups equal failures in reports."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[MediaError], tuple[str, str]]:
        return type(self), (self.reason, self.detail)  # it crosses process borders
