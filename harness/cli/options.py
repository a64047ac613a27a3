"""The options of an evaluation, declared once: the command line and `--config FILE.yaml` both read this table.

Order of precedence: command line, then the YAML file (same names, dashes or underscores), then the default.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UnknownName, UserError


def names(text: str) -> tuple[str, ...]:
    """'gqa, mlvu' -> ('gqa', 'mlvu'). Raises ValueError when nothing is named."""
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not found:
        raise ValueError("names nothing")
    return found


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if (value := int(text)) < 1:
        raise ValueError("must be at least 1")
    return value


def count(text: str) -> int:
    """A whole number of at least 0."""
    if (value := int(text)) < 0:
        raise ValueError("must not be negative")
    return value


def seconds(text: str) -> float:
    """A length of time above 0, in seconds."""
    if not (value := float(text)) > 0:
        raise ValueError("must be above 0")
    return value


def dollars(text: str) -> float:
    """An amount of at least 0."""
    if not (value := float(text)) >= 0:
        raise ValueError("must not be negative")
    return value


def settings(text: str) -> dict[str, Any]:
    """'tokens=4,detail=low' -> values read as YAML; one with commas goes into a --config file. Raises ValueError."""
    import yaml

    found = {}
    for part in names(text):
        key, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"{part!r} is not KEY=VALUE")
        try:
            found[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ValueError(f"the value of {key} cannot be read") from error
    return found


def share(text: str) -> float:
    """A share as '1%' or '0.01'."""
    value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    if not 0 <= value <= 1:
        raise ValueError("must lie between 0 and 1, or 0% and 100%")
    return value


def one_of(*choices: str) -> Callable[[str], str]:
    """One of a few words; the message for another names the nearest."""

    def parse(text: str) -> str:
        if text not in choices:
            raise UnknownName("choice", text, choices)
        return text

    return parse


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `parse` reads its text; None marks a switch that takes no value."""

    name: str
    parse: Callable[[str], Any] | None
    default: Any
    help: str
    metavar: str = ""


OPTIONS = (
    Option("model", names, None, "models, see `run-eval models`", "NAME[,NAME]"),
    Option("tasks", names, None, "benchmarks, or image | video | all; see `run-eval tasks`", "A,B"),
    Option(
        "data",
        one_of("sample", "folder", "hub"),
        None,
        "where samples come from\n(default: folder with --data-root, sample for the tiny models, else hub)",
        "KIND",
    ),
    Option("data-root", Path, None, "folder that holds the benchmarks in their official layouts", "DIR"),
    Option("hub", names, (), "other hub ids or local folders in the hub's format: TASK=REPO[@REVISION]", "T=R,.."),
    Option("checkpoint", str, None, "weights of the model: a folder or a hub id (default: the preset's)", "DIR|HUB-ID"),
    Option("model-options", settings, {}, "settings of the model's adapter, see README", "KEY=VALUE,.."),
    Option("limit", positive, None, "only the first N samples of each task", "N"),
    Option("samples", names, None, "only these sample ids", "ID,.."),
    Option("prompt", str, None, "prompt preset, see `run-eval tasks NAME` (default: the paper's)", "NAME"),
    Option("qa-preamble", Path, None, "LLaVA-Mini's checkout or script, for its video QA prompt", "FILE|DIR"),
    Option("max-new-tokens", positive, None, "longest answer in tokens (default: the benchmark's)", "N"),
    Option("max-frames", positive, None, "most frames of a video (default: the benchmark's)", "N"),
    Option("clip", one_of("whole", "bounds"), "whole", "show whole videos, or only the annotated part", "PART"),
    Option("quirk", names, (), "oddities of released scripts to repeat, see `run-eval tasks NAME`", "NAME,.."),
    Option("device", str, None, "cpu, cuda, cuda:1 (default: cuda where there is one)", "NAME"),
    Option(
        "dtype",
        one_of("float32", "float16", "bfloat16"),
        None,
        "default: float32 on cpu, float16 on cuda as released",
        "NAME",
    ),
    Option("batch-tokens", positive, 32768, "tokens of a batch (default: %(default)s)", "N"),
    Option("workers", count, None, "processes that decode, of each replica; 0: none (default: by cores)", "N"),
    Option("executor", one_of("local", "ray"), "local", "where models run: this machine, or a Ray cluster", "NAME"),
    Option("address", str, None, "of the Ray cluster: auto, HOST:PORT (default: one on this machine)", "ADDRESS"),
    Option("replicas", positive, None, "copies of the model (default: one; with ray what the cluster holds)", "N"),
    Option("video-reader", one_of("pyav", "decord"), "pyav", "video decoder (default: %(default)s)", "NAME"),
    Option(
        "media-timeout",
        seconds,
        120.0,
        "seconds without progress before a file is given up (default: %(default)s)",
        "S",
    ),
    Option(
        "max-missing",
        share,
        0.01,
        "largest share of missing samples that still gives a headline (default: 1%%)",
        "SHARE",
    ),
    Option("allow-missing-files", None, False, "go on when media files are absent; their samples are Missing"),
    Option(
        "judge", str, None, "rules, openai:MODEL[@BASE_URL] or transformers:DIR (default: answers are kept)", "SPEC"
    ),
    Option("judge-concurrency", positive, 16, "requests to the judge at a time (default: %(default)s)", "N"),
    Option("judge-batch", None, False, "use the judge's batch API: half the price, within a day"),
    Option("judge-prices", Path, None, "YAML table of prices, MODEL: [USD per million tokens in, out]", "FILE"),
    Option("max-cost", dollars, None, "USD that judging may cost; requests beyond it are left for later", "USD"),
    Option("seed", count, 0, "of the interval's bootstrap (default: %(default)s)", "N"),
    Option("cache", Path, None, "folder of the response cache (default: the user's cache folder)", "DIR"),
    Option("no-cache", None, False, "neither read nor write the response cache"),
    Option("output", Path, None, "run folder (default: results/runs/<UTC time>-<model>)", "DIR"),
    Option("no-sharing", None, False, "every question the whole way by itself: slower, to check the fast way"),
    Option("compile", None, False, "compile the language model first: minutes once, then faster on long GPU runs"),
    Option("profile", None, False, "add FLOPs, ms and MiB a sample to the table and to run.json"),
    Option("dry-run", None, False, "print what would be evaluated and stop"),
    Option("json", None, False, "print one JSON document on standard output and nothing else there"),
)
_BY_NAME = {option.name: option for option in OPTIONS}


def add_options(parser: argparse.ArgumentParser, names: Collection[str] = tuple(_BY_NAME)) -> None:
    """Declares options by name. Absent ones stay out of the namespace."""
    for option in map(_BY_NAME.__getitem__, names):
        extra: dict[str, Any] = {"action": "store_true"} if option.parse is None else {"metavar": option.metavar}
        text = option.help.replace("%(default)s", str(option.default))
        parser.add_argument(f"--{option.name}", default=argparse.SUPPRESS, help=text, **extra)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares every option, and --config, whose values show through where the command line is silent."""
    add_options(parser)
    parser.add_argument(
        "--config", type=Path, default=None, metavar="FILE.yaml", help="options from a file; the command line wins"
    )


def given(args: argparse.Namespace, names: Collection[str]) -> dict[str, Any]:
    """Those of some options that the command line names, parsed. Raises UserError or UnknownName."""
    found = {name.replace("_", "-"): value for name, value in vars(args).items()}
    return {name: _parsed(_BY_NAME[name], found[name]) for name in names if name in found}


def settle(args: argparse.Namespace) -> dict[str, Any]:
    """Option name (dashes) -> parsed value. Raises UserError (which option, what is wrong) or UnknownName."""
    said: dict[str, object] = {}
    if args.config is not None:
        said |= _from_file(args.config)
    said |= {name.replace("_", "-"): value for name, value in vars(args).items() if name != "config"}
    values = {option.name: option.default for option in OPTIONS}
    for name, value in said.items():
        values[name] = _parsed(_BY_NAME[name], value)
    return values


def _from_file(path: Path) -> Mapping[str, object]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--config {path}: cannot be read ({error.strerror}).") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"--config {path}: not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"--config {path}: must be a mapping of option names to values, e.g. `tasks: gqa,mlvu`.")
    found = {str(key).replace("_", "-"): value for key, value in content.items()}
    for key in found:
        if key not in _BY_NAME:
            raise UnknownName(f"option in {path}", key, _BY_NAME)
    return found


def _parsed(option: Option, value: object) -> Any:
    if option.parse is None:
        if not isinstance(value, bool):
            raise UserError(f"{option.name}: must be true or false, not {value!r}.")
        return value
    if value is None:
        return option.default
    if option.parse is settings and isinstance(value, Mapping):
        return dict(value)
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    try:
        return option.parse(text)
    except UnknownName as error:
        raise UserError(f"--{option.name}: {error}") from error
    except ValueError as error:
        raise UserError(f"--{option.name} {text}: {error}.") from error
