"""MMBench's Chinese TSV over the same synthetic pictures as the English one."""
# ruff: noqa: RUF001 (Chinese punctuation is meant)

from __future__ import annotations

import re
from pathlib import Path

from tasks.samples.mmbench import write_table

FOLDER = "mmbench_cn"

_NAMES = {
    **{"red": "红色", "orange": "橙色", "yellow": "黄色", "green": "绿色", "cyan": "青色", "blue": "蓝色"},
    **{"purple": "紫色", "pink": "粉色", "circle": "圆形", "square": "正方形", "triangle": "三角形", "star": "星形"},
    **{"cross": "十字形", "ring": "环形", "left": "左边", "right": "右边", "above": "上方", "below": "下方"},
    **{"larger": "更大", "smaller": "更小", "yes": "有", "no": "没有", "object": "物体"},
}
_QUESTIONS = {
    r"What color is the (\w+)\?": "{0}是什么颜色？",
    r"What shape is the (\w+) object\?": "{0}的物体是什么形状？",
    r"How many (\w+) are there\?": "有几个{0}？",
    r"Is there an? ([\w ]+)\?": "有{0}吗？",
    r"Is the ([\w ]+) (?:left or right of|above or below) the ([\w ]+)\?": "{0}在{1}的哪一边？",
    r"Is the ([\w ]+) larger or smaller than the ([\w ]+)\?": "{0}比{1}更大还是更小？",
    r"What word is printed\?": "图中印的是什么单词？",
}
_HINT = "图中有一些形状。\n它们的颜色各不相同。"


def write(folder: Path, seed: int) -> None:
    """`mmbench_dev_cn_20231003.tsv`."""
    write_table(folder / "mmbench_dev_cn_20231003.tsv", seed, _HINT, in_chinese)


def in_chinese(text: str) -> str:
    """A scene's question or answer in Chinese; numbers and printed words stay as they are."""
    for english, chinese in _QUESTIONS.items():
        if found := re.fullmatch(english, text):
            return chinese.format(*("".join(map(_name, part.split())) for part in found.groups()))
    return _NAMES.get(text, text)


def _name(word: str) -> str:
    """Of a word in either number: "star", "stars", "crosses"."""
    forms = (word, word.removesuffix("s"), word.removesuffix("es"))
    return next(_NAMES[form] for form in forms if form in _NAMES)
