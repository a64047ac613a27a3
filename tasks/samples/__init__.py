"""Sample sets: each benchmark's official folder layout, filled from synthetic scenes that training never sees.

A set is built into a folder beside its place and then renamed, so a folder in place is always whole. A marker inside it
says from which seed and which state of the generating code it came; a set that no longer fits is built anew.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from harness.errors import UnknownName, UserError

_BUILDERS = {
    "vqav2": "tasks.samples.vqav2",
    "gqa": "tasks.samples.gqa",
    "vizwiz": "tasks.samples.vizwiz",
    "scienceqa": "tasks.samples.scienceqa",
    "textvqa": "tasks.samples.textvqa",
    "pope": "tasks.samples.pope",
    "mme": "tasks.samples.mme",
    "mmbench": "tasks.samples.mmbench",
    "mmbench_cn": "tasks.samples.mmbench_cn",
    "seedbench": "tasks.samples.seedbench",
    "llavabench": "tasks.samples.llavabench",
    "mmvet": "tasks.samples.mmvet",
    "msvdqa": "tasks.samples.msvdqa",
    "msrvttqa": "tasks.samples.msrvttqa",
    "activitynetqa": "tasks.samples.activitynetqa",
    "videochatgpt": "tasks.samples.videochatgpt",
    "mvbench": "tasks.samples.mvbench",
    "mlvu": "tasks.samples.mlvu",
    "egoschema": "tasks.samples.egoschema",
}
_MARKER = ".sample-set.json"


def build(task_names: Iterable[str], root: Path, seed: int) -> None:
    """Writes the sample sets of some tasks under `root`, each in the layout that `--data-root` expects.

    Sets that are there already, from the same seed and code, stay. The same seed gives the same bytes. Raises
    UnknownName for a task without sample set, and UserError where a folder that is no sample set stands in the way.
    """
    for name in task_names:
        if name not in _BUILDERS:
            raise UnknownName("sample set", name, _BUILDERS)
        builder = importlib.import_module(_BUILDERS[name])
        _build_one(builder, Path(root) / builder.FOLDER, seed)


def _build_one(builder: ModuleType, place: Path, seed: int) -> None:
    marker = {"seed": seed, "code": _code_digest(builder)}
    if _marker_of(place) == marker:
        return
    if place.exists() and _marker_of(place) is None:
        raise UserError(
            f"{place} exists and is no sample set, so it is left alone. Move it, or name another folder for samples."
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as scratch:
        fresh = Path(scratch) / "new"
        fresh.mkdir()
        builder.write(fresh, seed)
        (fresh / _MARKER).write_text(json.dumps(marker), encoding="utf-8")
        if place.exists():
            place.replace(Path(scratch) / "old")
        try:
            fresh.replace(place)
        except OSError:  # another process was faster
            if _marker_of(place) != marker:
                raise


def _marker_of(place: Path) -> object:
    try:
        return json.loads((place / _MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _code_digest(builder: ModuleType) -> str:
    """Over everything that decides the bytes of a set: the builder, its helpers and the scenes."""
    import harness.data.scenes

    sources = [Path(__file__).parent, Path(str(harness.data.scenes.__file__)).parent]
    digest = hashlib.sha256(builder.__name__.encode())
    for path in sorted(path for folder in sources for path in folder.glob("*.py") if path.name != "training.py"):
        digest.update(path.read_bytes())
    return digest.hexdigest()
