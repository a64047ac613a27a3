"""A profile as one page: plots, tables, the paper's rows beside them. No script runs, nothing comes from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

from harness.types import Json
from results import plots
from results.paper.tables import load_table, table_names
from results.profile.figures import figures
from results.profile.tables import questions, remarks

TITLE = "What the models cost"
PAPER_TABLES = {
    "table7": "Table 7: pre-fusion layers",
    "table8": "Table 8: compression",
    "table13": "Table 13: latency",
    "table14": "Table 14: FLOPs by stage",
}
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = (
    """
:root { color-scheme: light dark; --ink: #1a1d21; --paper: #fff; --line: #d5d9df; --faint: #59626e }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ea; --paper: #14171a; --line: #353c45; --faint: #a3adb9 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem 1.25rem 3rem; font: 16px/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper) }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .5rem } h2 { font-size: 1.1rem; margin: 0 0 .6rem }
p { margin: .4rem 0 } .note, li { color: var(--faint); font-size: .875rem } code { overflow-wrap: anywhere }
ul.remarks { padding-left: 1.1rem; margin: .6rem 0 0 } section { margin: 2rem 0 0 }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .7rem .3rem 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line) }
th { font-weight: 600; vertical-align: bottom; white-space: normal; min-width: 4rem } .words { text-align: left }
@media (max-width: 32rem) { body { padding: 1rem .75rem } }
:focus-visible { outline: 2px solid var(--k0); outline-offset: 2px } summary { cursor: pointer; font-weight: 600 }
""".strip()
    + "\n"
    + plots.STYLE
)


def render(document: Mapping[str, Json]) -> str:
    """The whole page, ending with a line break."""
    return "\n".join(_page(document)) + "\n"


def embedded(document: Json) -> str:
    """JSON that no HTML parser can leave: `</script>` and `<!--` cannot occur in it."""
    text = json.dumps(document, ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _page(document: Mapping[str, Json]) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    yield f"<title>{TITLE}</title>\n<style>{STYLE}</style>\n</head>\n<body>"
    yield f"<header><h1>{TITLE}</h1>"
    yield f"<p>{escape(', '.join(document['models']))}</p>"
    yield '<ul class="remarks">' + "".join(f"<li>{escape(line)}</li>" for line in remarks(document)) + "</ul></header>"
    yield '<main>\n<div class="plots">'
    for figure in figures(document):
        yield f"<figure><h2>{escape(figure.title)}</h2>\n{figure.html}"
        yield f'<figcaption class="note">{escape(figure.note)}</figcaption></figure>'
    yield "</div>"
    for question in questions(document):
        yield f"<section><h2>{escape(question.title)}</h2>"
        words = {
            index for index in range(len(question.columns)) if any(isinstance(r[index], str) for r in question.rows)
        }
        yield from _grid([column.title for column in question.columns], question.texts(), words)
        yield f'<p class="note">{escape(question.note)}</p></section>'
    yield from _paper()
    yield "</main>"
    if command := document.get("command"):
        yield f'<footer><p class="note">Made by <code>{escape(" ".join(command))}</code></p></footer>'
    yield f'<script type="application/json" id="profile">{embedded(document)}</script>'
    yield "</body>\n</html>"


def _paper() -> Iterator[str]:
    """What the paper prints, as it prints it."""
    known = table_names()
    tables = [(title, load_table(name)) for name, title in PAPER_TABLES.items() if name in known]
    if not tables:
        return
    yield "<section><h2>What the LLaVA-Mini paper prints</h2>"
    for title, table in tables:
        yield f"<details open><summary>{escape(title)}</summary>"
        heads = ["row", *(column.replace("_", " ") for column in table.columns)]
        rows = ([row.name, *(row.text(column) or "-" for column in table.columns)] for row in table)
        yield from _grid(heads, rows, {0})
        yield from (f'<p class="note">{escape(row.name)}: {escape(row.note)}</p>' for row in table if row.note)
        yield "</details>"
    yield '<p class="note">T is 43 in all of its FLOPs. <code>run-eval paper-check</code> computes them again.</p>'
    yield "</section>"


def _grid(heads: Sequence[str], rows: Iterable[Sequence[str]], words: set[int]) -> Iterator[str]:
    def cells(tag: str, texts: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=words' if index in words else ''}>{escape(text)}</{tag}>"
            for index, text in enumerate(texts)
        )

    yield '<div class="wide" tabindex="0"><table><thead>'
    yield f"<tr>{cells('th', heads)}</tr></thead><tbody>"
    yield from (f"<tr>{cells('td', row)}</tr>" for row in rows)
    yield "</tbody></table></div>"
