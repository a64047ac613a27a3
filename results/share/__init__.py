"""A run as files that other tools take: nothing is sent anywhere.

A format is a function from a run to the contents of its files by name.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from harness.records.run import Run
from harness.registry import Registry

Files: TypeAlias = Mapping[str, str]
"""Contents by file name."""

SHARED: Registry[Callable[[Run], Files]] = Registry(
    "format of an export",
    {
        "lmms-eval": "results.share.lmms_eval:files",
        "hf-card": "results.share.hf_card:files",
        "wandb-json": "results.share.wandb_json:files",
    },
)
