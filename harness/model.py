"""The contract of a model adapter. An adapter names no task, and leaves batching, media, retries, caching, progress and
devices to the engine; it is at most about 100 lines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.errors import UserError
from harness.media.chunks import Chunk, Preparer
from harness.types import Failure, Group, Json, Response


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Identity of a loaded model: everything that could change an answer is in here, nothing that could not.

    `digest`: sha256 over the weights. `version`: raised by the adapter's author when the code changes answers.
    `settings`: what else decides answers (conversation template, number of vision tokens, image handling).
    """

    name: str
    digest: str
    dtype: str
    version: str
    modalities: tuple[str, ...] = ("image",)
    settings: Mapping[str, Json] = field(default_factory=dict)
    source: str = ""
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class ReadyGroup:
    """A group whose medium is being prepared: `chunks` streams from the worker, once; empty for a text-only group.

    Iterating it may raise MediaError; the adapter lets it pass, and the engine makes the group's samples Missing.
    """

    group: Group
    chunks: Iterator[Chunk]


class Model(ABC):
    """A loaded model on its device.

    `sharing`: whether questions about one medium may share what does not depend on them; False is the reference path.
    """

    card: ModelCard
    sharing: bool = True

    def compile(self) -> None:
        """Compiles what decoding spends its time in; the card then says so, since rounding can change answers.

        Raises UserError where an adapter cannot.
        """
        raise UserError(f"{self.card.name} cannot be compiled: leave --compile out.")

    def notes(self) -> Sequence[str]:
        """What a person should know after a task, e.g. what a server was paid."""
        return ()

    @abstractmethod
    def preparer(self) -> Preparer:
        """The CPU side of this model, sent to worker processes."""

    @abstractmethod
    def cost_tokens(self, group: Group) -> int:
        """Rough size of a group's largest batch in tokens, by which the engine fills batches up to --batch-tokens."""

    @abstractmethod
    def respond(self, groups: Sequence[ReadyGroup]) -> Iterator[Response | Failure]:
        """Answers every request of the groups, yielding each Response as it is finished, in any order. A Failure takes
        its place where this one request cannot be answered (a server refused it, a worker died of it).

        Reads the groups' chunks in order: later ones may wait for earlier ones to be read. The answers must not depend
        on which groups or questions stand in one call. Raises MediaError from a group's chunks before
        any response of that group, torch.OutOfMemoryError (the engine tries smaller calls) and nothing else.
        """
