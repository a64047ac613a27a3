"""The tables of a profile, one a question: the terminal, the CSV files and the page show the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from harness.types import Json

Value: TypeAlias = str | float | int | None
GIB, MIB = 2**30, 2**20
CONVENTIONS = {"paper": "as the paper counts", "hardware": "attention counted"}
_SCALES = ((1e12, "TFLOPs"), (1e9, "GFLOPs"), (1e6, "MFLOPs"))


@dataclass(frozen=True, slots=True)
class Column:
    """`digits` None: words or a whole number. Values are shown divided by `scale`; CSV files hold them as they are."""

    key: str
    title: str
    digits: int | None = None
    scale: float = 1.0

    def shown(self, value: Value) -> str:
        if value is None:
            return "-"
        if isinstance(value, str):
            return value
        return f"{value:,}" if self.digits is None else f"{value / self.scale:,.{self.digits}f}"


@dataclass(frozen=True, slots=True)
class Question:
    """A table and what must be known about it. `key`: the name of its CSV file."""

    key: str
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]

    def texts(self) -> Iterator[list[str]]:
        for row in self.rows:
            yield [column.shown(value) for column, value in zip(self.columns, row, strict=True)]


def questions(document: Mapping[str, Json]) -> list[Question]:
    """All that the document answers."""
    made: list[Question] = []
    if "flops" in document:
        made += [_flops(document), _sweep(document)]
    if "memory" in document:
        made += [_memory(document), *_frames(document)]
    if "latency" in document and document["latency"]["models"]:
        made += [_latency(document), _decoding(document), *_roofline(document), *_energy(document)]
    return made


def flops_unit(document: Mapping[str, Json]) -> tuple[float, str]:
    """The unit in which the largest total has a digit before the point, or the smallest one."""
    largest = max(one["total"] for one in document["flops"]["paper"].values())
    return next((pair for pair in _SCALES if largest >= pair[0]), _SCALES[-1])


def remarks(document: Mapping[str, Json]) -> list[str]:
    """What a reader must know about all numbers, and what was left out, with the reason."""
    latency = document.get("latency", {"skipped": {}, "notes": []})
    lines = [f"Random weights; T = {document['text_tokens']} text tokens, the placeholder left out; batch 1."]
    for name, one in document["models"].items():
        if one["overrides"]:
            lines.append(f"{name}: {', '.join(f'{key}={value}' for key, value in one['overrides'].items())}.")
    lines += document["notes"]
    if "flops" in document:
        lines += [f"FLOPs are equal to what {' and '.join(document['flops']['equal_to'])} count, to the last one."]
        lines += [f"{text}." for text in document["flops"]["notes"]]
    lines += latency["notes"]
    lines += [f"{name}: latency skipped: {why}." for name, why in latency["skipped"].items()]
    for name, one in document.get("memory", {}).items():
        if "skipped" in one:
            lines.append(f"{name}: memory skipped: {one['skipped']}.")
        lines += [f"{name}: {text}." for text in one.get("frames", {}).get("notes", [])]
    for name, one in latency["models"].items() if latency.get("models") else ():
        lines += [f"{name}: {text}" for text in one["first_token"]["notes"]]
    return list(dict.fromkeys(lines))


def _flops(document: Mapping[str, Json]) -> Question:
    flops, stages = document["flops"], document["stages"]
    scale, unit = flops_unit(document)
    rows = []
    for convention, words in CONVENTIONS.items():
        full = flops[convention][flops["baseline"]]["total"]
        for name, one in flops[convention].items():
            tokens = document["models"][name]["vision_tokens"]
            parts = [one["stages"].get(stage) for stage in stages]
            rows.append((name, words, tokens, *parts, one["total"], 100 * (1 - one["total"] / full)))
    columns = (
        Column("model", "model"),
        Column("convention", "convention"),
        Column("vision_tokens", "vision tokens"),
        *(Column(f"{stage}_flops", stage.replace("_", " "), 4, scale) for stage in stages),
        Column("total_flops", f"total {unit}", 4, scale),
        Column("reduction_percent", "less by %", 1),
    )
    note = (
        f"{unit} of one forward with T = {document['text_tokens']} text tokens; reduction against {flops['baseline']}."
    )
    return Question("flops", "What does one forward cost?", note, columns, tuple(rows))


def _sweep(document: Mapping[str, Json]) -> Question:
    flops = document["flops"]
    scale, unit = flops_unit(document)
    rows = [
        (name, tokens, *(flops["sweep"][one][name][key][index] for one in CONVENTIONS for key in _SWEPT))
        for name in flops["paper"]
        for index, tokens in enumerate(flops["text_tokens"])
    ]
    columns = [Column("model", "model"), Column("text_tokens", "T")]
    for convention, words in CONVENTIONS.items():
        columns.append(Column(f"{convention}_flops", f"{unit}, {words}", 3, scale))
        columns.append(Column(f"{convention}_reduction_percent", "less by %", 1))
    note = f"Reduction against {flops['baseline']}."
    return Question("text_tokens", "How does the saving depend on the question?", note, tuple(columns), tuple(rows))


_SWEPT = ("total", "reduction_percent")


def _memory(document: Mapping[str, Json]) -> Question:
    rows = []
    for name, one in measured(document).items():
        paper = one["paper_convention"]
        live, peak = paper["live"], paper["peak"]
        rows.append(
            (
                name,
                one["vision_tokens_per_image"],
                live["mib_per_image"],
                one["paper_convention"]["closed_form_mib"],
                live["intercept_mib"],
                live["r2"],
                peak["mib_per_image"],
                peak["r2"],
                max(phase["mib_per_image"] for phase in one["phases"].values()),
                one["weights_bytes"],
                one["method"],
            )
        )
    columns = (
        Column("model", "model"),
        Column("vision_tokens", "vision tokens"),
        Column("live_mib_per_image", "live MiB/image", 3),
        Column("closed_form_mib", "closed form", 3),
        Column("intercept_mib", "intercept MiB", 2),
        Column("live_r2", "R2", 4),
        Column("peak_mib_per_image", "peak MiB/image", 3),
        Column("peak_r2", "R2", 4),
        Column("streamed_mib_per_image", "streamed MiB/image", 3),
        Column("weights_bytes", "weights GiB", 3, GIB),
        Column("method", "bytes"),
    )
    note = (
        "Live and peak: slopes after and during one forward as the paper's code does it (key/value cache and fp32 "
        "logits). Streamed: the steeper phase of this harness, last-position logits."
    )
    return Question("memory", "What does one more image take?", note, columns, tuple(rows))


def measured(document: Mapping[str, Json]) -> dict[str, Json]:
    return {name: one for name, one in document["memory"].items() if "skipped" not in one}


def _frames(document: Mapping[str, Json]) -> Iterator[Question]:
    rows = [
        (name, frames["budget_bytes"], frames["predicted"], frames["first_out"], frames.get("bisected"))
        for name, one in measured(document).items()
        if (frames := one.get("frames"))
    ]
    if rows:
        columns = (
            Column("model", "model"),
            Column("budget_bytes", "GiB", 1, GIB),
            Column("predicted", "frames, predicted"),
            Column("first_out", "runs out first"),
            Column("bisected", "frames, tried on the card"),
        )
        note = "Weights and 0.5 GiB of CUDA context are taken off; frames stream through the tower in chunks."
        yield Question("frames", "How many frames fit?", note, columns, tuple(rows))


def _latency(document: Mapping[str, Json]) -> Question:
    stages, latency = document["stages"], document["latency"]
    rows = []
    for name, one in latency["models"].items():
        first, total = one["first_token"], one["first_token"]["total"]
        parts = [first["stages"].get(stage, {}).get("median_ms") for stage in stages]
        spread = (total.get(key) for key in ("median_ms", "low_ms", "high_ms", "p95_ms", "runs"))
        apart = (one[key]["median_ms"] for key in ("transfer", "prepare"))
        rows.append((name, *parts, first["other_ms"], *spread, *apart))
    columns = (
        Column("model", "model"),
        *(Column(f"{stage}_ms", stage.replace("_", " "), 2) for stage in stages),
        Column("other_ms", "other", 2),
        Column("first_token_ms", "first token ms", 2),
        Column("low_ms", "95 % from", 2),
        Column("high_ms", "to", 2),
        Column("p95_ms", "p95", 2),
        Column("runs", "runs"),
        Column("transfer_ms", "transfer", 2),
        Column("prepare_ms", "prepare", 2),
    )
    conditions = latency["conditions"]
    clock = next(iter(latency["models"].values()))["first_token"]["clock"]
    note = (
        f"Milliseconds to the first token on {conditions['device']} in {conditions['dtype']} by {clock}, medians with "
        "their interval; models interleaved. Preparing (CPU) and transfer are timed apart."
    )
    return Question("latency", "How long until the first token?", note, columns, tuple(rows))


def _decoding(document: Mapping[str, Json]) -> Question:
    rows = []
    for name, one in document["latency"]["models"].items():
        rows.append((name, one["decode"]["ms_per_token"], one["decode"]["intercept_ms"], one["decode"]["r2"]))
    columns = (
        Column("model", "model"),
        Column("ms_per_token", "ms/token", 2),
        Column("intercept_ms", "intercept ms", 2),
        Column("r2", "R2", 4),
    )
    note = "The slope of time over answers of fixed lengths."
    return Question("decoding", "How long does each further token take?", note, columns, tuple(rows))


def _roofline(document: Mapping[str, Json]) -> Iterator[Question]:
    machine = document["latency"]["machine"]
    rows = [
        (name, *(use[key] for key in ("stage", "flops", "ms", "least_ms", "mfu", "bandwidth_use", "bound")))
        for name, one in document["latency"]["models"].items()
        for use in one["roofline"]
    ]
    if rows:
        columns = (
            Column("model", "model"),
            Column("stage", "stage"),
            Column("flops", "GFLOPs", 3, 1e9),
            Column("ms", "ms", 2),
            Column("least_ms", "roofline ms", 2),
            Column("mfu", "MFU %", 1, 0.01),
            Column("bandwidth_use", "bandwidth %", 1, 0.01),
            Column("bound", "bound by"),
        )
        note = (
            f"Against this machine's measured peaks: {machine['flops_per_s'] / 1e12:.3f} TFLOP/s ({machine['dtype']}), "
            f"{machine['bytes_per_s'] / 1e9:.1f} GB/s."
        )
        yield Question("roofline", "How well is the machine used?", note, columns, tuple(rows))


def _energy(document: Mapping[str, Json]) -> Iterator[Question]:
    models = document["latency"]["models"]
    rows = [
        (name, one["energy"]["joules"], one["energy"]["answers"], one["energy"]["idle_w"])
        for name, one in models.items()
        if one["energy"]
    ]
    if rows:
        columns = (
            Column("model", "model"),
            Column("joules", "J/answer", 2),
            Column("answers", "answers"),
            Column("idle_w", "idle W", 1),
        )
        note = "First tokens by the driver's energy counter, idle power taken off."
        yield Question("energy", "How much energy does an answer take?", note, columns, tuple(rows))


def csv_rows(question: Question) -> Iterator[Sequence[Value]]:
    """Header and rows with unrounded values; what is not known stays empty."""
    yield [column.key for column in question.columns]
    yield from (["" if value is None else value for value in row] for row in question.rows)
