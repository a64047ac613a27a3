"""Every efficiency number of the paper recomputed: exact, rounding, remainder or inconsistent, with the reason.

FLOPs are counted as the paper counts them (calflops' convention) with T text tokens; T = 43 is the only number with
which the paper's own come out."""

from __future__ import annotations

import argparse
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from harness.cli import DONE
from harness.cli.options import add_options, positive
from harness.cli.printing import print_json

_WIDTH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--text-tokens", type=positive, default=None, metavar="T", help="text tokens (default: 43)")
    add_options(parser, ("json",))


def execute(args: argparse.Namespace, argv: Sequence[str]) -> int:
    from harness.profiler.flops import TEXT_TOKENS
    from results.paper.check import CLASSES, Check, checks
    from results.paper.check.time import latency_lines

    tokens = args.text_tokens or TEXT_TOKENS
    found: list[tuple[Check, str, str]] = [(one, *one.verdict) for one in checks(tokens)]
    counts = Counter(verdict for _, verdict, _ in found)
    if "json" in args:
        rows = [
            {
                "source": one.source,
                "row": one.row,
                "published": float(one.printed),
                "ours": float(one.ours),
                "unit": one.unit,
                "class": verdict,
                "note": reason,
                "printed": str(one.printed),
                "relative_error": one.relative_error,
            }
            for one, verdict, reason in found
        ]
        lines = [asdict(line) for line in latency_lines(tokens)]
        summary = {verdict: counts[verdict] for verdict in CLASSES}
        print_json({"text_tokens": tokens, "summary": summary, "rows": rows, "latency": lines})
        return DONE
    source = ""
    for one, verdict, reason in found:
        if one.source != source:
            source = one.source
            print(f"\n{source[0].upper()}{source[1:]}")
        unit = "" if one.unit == "frames" else f" {one.unit}"
        printed, ours = f"{one.printed}{unit}", f"{float(one.ours):.5g}{unit}"
        print(f"  {one.row:<54.54} {printed:>10} {ours:>12}  {verdict}")
        for line in textwrap.wrap(reason, _WIDTH - 6):
            print(f"      {line}")
    print("\nTable 13 as lines over FLOPs: latency = constant + FLOPs / rate")
    for gpu in latency_lines(tokens):
        print(
            f"  {gpu.gpu:<10} {gpu.constant_ms:>6.1f} ms + FLOPs / {gpu.tflops_per_s:.1f} T/s, all rows within "
            f"{gpu.worst_ms:.1f} ms; speed-up {gpu.speedup:.2f}"
        )
    print(f"\n{len(found)} numbers with T = {tokens}: " + ", ".join(f"{counts[one]} {one}" for one in CLASSES))
    return DONE
