"""Plots as HTML and SVG without a script: stacked bars and lines, their values in `data-` attributes and titles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 460, 320
LEFT, RIGHT, TOP, BOTTOM = 46, 30, 12, 46
COLOURS = 6


@dataclass(frozen=True, slots=True)
class Series:
    """A line. `colour`: index of the model; `dashed`: the second way of counting."""

    name: str
    colour: int
    points: tuple[tuple[float, float], ...]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """Where values lie between two ends, and which are written out."""

    title: str
    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def share(self, value: float) -> float:
        """0 at the low end, 1 at the high one."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def bars(key: str, unit: str, digits: int, rows: Mapping[str, Mapping[str, float]], names: Sequence[str]) -> str:
    """Stacked horizontal bars, one a row, all to the scale of the longest. Colours go by `names`, the stages."""
    longest = max((sum(parts.values()) for parts in rows.values()), default=0.0) or 1.0
    lines = [f'<div class="bars" id="plot-{key}" role="img" aria-label="{escape(key)}, {escape(unit)}">']
    for row, parts in rows.items():
        total = sum(parts.values())
        lines.append(f'<div class="row"><span class="who">{escape(row)}</span><span class="track">')
        for name, value in parts.items():
            if value > 0:
                label = f"{row}: {name.replace('_', ' ')} {value:,.{digits}f} {unit}"
                lines.append(
                    f'<span class="seg s{names.index(name) % COLOURS}" style="width:{100 * value / longest:.4f}%" '
                    f'data-row="{escape(row)}" data-part="{escape(name)}" data-value="{value!r}" '
                    f'title="{escape(label)}"></span>'
                )
        lines.append(f'</span><span class="sum">{total:,.{digits}f}</span></div>')
    used = [name for name in names if any(parts.get(name, 0) > 0 for parts in rows.values())]
    return "\n".join(
        [*lines, _legend([(name.replace("_", " "), f"s{names.index(name) % COLOURS}") for name in used]), "</div>"]
    )


def lines(key: str, x: Axis, y: Axis, series: Sequence[Series], marks: Mapping[str, float]) -> str:
    """Lines over a grid. `marks`: horizontal lines with a name, e.g. the memory of a card. Lines end at the frame."""
    parts = [
        f'<svg id="plot-{key}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(y.title)} against '
        f'{escape(x.title)}">',
        f'<clipPath id="frame-{key}"><rect x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" '
        f'height="{HEIGHT - TOP - BOTTOM}"/></clipPath>',
    ]
    for value in y.ticks:
        at = _y(y, value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{value:,g}</text>')
    for value in x.ticks:
        at = _x(x, value)
        parts.append(f'<line class="grid" y1="{TOP}" y2="{HEIGHT - BOTTOM}" x1="{at:.1f}" x2="{at:.1f}"/>')
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{value:,g}</text>')
    for name, value in marks.items():
        at = _y(y, value)
        parts.append(
            f'<line class="mark" data-mark="{value!r}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        )
        parts.append(f'<text class="strong" x="{LEFT + 6}" y="{at - 5:.1f}">{escape(name)}</text>')
    parts += [_line(key, one, x, y) for one in series]
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x.title)}</text>'
    )
    legend = _legend([(one.name, f"c{one.colour % COLOURS}{' dashed' * one.dashed}") for one in series], "line")
    return "\n".join([*parts, "</svg>", legend])


def nice_ticks(high: float) -> tuple[float, ...]:
    """0 and four to eight round numbers up to `high` or just above."""
    step = next(
        size * 10**power
        for power in range(-6, 16)
        for size in (1, 2, 5)
        if high / (size * 10**power) <= 7
    )  # fmt: skip
    return tuple(step * index for index in range(math.ceil(high / step) + 1))


def _line(key: str, one: Series, x: Axis, y: Axis) -> str:
    points = " ".join(f"{_x(x, a):.2f},{_y(y, b):.2f}" for a, b in one.points)
    values = ";".join(f"{a!r},{b!r}" for a, b in one.points)
    style = f"line c{one.colour % COLOURS}{' dashed' * one.dashed}"
    return (
        f'<polyline class="{style}" clip-path="url(#frame-{key})" points="{points}" data-series="{escape(one.name)}" '
        f'data-values="{values}"><title>{escape(one.name)}</title></polyline>'
    )


def _x(axis: Axis, value: float) -> float:
    return LEFT + axis.share(value) * (WIDTH - LEFT - RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.share(value) * (HEIGHT - TOP - BOTTOM)


def _legend(entries: Sequence[tuple[str, str]], kind: str = "seg") -> str:
    items = "".join(f'<li><i class="key {kind} {style}"></i>{escape(name)}</li>' for name, style in entries)
    return f'<ul class="legend">{items}</ul>'
