"""Plots as HTML and SVG without a script: bars, lines and points, their values in `data-` attributes and titles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 460, 320
LEFT, RIGHT, TOP, BOTTOM = 46, 30, 12, 46
COLOURS = 6
_LOOK = """
:root { --soft: #f4f6f8; --k0: #3566b8; --k1: #d9822b; --k2: #3f9259; --k3: #a44fa0; --k4: #7a8794; --k5: #b8433d }
@media (prefers-color-scheme: dark) {
  :root { --soft: #1c2025; --k0: #7ba7ef; --k1: #f0a75b; --k2: #74c78f; --k3: #d28ccd; --k4: #9aa6b2; --k5: #ef8780 }
}
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); gap: 1.25rem;
  margin: 1.5rem 0 2rem }
figure { margin: 0; padding: 1rem; border: 1px solid var(--line); border-radius: .5rem; min-width: 0 }
.row { display: grid; grid-template-columns: 1fr auto; gap: 0 .75rem; margin: 0 0 .7rem; font-size: .875rem }
.track { grid-column: 1; display: flex; height: 1.3rem; align-self: center; background: var(--soft) }
.thin .track { height: .8rem } .who { grid-column: 1 / 3; overflow-wrap: anywhere }
.sum { grid-column: 2; font-variant-numeric: tabular-nums; min-width: 3.5rem; text-align: right }
.seg { height: 100%; flex: none }
.s0 { background: var(--k0) } .s1 { background: var(--k1) } .s2 { background: var(--k2) } .s3 { background: var(--k3) }
.s4 { background: var(--k4) } .s5 { background: var(--k5) }
.c0 { --c: var(--k0) } .c1 { --c: var(--k1) } .c2 { --c: var(--k2) } .c3 { --c: var(--k3) } .c4 { --c: var(--k4) }
.c5 { --c: var(--k5) }
svg { display: block; width: 100%; height: auto; font-size: 12px; fill: var(--faint) }
svg .grid { stroke: var(--line); stroke-width: .7 } svg .strong { fill: var(--ink) }
svg .mark { stroke: var(--ink); stroke-width: 1.2; stroke-dasharray: 2 3 }
svg .line { fill: none; stroke: var(--c); stroke-width: 2.2 } svg .dashed { stroke-dasharray: 6 4; stroke-width: 1.7 }
svg .dot { fill: var(--c) } svg .hollow { fill: var(--paper); stroke: var(--c); stroke-width: 2 }
svg .front { fill: none; stroke: var(--faint); stroke-dasharray: 3 3 }
svg .range { stroke: var(--c); stroke-width: 1.5 }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: 0; margin: .5rem 0 }
.key { display: inline-block; margin-right: .4rem; vertical-align: middle; width: .8rem; height: .8rem }
.key.line { width: 1.5rem; height: 0; border-top: 2.5px solid var(--c) } .key.line.dashed { border-top-style: dashed }
""".strip()
STYLE = f"{_LOOK}\n@media (max-width: 32rem) {{ figure {{ padding: .75rem }} svg {{ font-size: 17px }} }}"
"""Goes with every plot; a page brings --ink, --line and --faint."""


@dataclass(frozen=True, slots=True)
class Series:
    """A line. `colour`: index of the model; `dashed`: the second way of counting."""

    name: str
    colour: int
    points: tuple[tuple[float, float], ...]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Dot:
    """A point with the interval of its height, if it has one. `colour`: index of the model.

    `apart`: why it is comparable with no other, which makes it hollow. `front`: no other is higher for less.
    """

    name: str
    colour: int
    x: float
    y: float
    interval: tuple[float, float] | None = None
    apart: str = ""
    front: bool = False


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
    parts = _frame(key, x, y)
    for name, value in marks.items():
        at = _y(y, value)
        parts.append(
            f'<line class="mark" data-mark="{value!r}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        )
        parts.append(f'<text class="strong" x="{LEFT + 6}" y="{at - 5:.1f}">{escape(name)}</text>')
    parts += [_line(key, one, x, y) for one in series]
    legend = _legend([(one.name, f"c{one.colour % COLOURS}{' dashed' * one.dashed}") for one in series], "line")
    return "\n".join([*parts, "</svg>", legend])


def points(key: str, x: Axis, y: Axis, dots: Sequence[Dot]) -> str:
    """Dots over a grid, each with its interval as a vertical line, and a line through those of the front."""
    parts = _frame(key, x, y)
    front = sorted((dot.x, dot.y) for dot in dots if dot.front)
    if len(front) > 1:
        corners = " ".join(f"{_x(x, a):.1f},{_y(y, b):.1f}" for a, b in front)
        parts.append(f'<polyline class="front" points="{corners}"/>')
    for dot in dots:
        at, label = _x(x, dot.x), f"{dot.name}: {dot.y:,.4g} at {dot.x:,.4g}"
        label += f"; not comparable: {dot.apart}" if dot.apart else ""
        hollow = " hollow" if dot.apart else ""
        values = f"{dot.x!r},{dot.y!r}"
        if dot.interval is not None:
            low, high = (_y(y, min(max(end, y.low), y.high)) for end in dot.interval)
            ends = f'x1="{at:.1f}" x2="{at:.1f}" y1="{low:.1f}" y2="{high:.1f}"'
            parts.append(f'<line class="range c{dot.colour % COLOURS}" {ends}/>')
        parts.append(
            f'<circle class="dot c{dot.colour % COLOURS}{hollow}" cx="{at:.1f}" cy="{_y(y, dot.y):.1f}" r="5" '
            f'data-series="{escape(dot.name)}" data-values="{values}"><title>{escape(label)}</title></circle>'
        )
    legend = _legend([(dot.name, f"s{dot.colour % COLOURS}") for dot in dots])
    return "\n".join([*parts, "</svg>", legend])


def grouped(
    key: str, rows: Mapping[str, Mapping[str, float]], names: Sequence[str], full: float, digits: int = 1
) -> str:
    """Horizontal bars side by side in each row, one a name; `full`: the value of a bar of full length."""
    lines = [f'<div class="bars thin" id="plot-{escape(key)}" role="img" aria-label="{escape(key)}">']
    for row, values in rows.items():
        lines.append(f'<div class="row"><span class="who">{escape(row)}</span>')
        for name, value in values.items():
            width = 100 * min(max(value / full, 0.0), 1.0)
            lines.append(
                f'<span class="track"><span class="seg s{names.index(name) % COLOURS}" style="width:{width:.2f}%" '
                f'data-row="{escape(row)}" data-part="{escape(name)}" data-value="{value!r}" '
                f'title="{escape(f"{row}, {name}: {value:,.{digits}f}")}"></span></span>'
                f'<span class="sum">{value:,.{digits}f}</span>'
            )
        lines.append("</div>")
    legend = _legend([(name, f"s{index % COLOURS}") for index, name in enumerate(names)]) if len(names) > 1 else ""
    return "\n".join([*lines, legend, "</div>"])


def as_file(title: str, x: Axis, y: Axis, dots: Sequence[Dot], series: Sequence[Series] = ()) -> str:
    """Points, and lines among them, as an SVG file of its own: heading, legend and colours in it, for both themes."""
    names = {dot.name: dot.colour for dot in dots}
    picture = points("file", x, y, dots).partition("</svg>")[0]
    picture += "".join(_line("file", one, x, y) for one in series)
    body = picture.partition(">")[2]
    top = 26 + 18 * len(names)
    marks = [
        f'<circle class="dot c{colour % COLOURS}" cx="{LEFT + 6}" cy="{35 + 18 * row}" r="5"/>'
        f'<text x="{LEFT + 18}" y="{39 + 18 * row}">{escape(name)}</text>'
        for row, (name, colour) in enumerate(names.items())
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT + top}" role="img">',
            f"<title>{escape(title)}</title>",
            "<style>svg { font-family: system-ui, sans-serif; background: var(--paper);",
            "  --ink: #1a1d21; --paper: #fff; --line: #d5d9df; --faint: #59626e }",
            "@media (prefers-color-scheme: dark) { svg { --ink: #e6e8ea; --paper: #14171a; --line: #353c45; "
            "--faint: #a3adb9 } }",
            f"{_LOOK.replace(':root', 'svg')}</style>",
            f'<text class="strong" x="{LEFT}" y="18">{escape(title)}</text>',
            *marks,
            f'<g transform="translate(0 {top})">{body}</g>',
            "</svg>\n",
        ]
    )


def nice_ticks(high: float) -> tuple[float, ...]:
    """0 and four to eight round numbers up to `high` or just above."""
    step = next(
        size * 10**power
        for power in range(-6, 16)
        for size in (1, 2, 5)
        if high / (size * 10**power) <= 7
    )  # fmt: skip
    return tuple(step * index for index in range(math.ceil(high / step) + 1))


def _frame(key: str, x: Axis, y: Axis) -> list[str]:
    """The opened picture: grid, numbers at its edges, the title below."""
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
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x.title)}</text>')
    return parts


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
