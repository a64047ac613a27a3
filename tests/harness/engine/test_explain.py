"""What two runs' cache keys have and have not in common."""

from __future__ import annotations

from pathlib import Path

from harness.engine.explain import explain
from harness.engine.run import evaluate
from tests.harness.engine.conftest import Configure
from tests.support.fakes import Parrot, write_quiz


def test_equal_runs_share_everything(configure: Configure, tmp_path: Path) -> None:
    a, b = (evaluate(configure(name, cache=tmp_path / "cache"), model=Parrot()) for name in "ab")
    found = explain(a.folder, b.folder)
    assert found["model"] == {}
    assert (found["tasks"]["quiz"]["same"], found["tasks"]["quiz"]["differ"]) == (40, {})


def test_every_differing_part_is_named_and_counted(configure: Configure, tmp_path: Path) -> None:
    a = evaluate(configure("a", cache=tmp_path / "cache"), model=Parrot())
    write_quiz(tmp_path / "data", texts={2: "another picture"})
    b = evaluate(configure("b", cache=tmp_path / "cache", max_new_tokens=3), model=Parrot(digest="other"))
    found = explain(a.folder, b.folder)
    assert found["model"] == {"digest": ["feathers", "other"]}
    row = found["tasks"]["quiz"]
    assert row["same"] == 0
    assert row["differ"] == {"max_new_tokens": 40, "media": 4}
    assert row["examples"]["q0"] == {"max_new_tokens": [8, 3]}
