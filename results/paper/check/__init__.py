"""The paper's efficiency numbers recomputed: which are exact, which follow from rounding or remainders, which do not.

Source of the reasons: specs/efficiency.md section 1; the numbers are computed here, and printed ones are read from the
tables beside this package.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from typing import Literal, TypeAlias

from results.paper.tables import rounds_to

Value: TypeAlias = int | float | Fraction | Decimal
Class: TypeAlias = Literal["exact", "rounding", "remainder", "inconsistent"]
CLASSES: tuple[Class, ...] = ("exact", "rounding", "remainder", "inconsistent")


@dataclass(frozen=True, slots=True)
class Explanation:
    """Another value that prints like the paper's, and how it comes about. `kind`: the class that follows from it.

    `last_digit`: it may miss the printed value by one unit of the last digit, as sums of printed numbers do.
    """

    kind: Class
    reason: str
    value: Value | None = None
    last_digit: bool = False

    def fits(self, printed: Decimal) -> bool:
        if self.value is None:
            return True
        return rounds_to(printed, self.value) or (
            self.last_digit and abs(Fraction(self.value) - Fraction(printed)) <= Fraction(_unit(printed))
        )


@dataclass(frozen=True, slots=True)
class Check:
    """One printed number against ours, both in `unit`. `bound`: the paper claims "over" or "under" the number."""

    source: str
    row: str
    printed: Decimal
    unit: str
    ours: Fraction
    explanations: tuple[Explanation, ...] = ()
    bound: Literal["over", "under"] | None = None
    note: str = ""

    @property
    def verdict(self) -> tuple[Class, str]:
        """The class and, unless it is exact, the reason."""
        if self._agrees():
            return "exact", self.note
        for one in self.explanations:
            if one.fits(self.printed):
                return one.kind, one.reason
        if _cut(self.printed, self.ours):
            return "rounding", "digits cut off instead of rounded"
        return "inconsistent", self.note or "no reading of the paper gives it"

    @property
    def relative_error(self) -> float:
        """Of ours against the printed number."""
        return float(self.ours / Fraction(self.printed) - 1)

    def _agrees(self) -> bool:
        if self.bound is not None:
            printed = Fraction(self.printed)
            return self.ours >= printed if self.bound == "over" else self.ours <= printed
        return rounds_to(self.printed, self.ours)


def _unit(printed: Decimal) -> Decimal:
    """One of the last printed digit."""
    return Decimal(1).scaleb(int(printed.as_tuple().exponent))


def _cut(printed: Decimal, ours: Fraction) -> bool:
    return (Decimal(ours.numerator) / Decimal(ours.denominator)).quantize(printed, rounding=ROUND_DOWN) == printed


def checks(text_tokens: int | None = None) -> Iterator[Check]:
    """Every efficiency number of the paper, by its place there.

    `text_tokens`: T of all FLOPs, by default that with which they come out.
    """
    from harness.profiler.flops import TEXT_TOKENS
    from results.paper.check.computation import computation
    from results.paper.check.memory import memory
    from results.paper.check.time import time

    tokens = TEXT_TOKENS if text_tokens is None else text_tokens
    found = [*computation(tokens), *time(tokens), *memory()]
    for source in dict.fromkeys(one.source for one in found):
        yield from (one for one in found if one.source == source)
