"""What errors keep when they travel: their class, and what a program needs to go on."""

from __future__ import annotations

import pytest

from tidegate import errors
from tidegate.errors import InvalidInput, ResumeFailed, TidegateError, UnexpectedStep, error_from_code

CLASSES = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, TidegateError)]
LOCAL = ("error", errors.ConnectionLost.code)


@pytest.mark.parametrize("code", sorted({cls.code for cls in CLASSES} - set(LOCAL)))
def test_every_code_gives_its_class(code: str) -> None:
    """An error that comes over the wire is of the class that has its code, with what it said."""
    error = error_from_code(code, "why", param="p", expected="e", expected_step=5, lost=["s", 7])
    assert type(error) in CLASSES
    assert (error.code, error.message) == (code, "why")
    assert str(error) == ("why" if error.expected is None else "why; expected e")


def test_an_unexpected_step_says_which_is_expected() -> None:
    """The number of the next step comes along, where it is known."""
    error = error_from_code("unexpected_step", "why", expected_step=5)
    assert isinstance(error, UnexpectedStep)
    assert (error.expected_step, error.retryable) == (5, False)
    assert UnexpectedStep("why").expected_step is None


def test_a_failed_resume_says_what_is_lost() -> None:
    """The names of the streams that are gone come along."""
    error = error_from_code("resume_failed", "why", lost=["s", 7])
    assert isinstance(error, ResumeFailed)
    assert error.lost == ("s", 7)
    assert ResumeFailed("why").lost == ()


def test_a_traceback_says_what_was_expected() -> None:
    """Whoever only sees the error printed learns what would have been right, once."""
    assert str(InvalidInput("top_k is '0'", expected="an integer from 1")) == "top_k is '0'; expected an integer from 1"
    assert str(InvalidInput("x is FP64, the model takes FP32", expected="FP32")) == "x is FP64, the model takes FP32"
