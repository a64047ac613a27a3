"""Models by name: presets in `presets.yaml`, adapters found through one registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from harness.errors import UnknownName, UserError
from harness.registry import Registry

if TYPE_CHECKING:
    from harness.model import Model

HERE = Path(str(files(__name__)))
SHAPES = HERE / "shapes.yaml"
GROUP = "harness.models"
ANY_SERVER = "openai"
WAYS = BUILT_IN, TRANSFORMERS, ENDPOINT, OWN_INTERPRETER = "built in", "transformers", "endpoint", "own interpreter"
"""Ways to a model: our own code, transformers' classes, a server, a Python of its own."""
PLUG_IN = "plug-in"
"""The way of a preset that an installed package brings."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A model that can be asked for by name.

    `adapter`: "module:function" called with (preset, checkpoint, device, dtype, video_reader). `weights`: a hub id,
    a path inside this package (`shipped`), or None where none were published. `default_data`: where samples come
    from by default. `how`: the way in, one of `WAYS`. `reducer`, `options`: what the adapter reads beside the weights.
    """

    name: str
    adapter: str
    description: str
    weights: str | None = None
    conversation: str = ""
    modalities: tuple[str, ...] = ("image",)
    shipped: bool = False
    default_data: str = "hub"
    paper: str = ""
    variant_of: str = ""
    how: str = BUILT_IN
    expects: Mapping[str, int | str] = field(default_factory=dict)
    reducer: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def weights_location(self) -> str | None:
        """What the checkpoint loader takes: a hub id or an absolute path."""
        return str(HERE / self.weights) if self.shipped and self.weights else self.weights


def presets() -> Mapping[str, Preset]:
    """All presets: `presets.yaml`, the variants in `shapes.yaml`, then those of installed packages (entry points that
    name a Preset)."""
    found = {**_built_in(), **_variants()}
    for entry in entry_points(group=GROUP):
        if entry.name not in found:
            found[entry.name] = _plugged_in(entry)
    return found


def preset_of(name: str, options: Mapping[str, Any] = MappingProxyType({})) -> Preset:
    """The preset of that name, or of `openai:MODEL[@BASE_URL]`. `options` go over its own.

    Raises UnknownName for a model, and for an option that its adapter does not let be set (`settable` in its module).
    """
    known, (kind, _, spec) = presets(), name.partition(":")
    if name in known:
        found = known[name]
    elif kind == ANY_SERVER and spec:
        found = replace(known[ANY_SERVER], name=name, weights=spec)
    else:
        raise UnknownName("model", name, known)
    module = import_module(found.adapter.partition(":")[0]) if options else None
    settable = getattr(module, "settable", lambda _: ())(found)
    if options and not settable:
        raise UserError(f"--model-options: {name} has none to set.")
    for key in options:
        if key not in settable:
            raise UnknownName(f"option of {name}", key, settable)
    return replace(found, options={**found.options, **options}) if options else found


def _plugged_in(entry: EntryPoint) -> Preset:
    """The preset that an installed package names. One that cannot be had stands for itself and says so, so that a
    broken package harms nobody who does not use it."""
    try:
        preset = entry.load()
    except Exception as error:  # whatever someone else's import raises
        preset = error
    if isinstance(preset, Preset):
        return replace(preset, name=entry.name, how=PLUG_IN)
    why = f"{type(preset).__name__}: {preset}" if isinstance(preset, Exception) else f"{entry.value} is no Preset"
    package = entry.dist.name if entry.dist is not None else "?"
    return Preset(entry.name, entry.value, f"of the package {package}, cannot be used: {why}", how=PLUG_IN)


def load_model(
    name: str,
    *,
    checkpoint: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    video_reader: str = "pyav",
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Model:
    """Loads a model by its preset's name. Raises UnknownName, NotAvailable, CheckpointError, UserError."""
    return _loaded(preset_of(name, options), checkpoint, device, dtype, video_reader)


def load_adapter(
    name: str,
    *,
    checkpoint: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Model:
    """Loads a preset's model, or an adapter that has none yet, as "module:function". Raises as `load_model`."""
    if ":" not in name or name.startswith(f"{ANY_SERVER}:"):
        return load_model(name, checkpoint=checkpoint, device=device, dtype=dtype, options=options)
    preset = Preset(name, name, "an adapter under check", options=options)
    return _loaded(preset, checkpoint, device, dtype, "pyav")


def _loaded(preset: Preset, checkpoint: str | None, device: str | None, dtype: str | None, reader: str) -> Model:
    from harness.model import Model

    adapter: Registry[Any] = Registry("model", {preset.name: preset.adapter})
    load = adapter.load(preset.name)
    if not callable(load):
        raise UserError(f"{preset.adapter} is a {type(load).__name__}; an adapter is a function that loads a model.")
    model = load(preset, checkpoint, device, dtype, reader)
    if not isinstance(model, Model):
        raise UserError(f"{preset.adapter} gives a {type(model).__name__}, which is no harness.model.Model.")
    return model


def check_model(name: str, checkpoint: str | None = None, options: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Whether a model's weights are within reach, without loading them, where its adapter's module has a `check`.

    Raises UnknownName, NotAvailable, CheckpointError.
    """
    preset = preset_of(name, options)
    try:
        module = import_module(preset.adapter.partition(":")[0])
    except ImportError as error:
        raise UserError(f"model '{name}' ({preset.adapter}) cannot be imported: {error}.") from error
    if (check := getattr(module, "check", None)) is not None:
        check(preset, checkpoint)


@lru_cache
def _built_in() -> Mapping[str, Preset]:
    import yaml

    content = yaml.safe_load((HERE / "presets.yaml").read_text(encoding="utf-8"))
    return {name: _preset(name, values) for name, values in content.items()}


@lru_cache
def _variants() -> Mapping[str, Preset]:
    """Ablations of the paper and second names. No weights of ablations were published: they need --checkpoint."""
    import yaml

    base, found = _built_in(), {}
    for name, entry in yaml.safe_load(SHAPES.read_text(encoding="utf-8"))["variants"].items():
        of, changes = entry["of"], entry.get("set", {})
        if of not in base:
            continue
        preset = replace(base[of], name=name, variant_of=of, expects=changes)
        if changes:
            changed = ", ".join(f"{key} {value}" for key, value in changes.items())
            rows = f" ({'; '.join(entry['rows'])})" if "rows" in entry else ""
            preset = replace(preset, weights=None, paper="", description=f"{of} with {changed}{rows}")
        found[name] = preset
    return found


def _preset(name: str, values: Mapping[str, Any]) -> Preset:
    if not isinstance(values, Mapping):
        raise UserError(f"preset {name} in presets.yaml is no mapping of keys to values.")
    known = {one.name for one in fields(Preset)} - {"name"}
    for key in values:
        if key not in known:
            raise UnknownName(f"key of preset {name}", key, known)
    if missing := {"adapter", "description"} - set(values):
        raise UserError(f"preset {name} in presets.yaml lacks {', '.join(sorted(missing))}.")
    return Preset(name=name, **{**values, "modalities": tuple(values.get("modalities", ("image",)))})
