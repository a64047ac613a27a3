"""This project's models in lmms-eval: the entry point of group `lmms_eval.models`, read by lmms-eval 0.7 and later.

python -m lmms_eval --model run_eval --model_args model=llava-mini,checkpoint=DIR --tasks gqa
"""

from __future__ import annotations

from typing import Any

NAME = "run_eval"


def manifest() -> Any:
    """What lmms-eval's registry wants to know: one model, whose argument `model` is a preset of `run-eval models`."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest(NAME, simple_class_path=f"{__name__}.model.RunEval", aliases=("llava_mini",))
