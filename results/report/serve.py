"""A report served to this machine's browsers alone, written anew as its runs go on."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness.errors import UserError
from harness.records.folder import METRICS, RUN
from results.leaderboard.cells import read_runs
from results.report.media import Gallery
from results.report.write import write_report

HOST = "127.0.0.1"
LOOK_SECONDS = 1.0
BUSY_SHARE = 0.2
"""Of the time, at most, spent on writing the report again: the run needs the machine more."""


class Handler(SimpleHTTPRequestHandler):
    """Files of one folder, for requests that name this machine; no listings, nothing kept by the browser."""

    def send_head(self):  # type: ignore[no-untyped-def]
        host = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
        if host not in (HOST, "localhost"):  # a page elsewhere whose name was made to point here
            self.send_error(HTTPStatus.FORBIDDEN, "this report is served to this machine only")
            return None
        if "%00" in self.path or not self._own(Path(self.translate_path(self.path))):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def _own(self, path: Path) -> bool:
        """Whether it is a file of the folder, links followed; the folder itself stands for its index.html."""
        root, path = Path(self.directory).resolve(), path.resolve()
        path = root / "index.html" if path == root else path
        return path.is_relative_to(root) and path.is_file() and not path.name.startswith(".")

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


class Follower:
    """Writes the report when the runs' files have changed, and says so in `stamp.json`."""

    def __init__(self, paths: Sequence[Path], root: Path, most_media: int) -> None:
        self._paths, self._root, self._gallery = paths, root, Gallery(root, most_media)
        self._seen: list[tuple[str, int, int]] = []

    def write(self) -> bool:
        """Whether there was anything new. Raises UserError."""
        folders = list(dict.fromkeys(run.folder for run in read_runs(self._paths)))
        now = sorted(
            (str(path), path.stat().st_size, path.stat().st_mtime_ns)
            for folder in folders
            for path in (*folder.glob("*.json"), *folder.glob("*/*.jsonl"))
        )
        if now == self._seen:
            return False
        write_report(self._paths, self._root, live=True, gallery=self._gallery)
        self._seen = now
        running = [folder for folder in folders if not (folder / METRICS).is_file() and (folder / RUN).is_file()]
        stamp = {"stamp": str(hash(tuple(now))), "running": bool(running)}
        (self._root / "stamp.json").write_text(json.dumps(stamp), encoding="ascii")
        return True

    def follow(self, stopped: threading.Event) -> None:
        """Until `stopped`. A run that is being written just now is looked at again later."""
        pause = LOOK_SECONDS
        while not stopped.wait(pause):
            began = time.monotonic()
            try:
                self.write()
            except (UserError, OSError, ValueError, KeyError):
                continue
            pause = max(LOOK_SECONDS, (time.monotonic() - began) / BUSY_SHARE)


def server(root: Path, port: int) -> ThreadingHTTPServer:
    """Listening on this machine only; port 0: any that is free. Raises UserError."""
    try:
        return ThreadingHTTPServer((HOST, port), partial(Handler, directory=str(root)))
    except (OSError, OverflowError) as error:
        raise UserError(f"--port {port}: cannot be listened on ({error}). Try --port 0, any that is free.") from error
