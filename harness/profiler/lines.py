"""A straight line through measured points: cost against images, frames, tokens or FLOPs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import UserError


@dataclass(frozen=True, slots=True)
class Line:
    """y = intercept + slope * x. `r2`: the share of the variance it explains; `worst`: the largest |residual|, in y."""

    slope: float
    intercept: float
    r2: float
    worst: float

    def at(self, x: float) -> float:
        return self.intercept + self.slope * x


def fit(x: Sequence[float], y: Sequence[float], least: int = 2) -> Line:
    """Least squares. Raises UserError with fewer than `least` different x."""
    if len(set(x)) < max(2, least):
        raise UserError(f"a slope needs at least {max(2, least)} different counts, not {len(set(x))}: {list(x)}.")
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    centred = xs - xs.mean()
    slope = float(centred @ (ys - ys.mean()) / (centred @ centred))
    intercept = float(ys.mean() - slope * xs.mean())
    residuals = ys - (intercept + slope * xs)
    spread = float(((ys - ys.mean()) ** 2).sum())
    r2 = 1.0 - float((residuals**2).sum()) / spread if spread else 1.0
    return Line(slope, intercept, r2, float(np.abs(residuals).max()))
