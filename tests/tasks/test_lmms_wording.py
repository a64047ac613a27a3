from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import NotAvailable
from tasks import lmms_wording
from tasks.lmms_wording import INSTALL, pre_prompt


class Spec:
    """Where a package lies, as `find_spec` says it."""

    def __init__(self, folder: Path) -> None:
        self.submodule_search_locations = [str(folder)]


def test_an_absent_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmms_wording, "find_spec", lambda name: None)
    with pytest.raises(NotAvailable, match=INSTALL):
        pre_prompt("mmvet")


@pytest.mark.parametrize(
    "content",
    [
        None,
        "task: [",
        "task: mmvet\n",
        "- a list\n",
        "lmms_eval_specific_kwargs:\n  default:\n    pre_prompt: 'Another text'\n",
        "lmms_eval_specific_kwargs:\n  default:\n    pre_prompt: 5\n",
    ],
)
def test_a_file_that_is_not_the_known_one_is_refused(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tasks" / "mmvet" / "mmvet.yaml"
    path.parent.mkdir(parents=True)
    if content is not None:
        path.write_text(content, encoding="utf-8")
    monkeypatch.setattr(lmms_wording, "find_spec", lambda name: Spec(tmp_path))
    with pytest.raises(NotAvailable, match=INSTALL):
        pre_prompt("mmvet")


def test_the_package_is_read_and_not_imported() -> None:
    code = (
        "import sys; from tasks.lmms_wording import pre_prompt; pre_prompt('mmvet'); "
        "sys.exit('lmms_eval' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
