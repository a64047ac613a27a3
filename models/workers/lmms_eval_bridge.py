"""Any model adapter of the lmms-eval that is installed beside it, v0.3 or later, as a bridge of `serve.py`.

Options: `adapter`, lmms-eval's name of the model; `arguments`, its model_args (`force_simple=true` takes a simple
adapter where there is a chat one too); `device`. Standard library and lmms-eval alone, Python 3.8 or later. Source:
lmms-eval's `lmms_eval/api/model.py`.
"""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

TASK, SPLIT = "asked", "test"


def load(options):
    """The model's identity and its answers. Raises whatever lmms-eval raises."""
    from lmms_eval.models import get_model

    arguments = dict(options["arguments"])
    simple = {"force_simple": True} if str(arguments.pop("force_simple", "")).lower() == "true" else {}
    cls = get_model(options["adapter"], **simple)
    if options.get("device"):
        arguments["device"] = options["device"]
    model = cls(**{"batch_size": 1, **arguments})
    chat = not getattr(cls, "is_simple", True)
    return _identity(cls, arguments, chat), Asked(model, chat)


class Asked:
    """One request at a time, as a task of a single document; each has an id of its own, should an adapter keep them."""

    def __init__(self, model, chat):
        self._model, self._chat = model, chat
        self._documents = {}
        if not hasattr(model, "task_dict"):
            model.task_dict = {}
        model.task_dict[TASK] = {SPLIT: self._documents}

    def __call__(self, request):
        from lmms_eval.api.instance import Instance

        number = request["id"]
        self._documents.clear()
        self._documents[number] = request
        settings = {"max_new_tokens": request["max_new_tokens"], "temperature": 0, "do_sample": False, "num_beams": 1}
        if self._chat:
            arguments = (request["text"], messages, settings, number, TASK, SPLIT)
        else:
            arguments = (request["text"], settings, visuals, number, TASK, SPLIT)
        about = {"task": TASK, "doc_id": number, "repeats": 1}
        said = self._model.generate_until(
            [Instance(request_type="generate_until", arguments=arguments, idx=0, metadata=about)]
        )[0]
        counts = getattr(said, "token_counts", None)
        answer = {"text": str(getattr(said, "text", said)).strip()}
        if counts is not None and counts.output_tokens is not None:
            answer["output_tokens"] = counts.output_tokens
        return answer


def visuals(document):
    """Pictures as PIL images, a video as its path: what `doc_to_visual` of lmms-eval's own tasks gives."""
    if document["media"] in (None, "video"):
        return list(document["paths"])
    from PIL import Image

    pictures = []
    for path in document["paths"]:
        with Image.open(path) as picture:
            pictures.append(picture.convert("RGB"))
    return pictures


def messages(document):
    """The same for chat adapters."""
    kind = "video" if document["media"] == "video" else "image"
    seen = [{"type": kind, "url": one} for one in visuals(document)]
    return [{"role": "user", "content": [*seen, {"type": "text", "text": document["text"]}]}]


def _identity(cls, arguments, chat):
    """What could change an answer: versions, and the commits of weights that came from the hub."""
    versions = {"python": platform.python_version()}
    for package in ("lmms_eval", "torch", "transformers"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    texts = [value for value in arguments.values() if isinstance(value, str)]
    commits = {text: _commit(text) for text in texts if text.count("/") == 1 and not Path(text).exists()}
    return {"adapter": cls.__module__ + "." + cls.__name__, "chat": chat, "versions": versions, "commits": commits}


def _commit(repository):
    """The commit of a hub repository as it lies in the cache, None where that cannot be told."""
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(repository, local_files_only=True)).name
    except Exception:  # the hub's client has many kinds of "not here", and none of them matters
        return None
