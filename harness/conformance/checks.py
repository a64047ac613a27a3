"""The checks: functions of the subject whose docstring is the claim, and which raise Broken with the reason."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from harness.conformance.preparation import prepared_elsewhere, prepared_here
from harness.conformance.subject import FRAMES, MAX_NEW_TOKENS, QUESTIONS, Subject, answered
from harness.engine.local import LocalExecutor
from harness.media.workers import PreparePool
from harness.types import Group, Image, Media, Missing, Response, Video

MODALITIES = {"image", "video"}


class Broken(Exception):
    """The adapter does not keep its contract."""


def card(subject: Subject) -> None:
    """The card is complete, goes through JSON and is the same in another process and after answering."""
    before = dataclasses.asdict(subject.model.card)
    for name in ("name", "digest", "dtype", "version"):
        if not before[name] or not isinstance(before[name], str):
            raise Broken(f"card.{name} is {before[name]!r}; it must be a text that is not empty")
    seen = set(before["modalities"])
    if not seen or not seen <= MODALITIES:
        raise Broken(f"card.modalities is {before['modalities']!r}; there are image and video")
    try:
        text = json.dumps(before, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise Broken(f"card does not go through JSON: {error}") from error
    subject.ask([subject.groups[0]])
    if json.dumps(dataclasses.asdict(subject.model.card), sort_keys=True) != text:
        raise Broken("the card changed while the model answered; the response cache would not know it again")
    elsewhere = subject.card_elsewhere
    for name, value in json.loads(text).items() if elsewhere is not None else ():
        if elsewhere is not None and json.loads(json.dumps(elsewhere))[name] != value:
            raise Broken(f"card.{name} is {value!r} here and {elsewhere[name]!r} in another process")


def preparer(subject: Subject) -> None:
    """The preparer travels to a worker process, needs no torch there and gives the same chunks of bytes."""
    here = prepared_here(subject.model.preparer(), subject.media, FRAMES)
    elsewhere, torch = prepared_elsewhere(subject.model.preparer(), subject.media, FRAMES)
    if torch:
        raise Broken("the preparer imports torch in worker processes, which costs each of them seconds and memory")
    for media in subject.media:
        if not here[media.id]:
            raise Broken(f"{media.id}: no chunk at all")
        if here[media.id] != elsewhere[media.id]:
            raise Broken(f"{media.id}: chunks differ between this process and a worker: {elsewhere[media.id]}")


def once(subject: Subject) -> None:
    """Every request is answered exactly once."""
    said = Counter(one.sample_id for one in subject.ask(subject.groups))
    asked = {request.sample_id for group in subject.groups for request in group.requests}
    if wrong := {name: said[name] for name in asked if said[name] != 1}:
        raise Broken(f"answers a request: {wrong}")
    if unknown := set(said) - asked:
        raise Broken(f"answers to what nobody asked: {sorted(unknown)}")


def determinism(subject: Subject) -> None:
    """The same call twice gives the same answers."""
    first, second = (answered(subject.ask(subject.groups)) for _ in range(2))
    _same(first, second, "the first time", "the second time")


def batches(subject: Subject) -> None:
    """Answers do not depend on which groups and questions stand in one call."""
    _same(subject.alone, answered(subject.ask(subject.groups)), "alone", "all in one call")
    backwards = [dataclasses.replace(one, requests=one.requests[::-1]) for one in subject.groups[::-1]]
    _same(subject.alone, answered(subject.ask(backwards)), "alone", "all in one call, backwards")


def sharing(subject: Subject) -> None:
    """What questions about one medium share does not change their answers."""
    before = subject.model.sharing
    try:
        subject.model.sharing = True
        together = answered([one for group in subject.groups for one in subject.ask([group])])
        subject.model.sharing = False
        apart = answered([one for group in subject.groups for one in subject.ask([group])])
    finally:
        subject.model.sharing = before
    _same(apart, together, "without sharing", "with sharing")


def tokens(subject: Subject) -> None:
    """Token counts and frames are there, fit the request, and max_new_tokens holds."""
    if not any(said.text_tokens for said in subject.alone.values()):
        raise Broken("text_tokens is 0 everywhere: it does not tell what its prompts take, so tables cannot either")
    for name, said in subject.alone.items():
        for field in ("vision_tokens", "text_tokens", "output_tokens", "frames"):
            if not isinstance(getattr(said, field), int) or getattr(said, field) < 1 - (field == "output_tokens"):
                raise Broken(f"{name}: {field} is {getattr(said, field)!r} for a question about a medium")
        if said.text and not 1 <= said.output_tokens <= MAX_NEW_TOKENS:
            raise Broken(f"{name}: {said.output_tokens} output tokens, where {MAX_NEW_TOKENS} are the most")
    first = subject.media[0]
    short, long = subject.alone[f"{first.id}/0"], subject.alone[f"{first.id}/2"]
    if long.text_tokens <= short.text_tokens:
        raise Broken(f"a longer question takes {long.text_tokens} text tokens, a shorter one {short.text_tokens}")
    limited = answered(subject.ask([subject.group(first, QUESTIONS[0], max_new_tokens=1)]))
    if any(one.output_tokens > 1 for one in limited.values()):
        raise Broken("max_new_tokens 1 is not kept")


def text_only(subject: Subject) -> None:
    """A question without a medium is answered, beside others, and sees none."""
    text = subject.text_only
    (name,) = (request.sample_id for request in text.requests)
    found = answered(subject.ask([subject.groups[0], text]))
    if name not in found:
        raise Broken("a question without a medium has no answer")
    if found[name].vision_tokens or found[name].frames:
        raise Broken(f"it counts {found[name].vision_tokens} vision tokens and {found[name].frames} frames")


def bad_media(subject: Subject) -> None:
    """A file that cannot be read costs its own questions alone, with a reason."""
    bad: list[Media] = []
    for kind, suffix in ((Image, "png"), (Video, "mp4")):
        if kind.__name__.lower() in subject.model.card.modalities:
            for name, content in (("empty", b""), ("text", b"this is neither picture nor video")):
                path = subject.folder / f"{name}.{suffix}"
                path.write_bytes(content)
                bad.append(kind(f"{name}.{suffix}", path))
    groups = [subject.groups[0], *(subject.group(one, *QUESTIONS[:2]) for one in bad), *subject.groups[1:]]
    ends = _through_the_engine(subject, groups)
    for one in bad:
        for at in range(2):
            end = ends[f"{one.id}/{at}"]
            if isinstance(end, Response):
                raise Broken(f"{one.id} cannot be read, and is answered")
            if end.reason == "preparation failed" or end.reason.startswith("model error"):
                raise Broken(f"{one.id}: no MediaError but {end.reason}: {end.detail}")
    good = {name: end for name, end in ends.items() if isinstance(end, Response)}
    _same(subject.alone, good, "alone", "beside media that cannot be read")


def cancellation(subject: Subject) -> None:
    """A call that is given up midway leaves nothing behind: the next one answers as ever."""
    said = subject.model.respond([subject.ready(group) for group in subject.groups])
    if not hasattr(said, "close"):
        raise Broken("respond is no generator, so whoever gives up must wait for its end")
    next(said)
    said.close()
    _same(subject.alone, answered(subject.ask(subject.groups)), "alone", "after a call that was given up")


def costs(subject: Subject) -> None:
    """cost_tokens is a whole number of at least 1 that does not fall with more questions, and opens no file."""
    for group in subject.groups:
        gone = dataclasses.replace(group.media, source=subject.folder / "not there") if group.media else None
        one, all_of_them = (
            subject.model.cost_tokens(Group(gone, requests)) for requests in (group.requests[:1], group.requests)
        )
        if not isinstance(one, int) or not isinstance(all_of_them, int) or not 1 <= one <= all_of_them:
            raise Broken(f"{group.id}: {one!r} for one question, {all_of_them!r} for {len(group.requests)}")


CHECKS: Mapping[str, Callable[[Subject], None]] = {
    "card": card,
    "preparer": preparer,
    "once": once,
    "determinism": determinism,
    "batches": batches,
    "sharing": sharing,
    "tokens": tokens,
    "text-only": text_only,
    "bad-media": bad_media,
    "cancellation": cancellation,
    "costs": costs,
}


def _same(one: Mapping[str, Response], other: Mapping[str, Response], first: str, second: str) -> None:
    for name in one:
        if name not in other:
            raise Broken(f"{name}: no answer {second}")
        if one[name] != other[name]:
            fields = [field.name for field in dataclasses.fields(Response)]
            differs = [field for field in fields if getattr(one[name], field) != getattr(other[name], field)]
            values = "; ".join(f"{key} {getattr(one[name], key)!r}, {getattr(other[name], key)!r}" for key in differs)
            raise Broken(f"{name}: {first} and {second} differ in {values}")


def _through_the_engine(subject: Subject, groups: Sequence[Group]) -> dict[str, Response | Missing]:
    """As a run would ask: one batch, media prepared in this process."""
    with PreparePool(subject.model.preparer(), 0, 60.0, 1 << 26) as pool:
        executor = LocalExecutor(subject.model, pool, batch_tokens=1 << 40)
        return {outcome.sample_id: outcome.result for outcome in executor.run(groups)}
