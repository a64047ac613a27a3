"""What lmms-eval puts before a benchmark's question, taken from the installed package and never copied."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from harness.errors import NotAvailable

INSTALL = "pip install --no-deps lmms-eval==0.7.3"
_FILES = {"mmvet": "tasks/mmvet/mmvet.yaml"}
_SHA256 = {"mmvet": "79d362be1638c3ec3f9af921820b51db98127009e94939f56c7f83ffe50d8ec6"}


def pre_prompt(task: str) -> str:
    """The default `pre_prompt` of a task's YAML file, checked by its sha256.

    The package is read, not imported. Raises NotAvailable, which names the command that installs it.
    """
    import yaml

    found = find_spec("lmms_eval")
    if found is None or not found.submodule_search_locations:
        raise NotAvailable(f"{task}: the preset lmms-eval takes its text from that package. Install it: {INSTALL}")
    path = Path(found.submodule_search_locations[0]) / _FILES[task]
    try:
        settings = yaml.load(path.read_text(encoding="utf-8"), Loader=_loader())
        text = str(settings["lmms_eval_specific_kwargs"]["default"]["pre_prompt"])
    except (OSError, yaml.YAMLError, LookupError, TypeError) as error:
        raise NotAvailable(f"{task}: no pre_prompt can be read from {path} ({error}). Install {INSTALL}") from error
    if hashlib.sha256(text.encode()).hexdigest() != _SHA256[task]:
        raise NotAvailable(f"{task}: the text in {path} is not that of the version known here. Install it: {INSTALL}")
    return text


def _loader() -> type:
    """A safe loader that reads `!function name` as plain text."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: node.value)
    return Loader
