"""What ``model.toml`` may say about streams, and how a slip of the pen is refused."""

from __future__ import annotations

import msgspec
import pytest

from tidegate.errors import ModelUnavailable
from tidegate.models import config
from tidegate.models.config import ModelConfig
from tidegate.models.streams.declared import DeclaredStream

EVERYTHING = """
[[state]]
output = "hN"
input = "h"
axis = 1
initial = 0.5
shape = [2, 1, 64]
grows = 2
[[carry]]
input = "x"
axis = 1
keep = { 16000 = 64, 8000 = 32 }
by = "sr"
[[constant]]
input = "sr"
values = [16000, 8000]
default = 16000
[chunk]
input = "x"
axis = 1
lengths = { 16000 = [512, 1024], 8000 = [256] }
by = "sr"
rebuffer = true
scale_int16 = true
[stream]
idle_timeout_s = 20
max_streams = 5
find_states = false
[loop]
output = "logits"
input = "ids"
stop = [0, 3]
max_steps = 10
context = 128
mask = "mask"
positions = "positions"
vocab = ["a", "b"]
"""


def test_every_key_is_understood() -> None:
    """Each documented key arrives in the structure."""
    parsed = config.parse(EVERYTHING)
    (state,), (carry,), (constant,) = parsed.state, parsed.carry, parsed.constant
    assert (state.output, state.input, state.axis, state.initial, state.shape, state.grows) == (
        "hN",
        "h",
        1,
        0.5,
        (2, 1, 64),
        2,
    )
    assert (carry.input, carry.axis, carry.keep, carry.by) == ("x", 1, {"16000": 64, "8000": 32}, "sr")
    assert (constant.input, constant.values, constant.default) == ("sr", (16000, 8000), 16000)
    assert parsed.chunk is not None
    assert parsed.chunk.lengths == {"16000": (512, 1024), "8000": (256,)}
    assert (parsed.chunk.axis, parsed.chunk.by, parsed.chunk.rebuffer, parsed.chunk.scale_int16) == (1, "sr", True, True)
    assert (parsed.stream.idle_timeout_s, parsed.stream.max_streams, parsed.stream.find_states) == (20.0, 5, False)
    assert parsed.loop is not None
    assert (parsed.loop.stop, parsed.loop.context, parsed.loop.vocab) == ((0, 3), 128, ("a", "b"))


def test_a_worker_process_is_told_all_of_it() -> None:
    """What is declared survives the way to a worker process."""
    parsed = config.parse(EVERYTHING)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(parsed), type=ModelConfig) == parsed


def test_nothing_has_to_be_said() -> None:
    """A model that declares nothing has streams all the same."""
    assert config.parse("").stream == DeclaredStream()
    assert config.parse("").state == ()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('[[state]]\ninput = "h"', "output"),
        ('[[state]]\ninput = "h"\noutput = "hN"\naxes = 1', "axes"),
        ('[state]\ninput = "h"\noutput = "hN"', "state"),
        ('[[state]]\ninput = "h"\noutput = "hN"\nshape = [0]', "shape"),
        ('[[carry]]\ninput = "x"\naxis = 1\nkeep = 0', "keep"),
        ('[[carry]]\ninput = "x"\naxis = 1\nkeep = { 1 = 2 }', "`keep` is a table exactly if `by`"),
        ('[[carry]]\ninput = "x"\naxis = 1\nkeep = 3\nby = "sr"', "`keep` is a table exactly if `by`"),
        ('[[carry]]\ninput = "x"\naxis = 1\nkeep = {}\nby = "sr"', "`keep` is empty"),
        ('[[constant]]\ninput = "sr"\nvalues = []', "values"),
        ('[chunk]\ninput = "x"\naxis = 1\nlengths = []', "lengths"),
        ('[chunk]\ninput = "x"\naxis = 1\nlengths = 512', "lengths"),
        ('[chunk]\ninput = "x"\naxis = 1\nlengths = [512]\nby = "sr"', "`lengths` is a table exactly if `by`"),
        ("[stream]\nidle_timeout_s = 0", "idle_timeout_s"),
        ('[loop]\ninput = "ids"', "output"),
        ('[loop]\ninput = "ids"\noutput = "logits"\nmax_steps = 0', "max_steps"),
    ],
)
def test_what_is_not_understood_is_named_in_one_line(text: str, part: str) -> None:
    """A mistake is refused with one line that names it."""
    with pytest.raises(ModelUnavailable) as caught:
        config.parse(text)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
