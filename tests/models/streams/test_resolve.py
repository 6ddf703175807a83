"""What is declared is checked against the model when it is loaded: each fault is one line that says what would be right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tidegate.errors import ModelUnavailable

from .stepping import made_up

if TYPE_CHECKING:
    from tidegate.models.model import Model

INPUTS: list[tuple[Any, ...]] = [
    ("x", "FP32", (-1, -1), 0),
    ("h", "FP32", (2, -1, 4), 1),
    ("sr", "INT64", (), None),
    ("note", "BYTES", (-1,), 0),
    ("frame", "FP32", (-1, 80), 0),
    ("cache", "FP32", (-1, 2, -1, 8), 0),
]
OUTPUTS: list[tuple[Any, ...]] = [
    ("y", "FP32", (-1, 1), 0),
    ("hN", "FP32", (-1, -1, -1), 1),
    ("first", "FP32", (-1, 2, 4), 0),
    ("wide", "FP32", (2, -1, 5), 1),
    ("double", "FP64", (2, -1, 4), 1),
    ("said", "BYTES", (-1,), 0),
    ("cacheN", "FP32", (-1, 2, -1, 8), 0),
]
STATE = '[[state]]\ninput = "h"\noutput = "hN"\n'
RATES = '[[constant]]\ninput = "sr"\nvalues = [16000, 8000]\n'
CARRY_CACHE = '[[carry]]\ninput = "cache"\naxis = 2\nkeep = 1\n'
CARRY_FRAME = '[[carry]]\ninput = "frame"\naxis = 1\nkeep = 20\n'
BY_RATE = 'by = "sr"'
CARRY = '[[carry]]\ninput = "x"\naxis = 1\n'
CHUNK = '[chunk]\ninput = "x"\naxis = 1\n'
FRAME = '[chunk]\ninput = "frame"\naxis = 1\n'


def model(toml: str, **options: Any) -> Model:
    return made_up(toml, INPUTS, OUTPUTS, **options)


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ('[[state]]\ninput = "z"\noutput = "hN"', "[[state]] names the input 'z'; the model has x, h, sr, note, frame, cache"),
        ('[[state]]\ninput = "h"\noutput = "z"', "[[state]] names the output 'z'; the model has y, hN"),
        ('[[state]]\ninput = "h"\noutput = "double"', "'double' is FP64, and 'h' is FP32"),
        ('[[state]]\ninput = "h"\noutput = "wide"', "'wide' has shape [2, any, 5], and 'h' [2, any, 4]"),
        ('[[state]]\ninput = "h"\noutput = "y"', "'y' has shape [any, 1], and 'h' [2, any, 4]"),
        ('[[state]]\ninput = "h"\noutput = "first"', "rows lie on axis 1 of 'h' and on axis 0 of 'first'"),
        ('[[state]]\ninput = "note"\noutput = "said"', "a state cannot be text"),
        (STATE + "axis = 0", "the rows of 'h' lie on axis 0; the proof found axis 1"),
        (STATE + "axis = 3", "names axis 3 of 'h', which has shape [2, any, 4]"),
        (STATE + "grows = 0", "'h' cannot grow along axis 0: its size is 2"),
        (STATE + "grows = 1", "'h' cannot grow along axis 1: its rows lie there"),
        (STATE + "shape = [2, 1, 5]", "`shape` [2, 1, 5] does not fit 'h', [2, any, 4]"),
        (STATE + "shape = [2, 2, 4]", "'h' must hold one row: its size along axis 1 is not 1"),
        (STATE + STATE, "[[state]] names 'h', and so does another one"),
        ('[[state]]\ninput = "cache"\noutput = "cacheN"', "dimension 2 of 'cache' has no fixed size"),
        ('[[state]]\ninput = "cache"\noutput = "cacheN"', "`shape` in its [[state]], or `grows`"),
        ('[[constant]]\ninput = "rate"', "[[constant]] names the input 'rate'"),
        ('[[constant]]\ninput = "sr"\nvalues = [0.5]', "[[constant]] 'sr': 0.5 is no INT64"),
        ('[[constant]]\ninput = "sr"\ndefault = "fast"', "[[constant]] 'sr': 'fast' is no INT64"),
        (RATES + "default = 44100", "the default 44100 is none of its `values`"),
        ('[[constant]]\ninput = "frame"\ndefault = 0', "has shape [1, 80]: `values` and `default` are for single numbers"),
        (STATE + '[[constant]]\ninput = "h"', "[[constant]] names 'h', and so does [[state]]"),
        ('[[carry]]\ninput = "z"\naxis = 1\nkeep = 1', "[[carry]] names the input 'z'"),
        ('[[carry]]\ninput = "x"\naxis = 2\nkeep = 1', "names axis 2 of 'x', which has shape [any, any]"),
        ('[[carry]]\ninput = "x"\naxis = 0\nkeep = 1', "cannot be continued along axis 0: its rows lie there"),
        (STATE + '[[carry]]\ninput = "h"\naxis = 2\nkeep = 1', "[[carry]] names 'h', and so does [[state]]"),
        (CARRY + "keep = 1\n" + CARRY + "keep = 2", "[[carry]] names 'x', and so does another one"),
        ('[[carry]]\ninput = "cache"\naxis = 1\nkeep = 1', "dimension 2 of 'cache' has no fixed size: [[carry]] needs it"),
        ('[[carry]]\ninput = "frame"\naxis = 1\nkeep = 80', "keeps 80 of 'frame', which has 80 along axis 1"),
        (CARRY + 'keep = { 16000 = 64 }\nby = "sr"', "depends on 'sr', which is no [[constant]]"),
        ('[[constant]]\ninput = "sr"\n' + CARRY + 'keep = { 16000 = 64 }\nby = "sr"', "give all its `values`"),
        (RATES + CARRY + 'keep = { 16000 = 64 }\nby = "sr"', "`keep` says nothing for sr = 8000"),
        (RATES + CARRY + "keep = { 16000 = 6, 8000 = 3, 1 = 1 }\n" + BY_RATE, "speaks of sr = 1, which is none of its `val"),
        ('[chunk]\ninput = "z"\naxis = 1\nlengths = [1]', "[chunk] names the input 'z'"),
        ('[chunk]\ninput = "x"\naxis = 0\nlengths = [1]', "has no length along axis 0: its rows lie there"),
        (FRAME + "lengths = [80, 60]", "'frame' has room for 80 along axis 1, not for 60"),
        (CARRY_FRAME + FRAME + "lengths = [80]", "has room for 60 along axis 1, not for 80"),
        (RATES + CHUNK + 'lengths = { 16000 = [512] }\nby = "sr"', "`lengths` says nothing for sr = 8000"),
        (CHUNK + "lengths = [1, 2]\nrebuffer = true", "`rebuffer` needs one length, not [1, 2]"),
        ('[chunk]\ninput = "sr"\naxis = 0\nlengths = [1]', "names axis 0 of 'sr', which has shape []"),
        ('[chunk]\ninput = "cache"\naxis = 1\nlengths = [2]\nscale_int16 = true\nrebuffer = true', "dimension 2 of 'cache'"),
        ('[chunk]\ninput = "note"\naxis = 0\nlengths = [1]\nscale_int16 = true', "its rows lie there"),
        (CARRY_CACHE + '[chunk]\ninput = "cache"\naxis = 1\nlengths = [2]', "different axes"),
        ('[loop]\ninput = "x"\noutput = "y"\n' + CHUNK + "lengths = [1]", "[loop] names 'x', and so does [chunk]"),
    ],
)  # fmt: skip
def test_each_fault_is_one_clear_line(toml: str, told: str) -> None:
    """What does not fit the model is refused when it is loaded, with what it has and what would do."""
    with pytest.raises(ModelUnavailable) as caught:
        model(toml)
    assert str(caught.value).startswith("model.toml: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_int16_is_scaled_to_fp32_only() -> None:
    """Scaling is said of an input that takes FP32."""
    with pytest.raises(ModelUnavailable, match="`scale_int16` is for FP32, and 'ids' is INT64"):
        made_up(
            '[chunk]\ninput = "ids"\naxis = 1\nlengths = [4]\nscale_int16 = true',
            [("ids", "INT64", (-1, -1), 0)],
            [("y", "FP32", (-1, 1), 0)],
        )


def test_a_state_that_a_batch_shares_is_refused() -> None:
    """Where the proof found no rows in an input, streams could not have states of their own."""
    with pytest.raises(ModelUnavailable, match="'g' has no rows: the proof found that a whole batch shares it"):
        made_up(
            '[[state]]\ninput = "g"\noutput = "gN"',
            [("x", "FP32", (-1, 2), 0), ("g", "FP32", (3,), None)],
            [("gN", "FP32", (-1,), 0)],
        )


def test_a_growing_state_in_a_loop_needs_a_bound() -> None:
    """A cache without a bound would take all memory."""
    with pytest.raises(ModelUnavailable, match="needs `context`"):
        made_up(
            '[loop]\ninput = "ids"\noutput = "logits"\n[[state]]\ninput = "past"\noutput = "more"\ngrows = 1',
            [("ids", "INT64", (-1, -1), 0), ("past", "FP32", (-1, -1, 4), 0)],
            [("logits", "FP32", (-1, -1, 9), 0), ("more", "FP32", (-1, -1, 4), 0)],
        )


def test_a_model_that_is_not_batched_has_its_row_where_nothing_else_is_free() -> None:
    """Turning batching off does not turn streams off: of the one free dimension a stream has one."""
    unproved = [(*spec[:3], None) for spec in INPUTS[:3]], [(*spec[:3], None) for spec in OUTPUTS[:2]]
    _, state = made_up(STATE + CARRY + "keep = 3", *unproved, batched=False).stream.begin({})
    assert {key: array.shape for key, array in state.items()} == {"state:h": (2, 1, 4), "carry:x": (1, 3)}


def test_a_description_tells_what_a_client_has_to_know() -> None:
    """What a step brings, what is given once, and what the gateway keeps stand in the model's description."""
    toml = STATE + RATES + "default = 8000\n" + CARRY + "keep = 2\n[stream]\nidle_timeout_s = 9\n"
    toml += CHUNK + 'lengths = { 16000 = [4], 8000 = [2] }\nby = "sr"\nscale_int16 = true'
    described = made_up(toml, INPUTS[:3], OUTPUTS[:2]).describe()["stream"]
    assert described["inputs"] == [
        {
            "name": "x",
            "datatypes": ["FP32", "INT16"],
            "shape": [1, -1],
            "chunk": {"axis": 1, "lengths": {"16000": (4,), "8000": (2,)}, "by": "sr", "rebuffer": False},
        }
    ]
    assert described["outputs"] == ["y"]
    assert described["constants"] == [
        {"name": "sr", "datatype": "INT64", "shape": [], "values": [16000, 8000], "default": 8000}
    ]
    assert described["states"] == [{"input": "h", "output": "hN", "found": False}]
    assert (described["loop"], described["idle_timeout_s"], described["max_streams"]) == (None, 9.0, 10_000)
