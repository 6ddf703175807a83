"""The board counts what is on the way, and who overtook whom."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidegate.client_demo.board import Board
from tidegate.results import Timing

ALONE = Timing(queue_us=0, compute_us=1, batch_size=1)


def test_answers_in_order_overtake_nobody() -> None:
    """They are one run, however many they are."""
    board = Board.of(["digits"])
    for _ in range(9):
        board.answer("digits", board.ask("digits"), ALONE, "a 7")
    assert (board.overtook, [str(run) for run in board.runs]) == (0, ["1\N{EN DASH}9"])
    assert (board.rows["digits"].said, board.rows["digits"].peak) == ("a 7", 1)


def test_rows_in_a_batch_are_a_mean_over_batches() -> None:
    """Three answers of a batch of three and one of a batch of one are two batches."""
    board = Board.of(["digits"])
    for size in (3, 3, 3, 1):
        board.answer("digits", board.ask("digits"), Timing(queue_us=0, compute_us=1, batch_size=size), "")
    assert board.rows["digits"].rows_per_batch == 2.0


@given(st.permutations(range(1, 8)))
def test_every_answer_before_an_older_one_is_counted(order: list[int]) -> None:
    """Whatever the order: an answer overtook if a smaller number was still on its way."""
    board = Board.of(["a", "b"])
    models = {board.ask("ab"[number % 2]): "ab"[number % 2] for number in range(1, 8)}
    for number in order:
        board.answer(models[number], number, ALONE, "")
    assert board.overtook == sum(any(other < number for other in order[at:]) for at, number in enumerate(order))
    assert board.answered == 7
