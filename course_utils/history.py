"""What a training recorded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

COLUMNS = ("epoch", "train_loss", "validation_loss", "test_loss", "lr", "seconds")


class History(Sequence[dict[str, float]]):
    """One row an epoch. `history["train_loss"]` is a column as a list, `history[-1]` the last row as a dict.

    Columns: epoch (from 1); train_loss, the mean over the epoch's samples while the weights move; validation_loss and
    test_loss, after the epoch, where `Trainer.fit` was given such data (NaN in epochs without); lr, of the epoch's last
    step; seconds.

    Parameters
    ----------
    rows
        A mapping from column to number for each epoch.
    """

    def __init__(self, rows: Iterable[Mapping[str, float]] = ()) -> None:
        self.rows = [dict(row) for row in rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: int | slice | str) -> Any:
        if not isinstance(key, str):
            return self.rows[key]
        columns = list({column: None for row in self.rows for column in row}) or list(COLUMNS)
        if key not in columns:
            raise KeyError(f"{key!r} was not recorded; there are {', '.join(columns)}.")
        return [row.get(key, math.nan) for row in self.rows]

    def __repr__(self) -> str:
        if not self.rows:
            return "History: no epoch yet"
        losses = ", ".join(f"{key} {value:.4g}" for key, value in self.rows[-1].items() if key.endswith("loss"))
        return f"History of {len(self)} epochs; the last: {losses}"
