"""What sets two runs apart besides the model: samples, prompts, limits, frames, quirks, judges. Each in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from harness.judge.judgements import outcome_of_line
from harness.records.folder import RunFolder
from harness.records.journal import read_lines
from harness.types import Json
from results.compare.side import Side


def differences(a: Side, b: Side) -> list[str]:
    """Every difference that a comparison of the two models would wrongly take for theirs; empty where there is none."""
    prompts = list(_prompts(a, b))
    if not prompts and _recorded(a, "samples") == _recorded(b, "samples"):
        prompts += _digest("prompts", a, b)
    return [*_data(a, b), *prompts, *_quirks(a, b), *_judges(a, b)]


def _data(a: Side, b: Side) -> Iterator[str]:
    for letter, side in (("A", a), ("B", b)):
        changed = [name for name, digest in side.digests.items() if side.info[name] != digest]
        if changed:
            what = " and ".join(name.removesuffix("_sha256") for name in changed)
            yield f"data: the {what} of {letter} are no longer those that the run was made with"
    if _recorded(a, "samples") != _recorded(b, "samples"):
        yield f"data: {_samples(a)} against {_samples(b)}"
    common = [name for name in a.keys if name in b.keys]
    media = [(a.keys[name]["media"], b.keys[name]["media"]) for name in common]
    if other := sum(None not in pair and pair[0] != pair[1] for pair in media):
        yield f"data: other media bytes under {other:,} of {len(common):,} samples"


def _samples(side: Side) -> str:
    config, data = side.run.info["config"], side.info["data"]
    origin = " ".join(str(data[name]) for name in ("source", "repo", "revision") if data.get(name))
    chosen = f", --limit {config['limit']}" if config["limit"] is not None else ""
    chosen += ", --samples" if config["samples"] is not None else ""
    return f"{len(side.scored):,} samples ({origin}{chosen}, sha256 {_recorded(side, 'samples')[:12]})"


def _prompts(a: Side, b: Side) -> Iterator[str]:
    """From what the runs recorded with each answer."""
    if a.entry["prompt"] != b.entry["prompt"]:
        yield f"prompt: preset {a.entry['prompt']} against {b.entry['prompt']}"
    if a.entry.get("prompt_note") != b.entry.get("prompt_note"):
        yield f"prompt: {_or_none(a.entry.get('prompt_note'))} against {_or_none(b.entry.get('prompt_note'))}"
    common = [name for name in a.keys if name in b.keys]
    if texts := [name for name in common if a.keys[name]["text"] != b.keys[name]["text"]]:
        yield f"prompt: other words for {len(texts):,} of {len(common):,} samples, e.g. {texts[0]}"
    for title, key in (("max_new_tokens", "max_new_tokens"), ("video reader", "video_reader")):
        yield from _pairs(title, [(a.keys[name][key], b.keys[name][key]) for name in common])
    frames = [(a.keys[name]["frames"], b.keys[name]["frames"]) for name in common]
    if any(x["clip_bounds"] != y["clip_bounds"] for x, y in frames):
        frames = [({**x, "clip": None}, {**y, "clip": None}) for x, y in frames]  # one follows from the other
    for field in sorted({field for pair in frames for side in pair for field in side}):
        yield from _pairs(f"frame policy: {field}", [(x.get(field), y.get(field)) for x, y in frames])


def _pairs(title: str, pairs: Sequence[tuple[Json, Json]]) -> Iterator[str]:
    """One line for values that differ, with the first two and how many samples it touches."""
    if other := [pair for pair in pairs if pair[0] != pair[1]]:
        first, second = map(_or_none, other[0])
        yield f"{title} {first} against {second} for {len(other):,} of {len(pairs):,} samples"


def _quirks(a: Side, b: Side) -> Iterator[str]:
    mine, theirs = (", ".join(side.entry.get("quirks", ())) for side in (a, b))
    if mine != theirs:
        yield f"quirks: {mine or 'none'} against {theirs or 'none'}"


def _judges(a: Side, b: Side) -> Iterator[str]:
    mine, theirs = a.entry.get("judge"), b.entry.get("judge")
    if mine != theirs:
        yield f"judge: {_judge(mine)} against {_judge(theirs)}"
    if mine is None or theirs is None:
        return
    asked, other = _asked(a, mine["spec"]), _asked(b, theirs["spec"])
    for what in asked:
        shared = asked[what].keys() & other[what].keys()
        for key in sorted(shared):
            if asked[what][key] != other[what][key]:
                first, second = (" and ".join(sorted(side[what][key])) for side in (asked, other))
                yield f"judge: {what} {key} {first} against {second}".replace("  ", " ")


def _judge(judge: Mapping[str, Json] | None) -> str:
    return "none" if judge is None else "@".join(filter(None, (judge["spec"], judge["endpoint"])))


def _asked(side: Side, spec: str) -> dict[str, dict[str, set[str]]]:
    """What a judge was asked by, and which model says it replied: prompt hashes by name, parameters by request key."""
    found: dict[str, dict[str, set[str]]] = {"prompt": {}, "parameters of": {}, "replies of": {}}
    path = RunFolder(side.run.folder).judgements(side.name)
    for line in read_lines(path, outcome_of_line):
        if line["judge"]["spec"] == spec:
            prompt, parameters = line["prompt"], json.dumps(line["parameters"], sort_keys=True)
            found["prompt"].setdefault(prompt["name"], set()).add(prompt["sha256"][:12])
            found["parameters of"].setdefault(line["key"], set()).add(parameters)
            if "model" in line:
                found["replies of"].setdefault("", set()).add(line["model"])
    return found


def _digest(what: str, a: Side, b: Side) -> Iterator[str]:
    """Where only the digest tells: no answer was recorded with its request."""
    if _recorded(a, what) != _recorded(b, what):
        yield f"{what}: sha256 {_recorded(a, what)[:12]} against {_recorded(b, what)[:12]}"


def _recorded(side: Side, what: str) -> str:
    return str(side.info[f"{what}_sha256"])


def _or_none(value: Json) -> str:
    return "none" if value is None else str(value)
