# Report: how many tokens each text of a call has, and how many of them went through the model.
"""What happened to the texts of a call."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Report:
    """What happened to each text of a call."""

    tokens: np.ndarray
    """[texts]: tokens that went through the model, special ones included"""
    tokens_in_text: np.ndarray
    """[texts]: tokens that the whole text has"""

    @property
    def truncated(self) -> np.ndarray:
        """[texts]: whether the text's end was cut off"""
        return self.tokens < self.tokens_in_text

    @property
    def num_truncated(self) -> int:
        return int(self.truncated.sum())

    @staticmethod
    def of(reports: np.ndarray) -> Report:
        return Report(reports[:, 0], reports[:, 1])


def split(rows: list[tuple[Any, np.ndarray, np.ndarray]]) -> tuple[list[np.ndarray], np.ndarray]:
    """Of the engine's (ids, values, report) for each text: the values, and all reports as one array [texts, 2]."""
    reports = [report for _, _, report in rows]
    return [values for _, values, _ in rows], np.concatenate(reports) if rows else np.zeros((0, 2), dtype=np.int32)
