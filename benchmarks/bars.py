"""A measured number against what it should be at least, or at most."""

from __future__ import annotations

from typing import Any


def bar(what: str, measured: float, unit: str, least: float | None = None, most: float | None = None) -> dict[str, Any]:
    """One row of the table of `make bench`."""
    met = (least is None or measured >= least) and (most is None or measured <= most)
    wanted = f"at least {least:,g}" if least is not None else f"at most {most:,g}"
    return {"what": what, "measured": round(measured, 2), "unit": unit, "bar": f"{wanted} {unit}".strip(), "met": met}
