"""The pages that lie in the repository: the tiny models on all sample sets, and the paper's numbers checked.

    python -m results.published RUN.. --output results/pages

`make results` makes the runs first. What depends on the machine stays out, so that the same code writes the same bytes.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness.profiler.flops import TEXT_TOKENS
from results import plots
from results.leaderboard.board import Board, make_board
from results.leaderboard.cells import RunCells, read_runs
from results.leaderboard.document import render_csv
from results.leaderboard.markdown import render as render_markdown
from results.leaderboard.text import name_of
from results.paper.check import CLASSES, Check, checks
from results.paper.check.time import latency_lines, latency_points
from results.plots import Axis, Dot, Series, nice_ticks

PLOTTED, COST = ("gqa", "mlvu"), "tflops_per_sample"
INDEX = """\
# Results that come with the repository

- [The tiny models on all sample sets](tiny.md), as [CSV](tiny.csv) too. Sample sets are synthetic scenes: these \
scores say that the harness works and stand beside no published number.
- [The paper's efficiency numbers, recomputed](paper-check.md).

Made by `make results`, from nothing but this repository, in a few minutes on two cores. Pace is left out: it is the \
machine's.
"""


def pages(runs: Sequence[RunCells]) -> Iterator[tuple[str, str]]:
    """Names and texts of the files."""
    board = make_board([_anywhere(run) for run in runs])
    plotted = {name: svg for name in PLOTTED if (svg := _score_against_flops(board, name)) is not None}
    yield "README.md", INDEX
    yield "tiny.md", render_markdown(board) + "".join(f"\n![{name} against FLOPs]({name}.svg)\n" for name in plotted)
    yield "tiny.csv", render_csv(board)
    yield from ((f"{name}.svg", svg) for name, svg in plotted.items())
    yield "paper-check.md", "\n".join(_paper_check()) + "\n"
    yield "latency.svg", _latency()


def _anywhere(run: RunCells) -> RunCells:
    """The run without what the machine had to do with it."""
    return replace(run, info={**run.info, "speeds": {}, "environment": {}})


def _score_against_flops(board: Board, task: str) -> str | None:
    for table in board.tables:
        for column in table.columns:
            if column.key != task:
                continue
            placed = [(row.label, row.cells[task]) for row in table.rows if task in row.cells]
            front = table.pareto.get(task) == COST
            dots = [
                Dot(name, n, 1000 * one.cell.costs[COST], one.cell.value, one.cell.ci95, front=front and one.front)
                for n, (name, one) in enumerate(placed)
                if one.cell.value is not None and COST in one.cell.costs
            ]
            if dots:
                title, ticks = name_of(table, column), nice_ticks(max(dot.x for dot in dots))
                x, y = (
                    Axis("GFLOPs a sample", 0, ticks[-1], ticks),
                    Axis(title, 0, 100, (0, 20, 40, 60, 80, 100)),
                )
                return plots.as_file(f"{title}, sample data: score in %, 95 % interval, Pareto front", x, y, dots)
    return None


def _paper_check() -> Iterator[str]:
    found: list[tuple[Check, str, str]] = [(one, *one.verdict) for one in checks()]
    counts = Counter(verdict for _, verdict, _ in found)
    yield "# The paper's efficiency numbers, recomputed"
    yield ""
    yield (
        f"{len(found)} numbers with T = {TEXT_TOKENS} text tokens: "
        + ", ".join(f"{counts[one]} {one}" for one in CLASSES)
        + ". The same on any machine: `run-eval paper-check`."
    )
    source = ""
    for one, verdict, reason in found:
        if one.source != source:
            source = one.source
            yield f"\n## {source[0].upper()}{source[1:]}\n"
            yield "| number | printed | ours | class | why |"
            yield "|---|---:|---:|---|---|"
        cells = (one.row, f"{one.printed} {one.unit}", f"{float(one.ours):.5g} {one.unit}", verdict, reason)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield "\n## Table 13 as lines over FLOPs\n"
    yield "| GPU | constant, ms | TFLOP/s | largest residual, ms | speed-up of LLaVA-Mini |"
    yield "|---|---:|---:|---:|---:|"
    for gpu in latency_lines(TEXT_TOKENS):
        numbers = (gpu.constant_ms, gpu.tflops_per_s, gpu.worst_ms)
        yield f"| {gpu.gpu} | " + " | ".join(f"{number:.1f}" for number in numbers) + f" | {gpu.speedup:.2f} |"
    yield "\n![latency against FLOPs](latency.svg)"


def _latency() -> str:
    """Table 13's latencies over our FLOPs, with the lines through them."""
    measured = latency_points(TEXT_TOKENS)
    fitted = {line.gpu: line for line in latency_lines(TEXT_TOKENS)}
    right = math.ceil(max(tflops for points in measured.values() for tflops, _ in points)) + 1.0
    dots = [Dot(gpu, number, *point) for number, (gpu, points) in enumerate(measured.items()) for point in points]
    series = [
        Series(
            gpu,
            number,
            tuple((at, fitted[gpu].constant_ms + 1000 * at / fitted[gpu].tflops_per_s) for at in (0.0, right)),
        )
        for number, gpu in enumerate(measured)
    ]
    ticks = nice_ticks(max(dot.y for dot in dots))
    x, y = Axis("TFLOPs, recomputed", 0, right, nice_ticks(right - 1)), Axis("ms", 0, ticks[-1], ticks)
    return plots.as_file("Table 13: printed ms against recomputed FLOPs", x, y, dots, series)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    args = parser.parse_args(argv)
    args.output.mkdir(parents=True, exist_ok=True)
    for name, text in pages(read_runs(args.runs)):
        (args.output / name).write_text(text, encoding="utf-8")
        print(args.output / name)


if __name__ == "__main__":
    main()
