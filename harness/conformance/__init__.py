"""Whether a model adapter keeps its contract (harness/model.py): a kit of checks, each with its reason where it fails.

For whoever writes an adapter: `run-eval check-model my.module:load`. Answers are compared to the letter, so check in
float32; a lower precision may flip a token between batch sizes without anybody's fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.conformance.checks import CHECKS as CHECKS
from harness.conformance.checks import Broken
from harness.conformance.subject import Subject as Subject
from harness.errors import UserError
from harness.model import Model
from harness.types import Json


@dataclass(frozen=True, slots=True)
class Verdict:
    """One check's end. `reason`: what was wrong, empty where nothing was."""

    check: str
    claim: str
    passed: bool
    reason: str = ""


def conformance(model: Model, card_elsewhere: Mapping[str, Json] | None = None) -> list[Verdict]:
    """Every check of the kit, in order. `card_elsewhere`: the model's card as another process made it, as a dict."""
    with TemporaryDirectory(prefix="check-model-") as folder:
        subject = Subject(model, Path(folder), card_elsewhere)
        return [verdict(name, subject) for name in CHECKS]


def verdict(name: str, subject: Subject) -> Verdict:
    """One check, by its name in `CHECKS`. Never raises."""
    check = CHECKS[name]
    claim = (check.__doc__ or "").splitlines()[0].rstrip(".")
    try:
        check(subject)
    except Broken as broken:
        return Verdict(name, claim, False, str(broken))
    except (Exception, UserError) as error:  # whatever an adapter raises is a finding, not the end of the kit
        return Verdict(name, claim, False, f"{type(error).__name__}: {error}")
    return Verdict(name, claim, True)
