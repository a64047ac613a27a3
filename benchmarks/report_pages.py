"""How long a report of many samples takes to write, and its pages to show and to filter, in headless Chromium.

    python -m benchmarks.report_pages [--samples 100000]

prints one JSON document: seconds to write, the largest file in MiB, milliseconds to the first paint, to the list of all
samples, to a second run beside them, and for one filter (median of several).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Page

import tasks
from benchmarks.bars import bar
from harness.data.sources import DataSource
from harness.engine.config import RunConfig
from harness.engine.run import evaluate
from harness.registry import Registry
from results.report.write import write_report
from tests.support.chromium import chromium
from tests.support.fakes import Parrot, write_quiz

WORDS = ("question 77", "1", "question 9 99", "nothing like it", "")
FIRST_PAINT = """() => new Promise(done => new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (entry.name === 'first-contentful-paint') done(entry.startTime);
}).observe({ type: 'paint', buffered: true }))"""
FILTERED = """async word => {
  const search = document.getElementById('search');
  const started = performance.now();
  search.value = word;
  search.dispatchEvent(new Event('input'));
  document.getElementById('list').getBoundingClientRect();
  return performance.now() - started;
}"""


def measure(samples: int) -> dict[str, Any]:
    """Two runs over the same samples, so that comparing is measured too."""
    tasks.TASKS = Registry("task", {"quiz": "tests.support.fakes:Quiz"})
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        source = DataSource("folder", write_quiz(root / "data", samples))
        for name, model in (("first", Parrot()), ("second", Parrot(answer="0"))):
            evaluate(RunConfig("parrot", ("quiz",), {"quiz": source}, root / "runs" / name, workers=0), model=model)
        started = time.perf_counter()
        write_report([root / "runs"], root / "report", most_media=0)
        written = time.perf_counter() - started
        sizes = [path.stat().st_size for path in (root / "report").rglob("*") if path.is_file()]
        with chromium() as browser:
            page = browser.new_page()
            shown = dict(_browse(page, (root / "report" / "index.html").as_uri()))
    return {
        "samples": samples,
        "runs": 2,
        "write_seconds": round(written, 2),
        "files": len(sizes),
        "largest_file_mib": round(max(sizes) / 2**20, 2),
        **shown,
        "bars": [
            bar("first paint, overview", shown["overview_first_paint_ms"], "ms", most=1000),
            bar("first paint, 100,000 samples", shown["samples_first_paint_ms"], "ms", most=1000),
            bar("one filter over 100,000 samples", shown["filter_ms"], "ms", most=200),
        ],
    }


def _browse(page: Page, address: str) -> Iterator[tuple[str, float]]:
    page.goto(address)
    yield "overview_first_paint_ms", round(page.evaluate(FIRST_PAINT))
    page.goto("about:blank")
    page.goto(f"{address}#samples?task=quiz")
    page.wait_for_selector(".line")
    yield "samples_first_paint_ms", round(page.evaluate(FIRST_PAINT))
    yield "samples_list_ms", round(page.evaluate("performance.now()"))
    yield "filter_ms", round(median(page.evaluate(FILTERED, word) for word in WORDS), 1)
    started = time.perf_counter()
    page.goto(f"{address}#samples?task=quiz&vs=1&state=disagreement")
    page.locator(".line .state").nth(51).wait_for()
    yield "second_run_ms", round(1000 * (time.perf_counter() - started))
    yield "filter_two_runs_ms", round(median(page.evaluate(FILTERED, word) for word in WORDS), 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--samples", type=int, default=100_000)
    print(json.dumps(measure(parser.parse_args().samples), indent=2))
