"""Replicas of one model at work: groups handed out one by one, deaths survived, newcomers put to work.

There are no fixed shards. Each replica has a few groups in hand, fewer towards the end, so that all end together. What
a dead replica had in hand goes to others: each such group alone the second time, so that a group that kills whoever
takes it is found out, and is Missing after its second victim.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Protocol, Self

from harness.engine.cache import model_parts
from harness.engine.local import FAILURES_IN_A_ROW, LEAST_AHEAD, MOST_AHEAD, Outcome
from harness.engine.replica import Answer, Broken, Event, Idle, Parcel, Ready
from harness.errors import UserError
from harness.model import ModelCard
from harness.types import Group, Json, Missing, Video

DEATHS = 2
"""So many replicas may a group kill."""
DEATHS_IN_A_ROW = DEATHS * FAILURES_IN_A_ROW
"""Without an answer in between; then it is not the groups."""
STILLBORN = 3
"""So many replicas may die while they load, if none ever loaded."""
LEAST_IN_HAND = 2
"""Groups of a replica, so that one is decoded while another is answered."""
LOOK_SECONDS = 1.0
"""At least so often it is looked whether there is room for more replicas."""


class Died(Exception):
    """A replica is gone. `blameless`: its machine went, so nothing it had in hand is to blame."""

    def __init__(self, why: str, blameless: bool = False) -> None:
        super().__init__(why)
        self.blameless = blameless


class Link(Protocol):
    """The way to one replica, which loads its model as soon as it is there."""

    def send(self, parcel: Parcel) -> None:
        """Never raises: that a replica is gone is told by `receive`."""

    def receive(self) -> Sequence[Event]:
        """Waits for what the replica tells. Raises Died."""

    def end(self) -> None:
        """Ends the replica, whatever it is doing."""


class Site(Protocol):
    """Where replicas run."""

    def room(self) -> int:
        """How many there may be now."""

    def start(self, place: int) -> Link:
        """A new replica in one of the places 0, 1, .. below `room`."""

    def close(self) -> None: ...


@dataclass(eq=False, slots=True)
class _Work:
    """A group under way, and the ids of its requests that have no answer yet."""

    group: Group
    left: set[str]
    deaths: int = 0

    def rest(self) -> Group:
        return replace(self.group, requests=tuple(one for one in self.group.requests if one.sample_id in self.left))


@dataclass(eq=False, slots=True)
class _Member:
    """A replica, and what it has in hand."""

    link: Link
    place: int
    ready: bool = False
    dismissed: bool = False
    idle: bool = False
    waited: float = 0.0
    hand: set[_Work] = field(default_factory=set)
    by_id: dict[str, _Work] = field(default_factory=dict)


class _Open:
    """The groups that nobody has in hand."""

    def __init__(self, groups: Iterable[Group], most: int) -> None:
        self._source, self._left = iter(groups), most
        self._again: list[_Work] = []
        self._ended = False

    @property
    def over(self) -> bool:
        return self._ended and not self._again

    def put_back(self, work: _Work) -> None:
        self._again.append(work)

    def for_hand(self, hand: Collection[_Work], sharers: int) -> _Work | None:
        """What to add to a hand of a replica that shares with others, if anything."""
        if any(one.deaths for one in hand):
            return None
        videos = any(isinstance(one.group.media, Video) for one in hand)
        ahead = LEAST_AHEAD if videos else MOST_AHEAD
        if len(hand) >= max(LEAST_IN_HAND, min(ahead, self._left // (2 * sharers))):
            return None
        for work in self._again:
            if not (hand and work.deaths):
                self._again.remove(work)
                return work
        if (group := next(self._source, None)) is None:
            self._ended = True
            return None
        self._left -= 1
        return _Work(group, {one.sample_id for one in group.requests})


class Crew:
    """The executor of many replicas (see Executor). Starts them at once and returns when the first one is ready.

    Raises UserError where the model cannot be loaded.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._events: queue.SimpleQueue[tuple[_Member, Event | Died]] = queue.SimpleQueue()
        self._members: list[_Member] = []
        self._notes: dict[str, None] = {}
        self._row = self._stillborn = 0
        self._looked = -LOOK_SECONDS
        self._gone_waited = self._waited_before = 0.0
        self.environment: dict[str, Json] = {}
        self._card: ModelCard | None = None
        try:
            self.wait_for(1)
        except BaseException:
            self.close()
            raise

    def wait_for(self, count: int) -> None:
        """Until so many replicas are ready. Raises UserError where none can be."""
        nothing = _Open((), 0)
        while sum(one.ready for one in self._members) < count:
            self._hire()
            for _ in self._event(nothing):
                """No answer can come to no question."""

    @property
    def card(self) -> ModelCard:
        assert self._card is not None
        return self._card

    @property
    def wait_seconds(self) -> float:
        return (self._waited() - self._waited_before) / max(1, len(self._members))

    def _waited(self) -> float:
        return sum((one.waited for one in self._members), self._gone_waited)

    @property
    def notes(self) -> list[str]:
        return list(self._notes)

    def order(self, groups: Sequence[Group]) -> list[Group]:
        """Those with most questions first, so that no long one is left for the end."""
        return sorted(groups, key=lambda one: -len(one.requests))

    def run(self, groups: Iterable[Group], most: int) -> Iterator[Outcome]:
        work = _Open(groups, most)
        self._notes, self._waited_before = {}, self._waited()
        while True:
            self._hire()
            for member in self._members:
                if member.ready:
                    self._give(member, work)
            if work.over and not any(one.hand for one in self._members):
                return
            yield from self._event(work)

    def _hire(self) -> None:
        """Fills the room there is, and makes some where machines have gone: decoding needs it."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        room = self._site.room()
        self._looked = time.monotonic()
        taken = {one.place for one in self._members}
        for place in (place for place in range(room) if place not in taken):
            member = _Member(self._site.start(place), place)
            self._members.append(member)
            threading.Thread(target=self._listen, args=(member,), daemon=True).start()
        for member in self._members[max(1, room) :]:
            if not member.dismissed:
                member.dismissed = True
                member.link.end()

    def _listen(self, member: _Member) -> None:
        try:
            while True:
                for event in member.link.receive():
                    self._events.put((member, event))
        except Died as died:
            self._events.put((member, died))

    def _give(self, member: _Member, work: _Open) -> None:
        parcel = []
        while (one := work.for_hand(member.hand, max(1, len(self._members)))) is not None:
            member.hand.add(one)
            member.by_id |= dict.fromkeys(one.left, one)
            parcel.append(one.rest())
        if parcel or (member.idle and member.hand):  # an empty parcel frees what is held back
            member.link.send(tuple(parcel))
            member.idle = False

    def _event(self, work: _Open) -> Iterator[Outcome]:
        """Waits for one, but not for long, and does what follows from it."""
        try:
            member, event = self._events.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            return
        match event:
            case Ready():
                self._welcome(member, event)
            case Answer():
                self._row, member.waited = 0, event.waited
                if (one := member.by_id.pop(event.sample_id, None)) is not None:
                    one.left.discard(event.sample_id)
                    if not one.left:
                        member.hand.discard(one)
                    yield Outcome(one.group, event.sample_id, event.result, event.seconds)
            case Idle():
                member.idle = True
                self._notes |= dict.fromkeys(event.notes)
            case Broken():
                raise UserError(event.message)
            case Died():
                yield from self._bury(member, event, work)

    def _welcome(self, member: _Member, event: Ready) -> None:
        member.ready = True
        if self._card is None:
            self._card, self.environment = event.card, event.environment
        ours, theirs = model_parts(self._card), model_parts(event.card)
        if differing := [f"{part} {theirs[part]} and {ours[part]}" for part in ours if ours[part] != theirs[part]]:
            raise UserError(
                f"replicas of {self._card.name} are not the same: {'; '.join(differing)}. Their machines need the same "
                "weights and this version of the harness; --dtype makes the type the same on all devices."
            )

    def _bury(self, member: _Member, died: Died, work: _Open) -> Iterator[Outcome]:
        self._members.remove(member)
        member.link.end()
        self._gone_waited += member.waited
        self._looked = -LOOK_SECONDS
        if not member.dismissed:
            self._notes[f"a replica died ({died}); what it had in hand went to others"] = None
        blamed = not (died.blameless or member.dismissed)
        if blamed:
            self._row += 1
            self._stillborn += not member.ready
        if (self._card is None and self._stillborn >= STILLBORN) or self._row >= DEATHS_IN_A_ROW:
            raise UserError(
                f"replicas died {self._row} times without an answer in between, the last time: {died}. What was "
                "answered before is kept; mend the cause (often memory: --batch-tokens), then resume."
            )
        for one in member.hand:
            one.deaths += blamed
            if one.deaths < DEATHS:
                work.put_back(one)
                continue
            for request in one.rest().requests:
                yield Outcome(one.group, request.sample_id, Missing("model process died", f"twice; {died}"))

    def close(self) -> None:
        for member in self._members:
            member.link.end()
        self._site.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
