"""The official judge prompts, taken word for word from the installed lmms-eval package and checked by their sha256.

They are parsed out of its source with `ast`, never imported: importing its tasks costs ten seconds and needs keys in
the environment. Where each text lies, and that it equals the official scripts': specs/video_benchmarks.md section 10.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from harness.errors import NotAvailable, UnknownName

INSTALL = "pip install --no-deps lmms-eval==0.7.3"
_FIELDS = {
    "pred": "prediction",
    "question1": "question_1",
    "question2": "question_2",
    "pred1": "prediction_1",
    "pred2": "prediction_2",
}
"""The package's names of fields -> ours."""


@dataclass(frozen=True, slots=True)
class JudgePrompt:
    """`parts`: per message its role and its pieces, each (is a field, text or name of the field)."""

    name: str
    sha256: str
    parts: tuple[tuple[str, tuple[tuple[bool, str], ...]], ...]

    def messages(self, **fields: str) -> tuple[tuple[str, str], ...]:
        """(role, text) of each message. Raises KeyError for a field that is not given."""
        return tuple(
            (role, "".join(fields[text] if field else text for field, text in pieces)) for role, pieces in self.parts
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a prompt lies: file under lmms_eval/tasks, function and, if it has several prompts, the task's branch."""

    file: str
    function: str
    branch: str | None
    sha256: str


_ACTIVITYNET, _GENERIC = "activitynetqa/utils.py", "videochatgpt/utils.py"
_VIDEO = {
    "qa": _Place(_ACTIVITYNET, "get_eval", None, "3b5fedef3dfc28dc36e2a0557d82e6f05693b0c2a323222a29a5f02e3f22d08f"),
    "correctness": _Place(
        _GENERIC, "get_eval_generic", "correctness", "0a29053a480de1648df29bde94b66ed31d4a6eaf7298e8bfa029c60fcad3ddcc"
    ),
    "detail": _Place(
        _GENERIC,
        "get_eval_generic",
        "detailed_orientation",
        "60be730fdadc0b1f7fb3a641308e2e343e2f45b7a072e8df6f5f3d93be62d9b7",
    ),
    "context": _Place(
        _GENERIC, "get_eval_generic", "context", "c7fdeb98c47fe89f054bc0e34f3152a2b64519a41ef069ca43aacc13839c9094"
    ),
    "temporal": _Place(
        _GENERIC, "get_eval_generic", "temporal", "f96cc6f83031c57207a056595b7541fb4a9854db58d395dd8e9a32bc268d170f"
    ),
    "consistency": _Place(
        _GENERIC, "get_eval_consistency", None, "87efbd855c5d790670ba4c356a74ff9c97c9a7cff540e36fc97f7c89c5610879"
    ),
}
_MMVET = "d1b3e0a5b4e72c888b77164489d705bba4dd149934fff564dfba6443d81afe3f"
_LLAVABENCH = "2ce22b562d6008864970ea863ac8a4d385ea6f2e64ab1313a23f825202a9529d"
"""sha256 of MM-Vet's table in its official wording and of LLaVA-Bench's rule, which its three categories share."""

NAMES = (*_VIDEO, "mmvet", "llavabench")


@lru_cache
def load_prompt(name: str) -> JudgePrompt:
    """A prompt by name, one of `NAMES`. Fields: those of `JudgeRequest.facts`.

    Raises NotAvailable where the package is absent or its text is not the one known, and UnknownName.
    """
    if name in _VIDEO:
        return _video(name, _VIDEO[name])
    if name == "mmvet":
        return _mmvet()
    if name == "llavabench":
        return _llavabench()
    raise UnknownName("judge prompt", name, NAMES)


def _video(name: str, place: _Place) -> JudgePrompt:
    parts = tuple(
        (_literal(message["role"]), tuple(_pieces(message["content"])))
        for message in _messages(_function(place), place.branch)
    )
    digest = hashlib.sha256()
    for role, pieces in parts:
        digest.update(json.dumps([role, pieces]).encode())
    return JudgePrompt(name, _checked(place.file, digest.hexdigest(), place.sha256), parts)


def _mmvet() -> JudgePrompt:
    """The official task description and table, then one row. lmms-eval renamed a column and lost a blank line."""
    file = "mmvet/utils.py"
    for node in ast.walk(_source(file)):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "MM_VET_PROMPT":
            text = _literal(node.value).replace("score.\ngpt_query_prompt |", "score.\n\nQuestion |")
            sha256 = _checked(file, hashlib.sha256(text.encode()).hexdigest(), _MMVET)
            row: list[tuple[bool, str]] = [(False, f"{text}\n")]
            for field in ("question", "answer", "prediction"):
                row += [(True, field), (False, " | ")]
            return JudgePrompt("mmvet", sha256, (("user", tuple(row)),))
    raise _changed(file)


def _llavabench() -> JudgePrompt:
    """The blocks of LLaVA's review script around the rule (specs/image_benchmarks.md section 11)."""
    file = "llava-in-the-wild/rule.json"
    rule = json.loads(_path(file).read_text(encoding="utf-8"))["llava_bench_conv"]["prompt"]
    sha256 = _checked(file, hashlib.sha256(rule.encode()).hexdigest(), _LLAVABENCH)
    pieces: list[tuple[bool, str]] = []
    for title, field in (("Context", "context"), ("Question", "question")):
        pieces += [(False, f"[{title}]\n"), (True, field), (False, "\n\n")]
    for number, field in ((1, "answer"), (2, "prediction")):
        who = f"Assistant {number}"
        pieces += [(False, f"[{who}]\n"), (True, field), (False, f"\n\n[End of {who}]\n\n")]
    pieces.append((False, f"[System]\n{rule}\n\n"))
    system = "You are a helpful and precise assistant for checking the quality of the answer."
    return JudgePrompt("llavabench", sha256, (("system", ((False, system),)), ("user", tuple(pieces))))


def _function(place: _Place) -> ast.FunctionDef:
    for node in ast.walk(_source(place.file)):
        if isinstance(node, ast.FunctionDef) and node.name == place.function:
            return node
    raise _changed(place.file)


def _messages(function: ast.FunctionDef, branch: str | None) -> list[dict[str, ast.expr]]:
    """The list of {"role": .., "content": ..} in a function, in the branch for one task if it has several."""
    scope: list[ast.stmt] = function.body
    if branch is not None:
        scope = next((node.body for node in ast.walk(function) if _asks_for(node, branch)), [])  # type: ignore[attr-defined]
    for node in (node for statement in scope for node in ast.walk(statement)):
        if isinstance(node, ast.List) and node.elts and all(isinstance(item, ast.Dict) for item in node.elts):
            found = [_fields_of(item) for item in node.elts if isinstance(item, ast.Dict)]
            if all({"role", "content"} <= item.keys() for item in found):
                return found
    return []


def _asks_for(node: ast.AST, branch: str) -> bool:
    """Is this `if ... == branch`?"""
    if not isinstance(node, ast.If) or not isinstance(node.test, ast.Compare):
        return False
    return any(isinstance(side, ast.Constant) and side.value == branch for side in node.test.comparators)


def _fields_of(item: ast.Dict) -> dict[str, ast.expr]:
    return {
        key.value: value
        for key, value in zip(item.keys, item.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }


def _pieces(node: ast.expr) -> Iterator[tuple[bool, str]]:
    """Literal parts and fields of a string, an f-string or a sum of them."""
    if isinstance(node, ast.Constant):
        yield False, str(node.value)
    elif isinstance(node, ast.JoinedStr):
        for value in node.values:
            yield from _pieces(value)
    elif isinstance(node, ast.BinOp):
        yield from _pieces(node.left)
        yield from _pieces(node.right)
    elif isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name):
        yield True, _FIELDS.get(node.value.id, node.value.id)


def _literal(node: ast.expr) -> str:
    value = node.value if isinstance(node, ast.Constant) else ""
    return value if isinstance(value, str) else ""


def _checked(file: str, found: str, expected: str) -> str:
    if found != expected:
        raise _changed(file)
    return found


def _changed(file: str) -> NotAvailable:
    return NotAvailable(
        f"lmms_eval/tasks/{file} does not hold the judge prompt of lmms-eval 0.7.3, so replies could not be compared. "
        f"Install that version: {INSTALL}"
    )


def _source(file: str) -> ast.Module:
    return ast.parse(_path(file).read_text(encoding="utf-8"))


def _path(file: str) -> Path:
    spec = find_spec("lmms_eval")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        if (path := Path(folder) / "tasks" / file).is_file():
            return path
    raise NotAvailable(f"the official judge prompts come from the lmms-eval package, which is absent: {INSTALL}")
