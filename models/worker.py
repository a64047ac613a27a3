"""Models in interpreters of their own, behind the harness's `Model` contract: one question at a time over a pipe.

The interpreter comes from `RUN_EVAL_PYTHON`, or from `RUN_EVAL_PYTHON_<PRESET>` (as in RUN_EVAL_PYTHON_QWEN_VL) for one
model. A worker that dies, hangs, runs out of memory or talks nonsense is started again and asked once more; then the
sample is Missing with the reason.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

from harness.errors import NotAvailable, UserError
from harness.model import ModelCard
from harness.types import Json
from models import Preset
from models.weights import digest
from models.workers.adapter import FilePreparer, WorkerAdapter
from models.workers.process import Worker, WorkerFault

PYTHON, SECONDS = "RUN_EVAL_PYTHON", "RUN_EVAL_WORKER_SECONDS"
LOAD_SECONDS, ANSWER_SECONDS = 3600.0, 300.0
VERSION = "worker-1"
OWN_FRAMES = "of a video it chooses the frames itself"
OPTIONS = {"adapter", "arguments", "weights_argument", "video", "needs", "bridge"}


def load(preset: Preset, checkpoint: str | None, device: str | None, dtype: str | None, reader: str) -> WorkerAdapter:
    """Starts a worker with the preset's model. Raises NotAvailable without an interpreter, UserError where the model
    does not load there."""
    if unknown := set(preset.options) - OPTIONS:
        raise UserError(f"preset {preset.name}: unknown options {', '.join(sorted(unknown))}.")
    python, (adapter, arguments) = interpreter(preset), model_arguments(preset, checkpoint)
    if dtype:
        arguments["dtype"] = dtype
    bridge = Path(preset.options.get("bridge", Path(__file__).parent / "workers" / "lmms_eval_bridge.py"))
    options = {"adapter": adapter, "arguments": arguments, "device": device}
    worker = Worker(python, bridge, options, LOAD_SECONDS, _seconds())
    try:
        identity = worker.start()
    except (WorkerFault, OSError) as error:
        raise UserError(f"{preset.name} does not load in {python}: {error}. It needs {_needs(preset)}.") from error
    settings = {"adapter": adapter, "arguments": arguments, "bridge": digest([bridge]), **identity}
    frames = preset.options.get("video", "file") == "frames"
    folders = [Path(value) for value in arguments.values() if isinstance(value, str) and Path(value).is_dir()]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    card = ModelCard(
        name=preset.name,
        digest=hashlib.sha256(json.dumps([settings, digest(files)], sort_keys=True).encode()).hexdigest(),
        dtype=dtype or "as its own code chooses",
        version=VERSION,
        modalities=preset.modalities,
        settings={**settings, "video": "frames" if frames else "file"},
        source=checkpoint or preset.weights or "",
        notes=("token counts are those it tells; 0 where it tells none", *(() if frames else (OWN_FRAMES,))),
    )
    return WorkerAdapter(worker, card, FilePreparer(frames, reader))


def check(preset: Preset, checkpoint: str | None) -> None:
    """Whether there is an interpreter, and a checkpoint that can be asked for. Raises NotAvailable, UserError."""
    interpreter(preset)
    model_arguments(preset, checkpoint)


def interpreter(preset: Preset) -> str:
    """The Python of a preset's environment. Raises NotAvailable."""
    own = f"{PYTHON}_{re.sub('[^A-Z0-9]', '_', preset.name.upper())}"
    python = os.environ.get(own) or os.environ.get(PYTHON)
    if not python:
        raise NotAvailable(
            f"{preset.name} runs in a Python of its own. Make an environment with {_needs(preset)}, then set {own}, or "
            f"{PYTHON} for all such models, to its interpreter, e.g. {own}=$HOME/envs/{preset.name}/bin/python."
        )
    if (found := shutil.which(python)) is None:
        raise NotAvailable(f"{own if os.environ.get(own) else PYTHON}={python}: there is no such program.")
    return found


def model_arguments(preset: Preset, checkpoint: str | None) -> tuple[str, dict[str, Json]]:
    """lmms-eval's name of the model and its arguments. A preset without an adapter takes both from --checkpoint, as in
    `llava_hf:pretrained=DIR`. Raises UserError."""
    arguments: dict[str, Json] = dict(preset.options.get("arguments", {}))
    if (adapter := preset.options.get("adapter")) is not None:
        if weights := checkpoint or preset.weights:
            arguments[preset.options.get("weights_argument", "pretrained")] = weights
        return str(adapter), arguments
    adapter, _, rest = (checkpoint or "").partition(":")
    if not adapter:
        raise UserError(
            f"--model {preset.name} needs --checkpoint ADAPTER:KEY=VALUE,.., with an adapter of lmms-eval and its "
            "model_args, e.g. --checkpoint llava_hf:pretrained=DIR."
        )
    for pair in filter(None, rest.split(",")):
        key, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--checkpoint {checkpoint}: '{pair}' is no KEY=VALUE.")
        arguments[key] = value
    return adapter, arguments


def _needs(preset: Preset) -> str:
    return str(preset.options.get("needs", "what the model imports"))


def _seconds() -> float:
    text = os.environ.get(SECONDS, str(ANSWER_SECONDS))
    try:
        if (found := float(text)) > 0:
            return found
    except ValueError as error:
        raise UserError(f"{SECONDS}={text}: must be seconds, e.g. 600.") from error
    raise UserError(f"{SECONDS}={text}: must be above 0.")
