"""What a person writes for a tensor, made the array that the model takes."""

from __future__ import annotations

import numpy as np
import pytest

from tidegate.coerce import coerce
from tidegate.errors import InvalidInput


@pytest.mark.parametrize("value", [[1e300], np.array([1e300]), np.array([np.inf, -1e39])])
def test_a_finite_value_never_becomes_infinite_unsaid(value: object) -> None:
    """What is beyond the range of a shorter float is refused, with the datatype's name."""
    with pytest.raises(InvalidInput, match="too large for FP32"):
        coerce(value, "FP32")


def test_infinities_that_were_given_stay() -> None:
    """Infinities and NaN go through a conversion as they are."""
    made = coerce(np.array([np.inf, -np.inf, np.nan, 0.5]), "FP32")
    assert made.dtype == np.float32
    assert np.array_equal(made, np.array([np.inf, -np.inf, np.nan, 0.5], np.float32), equal_nan=True)
