"""The handwritten digits that the model has never seen: what its training holds back of scikit-learn's images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tidegate.results import Array

BRIGHTEST = 16.0
"""Pixels go from 0 to this."""


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Images and what they show.

    Attributes:
        images: FP32[N, 8, 8].
        labels: the digits, N integers.
    """

    images: Array
    labels: Array


def load_held_back() -> HeldBack:
    """Split as the training does, and keep the part that it does not learn from; it blocks, importing for a second.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits: Any = load_digits()
    images = digits.images.astype(np.float32)
    # The same numbers as in models/bundled/digits/train.py; a test compares the two.
    split: Any = train_test_split(images, digits.target, test_size=0.25, random_state=0, stratify=digits.target)
    return HeldBack(images=split[1], labels=split[3])
