"""All benchmarks, one after another, each in a process of its own, and one table of what they measured.

    python -m benchmarks [--json FILE] [NAME ..]

Ends with exit code 1 where a bar is not met.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path

import torch

from harness.cli.printing import console, note, table

HELPERS = {"__init__", "__main__", "bars", "shapes"}
ALONE = {"lmms_eval_runner", "sharing_on_gpu"}
"""Need an environment with another harness in it, and a GPU, so they run when they are named."""


def main() -> int:
    folder = Path(__file__).parent
    known = sorted(path.stem for path in folder.glob("*.py") if path.stem not in HELPERS)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *known], help=", ".join(known))
    parser.add_argument("--json", type=Path, metavar="FILE", help="where all that the scripts printed goes")
    args = parser.parse_args()
    found = {}
    for name in args.names or sorted({*known} - ALONE):
        note(f"{name} ..")
        command = [sys.executable, "-m", f"benchmarks.{name}"]
        done = subprocess.run(command, cwd=folder.parent, stdout=subprocess.PIPE, text=True, check=True)
        found[name] = json.loads(done.stdout)
    if args.json is not None:
        args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    shown = table("benchmark", "what", ">measured", "bar", "met")
    for name, document in found.items():
        for row in document["bars"]:
            shown.add_row(
                name, row["what"], f"{row['measured']:,g} {row['unit']}", row["bar"], "yes" if row["met"] else "NO"
            )
    console().print(shown)
    print(
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}"
    )
    return 0 if all(row["met"] for document in found.values() for row in document["bars"]) else 1


if __name__ == "__main__":
    sys.exit(main())
