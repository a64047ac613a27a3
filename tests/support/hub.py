"""Small datasets in the hub's format: parquet files in a folder, with a card that names the configurations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest


def keep_caches_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Converted tables and unpacked videos go there instead of the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", folder / "cache" / "tables")


def write_dataset(
    folder: Path, split: str, configs: Mapping[str, Sequence[Mapping[str, Any]]], image: str = ""
) -> None:
    """One parquet file a configuration. `image`: the column that holds encoded pictures as bytes, if any."""
    import datasets

    lines = ["---", "configs:"]
    for name, rows in configs.items():
        table = datasets.Dataset.from_list([dict(row) for row in rows])
        if image in table.column_names:
            table = table.cast_column(image, datasets.Image(decode=False))
        (folder / name).mkdir(parents=True)
        table.to_parquet(str(folder / name / f"{split}-00000-of-00001.parquet"))
        lines += [f"- config_name: {name}", "  data_files:", f"  - split: {split}", f"    path: {name}/*.parquet"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]), encoding="utf-8")
