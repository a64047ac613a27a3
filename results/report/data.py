"""The samples of runs as small script files that a page loads when it needs them, from disk too.

A browser lets a page on disk load scripts but no other files, hence `report(name, value)` around JSON. Of each task of
a run there is an index in parts, with what lists and searches need, and pages with all there is about a sample.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from harness.types import Json
from results.report.items import STATES, Item
from results.report.media import Gallery

INDEX_ROWS, PAGE_ROWS = 5_000, 200
SEARCHED = 300
"""Letters of a question or an answer that the index holds; pages hold them whole."""


def write_samples(root: Path, key: str, items: Iterable[Item], gallery: Gallery) -> dict[str, Json]:
    """Writes `data/KEY/index-N.js` and `page-N.js`; returns the counts by state for the manifest.

    `key`: ends in the task's name.
    """
    counts: Counter[str] = Counter()
    total = 0
    for part, chunk in enumerate(_parts(items, INDEX_ROWS)):
        write_script(root, f"{key}/index-{part}", [_row(one) for one in chunk])
        for inner, page in enumerate(_parts(chunk, PAGE_ROWS)):
            number = part * (INDEX_ROWS // PAGE_ROWS) + inner
            write_script(root, f"{key}/page-{number}", [_whole(one, gallery, key.rpartition("/")[2]) for one in page])
        counts.update(one.state for one in chunk)
        total += len(chunk)
    return {"key": key, "n": total, "parts": -(-total // INDEX_ROWS), "states": {one: counts[one] for one in STATES}}


def files_of(root: Path, written: Mapping[str, Json]) -> Iterator[Path]:
    """The files of a task of a run. `written`: what `write_samples` returned."""
    names = [f"index-{part}" for part in range(written["parts"])]
    names += [f"page-{page}" for page in range(-(-written["n"] // PAGE_ROWS))]
    yield from (root / "data" / f"{written['key']}/{name}.js" for name in names)


def write_script(root: Path, name: str, value: Json) -> None:
    """`data/NAME.js`, all of it or nothing."""
    path = root / "data" / f"{name}.js"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    part.write_text(f"report({json.dumps(name)},{text});\n", encoding="ascii")
    part.replace(path)


def manifest(runs: Sequence[Json]) -> dict[str, Json]:
    """What the page knows at once. `runs`: their names and tasks."""
    return {"runs": list(runs), "states": list(STATES), "index_rows": INDEX_ROWS, "page_rows": PAGE_ROWS}


def _parts(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    left = iter(items)
    while part := list(islice(left, size)):
        yield part


def _row(item: Item) -> list[Json]:
    """[id, index of the state, disputed, share, question, answer, reference], cut to what a list shows."""
    share = None if item.share is None else round(item.share, 4)
    texts = (item.question, item.answer or "", item.reference)
    return [item.id, STATES.index(item.state), int(item.disputed), share, *(text[:SEARCHED] for text in texts)]


def _whole(item: Item, gallery: Gallery, task: str) -> dict[str, Json]:
    shown = gallery.show(item.media, item.frames, task)
    return {
        "id": item.id,
        "cluster": item.cluster,
        "prompt": item.prompt or item.question,
        "reference": item.reference,
        "choices": list(item.choices),
        "answer": item.answer,
        "values": dict(item.values),
        "why": dict(item.why),
        "replies": [asdict(one) for one in item.replies],
        "counts": dict(_counts(item)),
        "notes": list(item.notes),
        "media": None if shown is None else asdict(shown),
    }


def _counts(item: Item) -> Iterator[tuple[str, int]]:
    if item.answer is not None:
        yield "vision tokens", item.vision_tokens
        yield "text tokens", item.text_tokens
        yield "output tokens", item.output_tokens
        yield "frames", item.seen_frames
