"""`run-eval view`: this machine's browsers alone, one folder alone, and a run that goes on is followed."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from harness.cli import CHANGE_SOMETHING, main
from harness.errors import UserError
from harness.media.image import open_image
from harness.records.folder import METRICS, RunFolder
from harness.records.journal import Journal, entry_of
from harness.types import Image, Response
from results.report.serve import HOST, Follower, server
from tests.support.chromium import chromium
from tests.support.reports import source
from tests.support.runs import answered_run


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A served folder and its port; a secret lies beside it."""
    (tmp_path / "secret.txt").write_text("secret")
    root = tmp_path / "report"
    root.mkdir()
    (root / "index.html").write_text("<p>hello")
    with server(root, 0) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield root, serving.server_address[1]
        serving.shutdown()


def ask(port: int, path: str, host: str | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    connection.putrequest("GET", path, skip_host=host is not None)
    if host is not None:
        connection.putheader("Host", host)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_only_the_folder_is_served(served: tuple[Path, int]) -> None:
    _, port = served
    assert ask(port, "/index.html") == (200, b"<p>hello")
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "//etc/passwd", "/./../../etc/passwd"):
        status, content = ask(port, path)
        assert status in (400, 404), path
        assert b"secret" not in content


@pytest.mark.parametrize("path", ["/link.txt", "/out/secret.txt", "/out/", "/.hidden", "/%00", "/index.html%00.js"])
def test_links_out_of_it_hidden_files_and_broken_names_are_not_served(
    path: str, served: tuple[Path, int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root, port = served
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "out").symlink_to(tmp_path)
    (root / ".hidden").write_text("secret")
    status, content = ask(port, path)
    assert status == 404
    assert b"secret" not in content
    assert "Traceback" not in capfd.readouterr().err


def test_folders_are_not_listed(served: tuple[Path, int]) -> None:
    root, port = served
    (root / "media").mkdir()
    assert ask(port, "/media/")[0] == 404


def test_only_this_machines_names_are_answered(served: tuple[Path, int]) -> None:
    _, port = served
    assert ask(port, "/index.html", f"localhost:{port}")[0] == 200
    assert ask(port, "/index.html", "elsewhere.example")[0] == 403


def test_a_port_in_use_is_said(served: tuple[Path, int], tmp_path: Path) -> None:
    _, port = served
    with pytest.raises(UserError, match="cannot be listened on"):
        server(tmp_path, port)
    with pytest.raises(UserError, match="--port"):
        server(tmp_path, 70_000)
    assert main(["view", str(tmp_path), "--port", "x"]) == CHANGE_SOMETHING


@pytest.mark.slow
def test_a_run_in_progress_is_followed_on_the_page(tmp_path: Path) -> None:
    data = source(tmp_path / "data")
    answered_run(tmp_path / "run", "gqa", data, {"00000": "nonsense"})
    root = tmp_path / "report"
    follower = Follower([tmp_path / "run"], root, most_media=0)
    assert follower.write()
    assert not follower.write()
    with server(root, 0) as serving, chromium() as browser:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        stopped = threading.Event()
        following = threading.Thread(target=follower.follow, args=(stopped,), daemon=True)
        following.start()
        page = browser.new_page()
        page.goto(f"http://{HOST}:{serving.server_address[1]}/#samples?task=gqa&id=00000")
        expect(page.locator(".line")).to_have_count(1)
        expect(page.locator("#live")).to_contain_text("in progress")
        page.evaluate("document.querySelector('#detail .answer').dataset.read = 'yes'")
        with Journal(RunFolder(tmp_path / "run").journal("gqa")) as journal:
            journal.append(entry_of("00001", Response("00001", "nonsense"), 0.0, False, None))
        expect(page.locator(".line")).to_have_count(2, timeout=60_000)
        assert page.locator("#detail .answer").get_attribute("data-read") == "yes", "the reader was disturbed"
        stopped.set()
        following.join()
        serving.shutdown()
    assert json.loads((root / "stamp.json").read_text())["running"]
    assert not (tmp_path / "run" / METRICS).exists()


def test_a_medium_is_read_once_however_often_the_report_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = answered_run(tmp_path / "run", "gqa", source(tmp_path / "data"), {"00000": "nonsense"}).folder
    opened: list[Image] = []
    monkeypatch.setattr("results.report.media.open_image", lambda image: opened.append(image) or open_image(image))
    follower = Follower([run], tmp_path / "report", 10)
    for name in ("00001", "00002"):
        assert follower.write()
        with Journal(RunFolder(run).journal("gqa")) as journal:
            journal.append(entry_of(name, Response(name, "nonsense"), 0.0, False, None))
    assert follower.write()
    assert len(opened) == len({image.id for image in opened}) > 0
