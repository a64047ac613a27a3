"""What tokens cost: a table of ours, with the user's lines over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError


@dataclass(frozen=True, slots=True)
class Price:
    """USD for a million tokens."""

    input: float
    output: float

    def of(self, input_tokens: int, output_tokens: int) -> float:
        return (self.input * input_tokens + self.output * output_tokens) / 1e6


def load_prices(path: Path | None = None) -> dict[str, Price]:
    """The built-in table, with the lines of the user's file over it. Raises UserError."""
    import yaml

    found: dict[str, Price] = {}
    for source in (Path(__file__).with_name("prices.yaml"), path):
        if source is None:
            continue
        try:
            rows = yaml.safe_load(source.read_text(encoding="utf-8")) or {}
            found |= {str(name): Price(*map(float, row)) for name, row in rows.items()}
        except (OSError, yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
            raise UserError(f"{source}: is no price table, e.g. `gpt-4o: [2.5, 10.0]` a line ({error}).") from error
    return found


def price_of_model(model: str, prices: Mapping[str, Price]) -> Price | None:
    """The price of the longest name in the table that the model's begins with; None where there is none."""
    fitting = [name for name in prices if model.startswith(name)]
    return prices[max(fitting, key=len)] if fitting else None
