"""The one page of a report: the overview as it is, and the empty frame of the sample browser, filled by scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files

from results import plots
from results.leaderboard import html

SCRIPTS = ("load.js", "place.js", "filter.js", "detail.js", "browse.js", "live.js")
"""In the order they need each other; classic scripts, since a page on disk may not load modules."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)


def render(overview: Iterable[str], live: bool) -> str:
    """`live`: served while runs go on. Ends with a line break."""
    return "\n".join(_lines(overview, live)) + "\n"


def assets() -> Iterator[tuple[str, str]]:
    """Names and texts of the files beside the page."""
    folder = files("results.report") / "assets"
    own = (folder / "report.css").read_text(encoding="utf-8")
    yield "style.css", "\n".join((html.STYLE, plots.STYLE, own))
    for name in SCRIPTS:
        yield name, (folder / name).read_text(encoding="utf-8")


def _lines(overview: Iterable[str], live: bool) -> Iterator[str]:
    yield "<!doctype html>"
    yield f'<html lang="en" data-live="{"yes" if live else "no"}">'
    yield "<head>"
    yield '<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
    yield "<title>Evaluation report</title>"
    yield '<link rel="stylesheet" href="style.css">'
    yield from (f'<script src="{name}" defer></script>' for name in SCRIPTS)
    yield "</head>"
    yield "<body>"
    yield '<header class="top"><strong>Evaluation report</strong>'
    yield '<nav><a href="#overview">Overview</a> <a href="#samples">Samples</a></nav><span id="live"></span></header>'
    yield '<div id="overview">'
    yield from overview
    yield "</div>"
    yield '<div id="samples" hidden>'
    yield '<form id="filters">'
    for name, label in (("run", "run"), ("vs", "beside"), ("task", "task"), ("state", "show")):
        yield f'<label>{label} <select id="{name}"></select></label>'
    yield '<label>search <input id="search" type="search" autocomplete="off" spellcheck="false"></label>'
    yield "</form>"
    yield '<div class="split"><div class="left">'
    yield '<p class="pager"><span id="count" role="status"></span><span id="range"></span>'
    yield '<button type="button" id="previous" aria-label="previous samples">&lsaquo;</button>'
    yield '<button type="button" id="next" aria-label="next samples">&rsaquo;</button></p>'
    yield '<div id="list" aria-label="samples"></div></div>'
    yield '<article id="detail" aria-label="sample"></article></div>'
    yield "</div>"
    yield "<noscript>The overview needs no script; going through samples does.</noscript>"
    yield "</body>"
    yield "</html>"
