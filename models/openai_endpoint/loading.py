"""A ready adapter from a preset; nothing is sent yet."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields

from harness.endpoint.wire import settings, split_spec
from harness.errors import UserError
from models import Preset
from models.openai_endpoint.adapter import EndpointAdapter
from models.openai_endpoint.options import EndpointOptions


def settable(preset: Preset) -> Collection[str]:
    """What --model-options may name."""
    return [one.name for one in fields(EndpointOptions)]


def check(preset: Preset, checkpoint: str | None) -> None:
    """That a model is named and, for OpenAI itself, a key is there. Nothing is sent. Raises UserError."""
    model, base_url = _named(preset, checkpoint)
    settings(f"--model openai:{model}", base_url, 1.0, 0)


def load(preset: Preset, checkpoint: str | None, device: str | None, dtype: str | None, reader: str) -> EndpointAdapter:
    """`checkpoint` or the preset's `weights`: MODEL[@BASE_URL]. Raises UserError."""
    check(preset, checkpoint)
    if device or dtype:
        raise UserError(f"--device and --dtype are the server's to choose: leave them out for {preset.name}.")
    model, base_url = _named(preset, checkpoint)
    try:
        options = EndpointOptions(**preset.options)
    except TypeError as error:
        raise UserError(f"preset {preset.name}: {error}.") from error
    return EndpointAdapter(preset, model, base_url, options, reader)


def _named(preset: Preset, checkpoint: str | None) -> tuple[str, str | None]:
    model, base_url = split_spec(checkpoint or preset.weights or "")
    if not model:
        raise UserError(f"{preset.name} names no model: --model openai:MODEL[@BASE_URL].")
    return model, base_url
