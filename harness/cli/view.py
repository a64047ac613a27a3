"""Serve runs as pages to the browsers of this machine; a run in progress is followed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from harness.cli import DONE
from harness.cli.printing import note
from harness.cli.report import add_media
from harness.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders, or folders of runs")
    parser.add_argument("--port", default="8321", metavar="N", help="on 127.0.0.1 (default: 8321; 0: any free one)")
    add_media(parser)


def execute(args: argparse.Namespace, argv: Sequence[str]) -> int:
    import tempfile
    import threading

    from results.report.serve import HOST, Follower, server

    if not args.port.isdecimal():
        raise UserError(f"--port {args.port}: is no number.")
    with tempfile.TemporaryDirectory(prefix="run-eval-view-") as folder:
        follower = Follower(args.runs, Path(folder), args.media_limit)
        with server(Path(folder), int(args.port)) as serving:
            follower.write()
            stopped = threading.Event()
            following = threading.Thread(target=follower.follow, args=(stopped,), daemon=True)
            following.start()
            print(f"http://{HOST}:{serving.server_address[1]}/index.html", flush=True)
            note("Ctrl-C ends it")
            with suppress(KeyboardInterrupt):
                serving.serve_forever()
            stopped.set()
            following.join()
    return DONE
