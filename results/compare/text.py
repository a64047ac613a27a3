"""A comparison as lines for a terminal of 100 columns. Texts of models and benchmarks are shown harmless."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from harness.types import Json

COLUMNS = 100
SHOWN = 3
_LONGEST = 320
_TITLE = 18
_HEADS = ("task", "A", "B", "B - A", "95 % interval", "p", "detects", "pairs", "missing")
_ALPHA = 0.05


def lines_of(document: Mapping[str, Json], shown: int = SHOWN) -> Iterator[str]:
    """`shown`: flipped samples of each kind and task."""
    for letter in "ab":
        one = document[letter]
        yield f"{letter.upper()}: {harmless(one['model'])}, {harmless(one['run'])}"
    yield ""
    rows = [_HEADS, *(_row(name, one) for name, one in document["tasks"].items())]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADS))]
    for number, row in enumerate(rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()
        if number == 0:
            yield "  ".join("-" * width for width in widths)
    yield ""
    for note in _notes(document):
        yield from textwrap.wrap(note, COLUMNS, subsequent_indent="  ")
    for name, one in document["tasks"].items():
        yield from _flipped(name, one, shown)


def _row(name: str, one: Mapping[str, Json]) -> tuple[str, ...]:
    interval = "-" if one["ci95"] is None else " to ".join(_signed(end) for end in one["ci95"])
    p, significant = one["p_holm"], one["p_holm"] is not None and one["p_holm"] < _ALPHA
    return (
        one["title"] if len(one["title"]) <= _TITLE else name,
        _number(one["a"]),
        _number(one["b"]),
        _signed(one["difference"]),
        interval,
        "-" if p is None else ("<.001" if p < 0.001 else f"{p:.3f}") + ("*" if significant else " "),
        _number(one["detectable"]),
        f"{one['pairs']:,}",
        f"{one['missing']['either']:,}",
    )


def _notes(document: Mapping[str, Json]) -> Iterator[str]:
    tasks = document["tasks"]
    many = f"adjusted for {len(tasks)} tasks by Holm's rule; " if len(tasks) > 1 else ""
    yield f"p: of no difference, {many}* below {_ALPHA}. {_tests(tasks)}"
    yield (
        "95 % interval: of B - A, all questions about an image or video drawn together. detects: smallest true "
        "difference found significant four times out of five."
    )
    few = [one["title"] for one in tasks.values() if one["clusters"] < 30]
    if few:
        yield f"fewer than 30 images or videos, so an interval that is too narrow: {', '.join(few)}"
    for one in tasks.values():
        missing, unpaired = one["missing"], one["unpaired"]
        for letter in "ab":
            if why := one["withheld"][letter]:
                yield f"{one['title']}: {letter.upper()} has no headline of its own: {why}"
        if missing["either"]:
            yield (
                f"{one['title']}: {missing['either']:,} samples left out, missing in A {missing['a']:,}, in B "
                f"{missing['b']:,}"
            )
        if unpaired["a"] or unpaired["b"]:
            yield f"{one['title']}: left out, in A alone {unpaired['a']:,}, in B alone {unpaired['b']:,}"
    for letter in "ab":
        if others := document[f"only_{letter}"]:
            yield f"not compared, in {letter.upper()} alone: {', '.join(others)}"


def _tests(tasks: Mapping[str, Json]) -> str:
    names = {"mcnemar": "McNemar's test by images or videos", "bootstrap": "bootstrap"}
    by_test = {test: [one["title"] for one in tasks.values() if one["test"] == test] for test in names}
    if not all(by_test.values()):
        return f"Test: {next(names[test] for test, titles in by_test.items() if titles)}."
    return "; ".join(f"{names[test]}: {', '.join(titles)}" for test, titles in by_test.items()) + "."


def _flipped(name: str, one: Mapping[str, Json], shown: int) -> Iterator[str]:
    kinds = {change: flips for change, flips in one["flipped"].items() if flips}
    counts = ", ".join(f"{len(flips):,} {change}" for change, flips in kinds.items())
    yield ""
    yield f"{one['title']} ({name}), A to B: {counts or 'no sample scored otherwise'}"
    for change, flips in kinds.items():
        for flip in flips[:shown]:
            yield from _flip(change, flip)


def _flip(change: str, flip: Mapping[str, Json]) -> Iterator[str]:
    yield from textwrap.wrap(
        harmless(f"{change}: {flip['id']}"), COLUMNS, initial_indent="  ", subsequent_indent="    "
    )
    graded = change in ("worse", "better")
    fields = [("prompt", flip["prompt"]), ("reference", flip["reference"])]
    fields += [
        (letter.upper() + (f" {flip[letter]['value']:.4g}" if graded else ""), flip[letter]["text"]) for letter in "ab"
    ]
    for title, text in fields:
        yield from _field(title, text)


def _field(title: str, text: str) -> Sequence[str]:
    text = harmless(" ".join(text.split()))
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} .. ({len(text):,} characters)"
    return textwrap.wrap(short or "(empty)", COLUMNS, initial_indent=f"    {title:<10} ", subsequent_indent=" " * 15)


def harmless(text: str) -> str:
    """Without what a terminal would obey: control characters and the like as escapes."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _number(value: float | None) -> str:
    """Two decimals; one from 1,000 on."""
    return "-" if value is None else f"{value:.{_digits(value)}f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value + 0.0:+.{_digits(value)}f}"


def _digits(value: float) -> int:
    return 1 if abs(value) >= 1000 else 2
