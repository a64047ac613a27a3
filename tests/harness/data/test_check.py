"""The look at data before a run."""

from __future__ import annotations

from pathlib import Path

import PIL.Image

from harness.data.check import check
from harness.types import Image, Sample


def test_every_problem_is_counted_with_an_example(tmp_path: Path) -> None:
    good, torn = tmp_path / "good.png", tmp_path / "torn.png"
    PIL.Image.effect_noise((60, 60), 50).save(good)
    torn.write_bytes(good.read_bytes()[:-500])
    samples = [
        Sample("a", "?", Image("good", good), "x"),
        Sample("b", "?", Image("torn", torn), "x"),
        Sample("c", "?", Image("gone", tmp_path / "gone.png"), "x"),
        Sample("d", "?", None, "x", broken="the question names no image"),
        Sample("a", "?", None, "x"),
    ]
    quick, deep = check(samples), check(samples, deep=True)
    assert (quick["samples"], quick["media"]) == (5, 3)
    expected = {"the question names no image": 1, "id occurs more than once": 1, "file not found": 1}
    assert quick["problems"] == expected
    assert set(deep["problems"]) - set(expected) <= {"truncated picture", "corrupt picture"}
    assert len(deep["problems"]) == 4
    assert deep["examples"]["file not found"] == [str(tmp_path / "gone.png")]
