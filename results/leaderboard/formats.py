"""The formats of a leaderboard by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from results.leaderboard import document, html, latex, markdown
from results.leaderboard.board import Board

FORMATS: Mapping[str, Callable[[Board], str]] = {
    "markdown": markdown.render,
    "latex": latex.render,
    "csv": document.render_csv,
    "json": document.render_json,
    "html": html.render,
}
SUFFIXES = {".md": "markdown", ".tex": "latex", ".csv": "csv", ".json": "json", ".html": "html", ".htm": "html"}
"""The format that a file's name asks for."""


def render(board: Board, name: str) -> bytes:
    """UTF-8; what cannot be written in it becomes '?'. The same runs give the same bytes."""
    return FORMATS[name](board).encode("utf-8", "replace")
