"""The choice of tokens: what the parameters mean, and that a row depends on nothing but itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tidegate.models.streams.sampler import NO_LIMIT, Sampling, uniform

LOGITS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 40), st.integers(1, 70)),
    elements=st.floats(-50, 50, width=32) | st.sampled_from([0.0, 1.0, -np.inf]),
).filter(lambda logits: bool(np.isfinite(logits.max(axis=1)).all()))


def _choose(logits: Any, temperature: Any = 1.0, top_k: Any = NO_LIMIT, top_p: Any = 1.0, seed: Any = 0, draw: Any = 0) -> Any:
    """Choose with one value for all rows, or one for each."""
    types = (np.float64, np.int64, np.float64, np.uint64, np.uint64)
    settings = (temperature, top_k, top_p, seed, draw)
    *settings, draws = (np.broadcast_to(np.asarray(v, t), len(logits)) for v, t in zip(settings, types, strict=True))
    return Sampling(*settings).choose(logits, draws)


def _settings(rows: int, seed: int) -> dict[str, Any]:
    """Make up different settings for each row."""
    random = np.random.default_rng(seed)
    return {
        "temperature": random.choice([0.0, 1e-300, 0.3, 1.0, 7.0], rows),
        "top_k": random.choice([1, 2, 5, NO_LIMIT], rows),
        "top_p": random.choice([1e-9, 0.2, 0.9, 1.0], rows),
        "seed": random.integers(0, 2**63, rows),
        "draw": random.integers(0, 1000, rows),
    }


def test_numbers_are_those_of_splitmix64() -> None:
    """The first outputs for seed 1234567 are those that the reference implementation is known to give."""
    known = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    numbers = uniform(np.full(5, 1234567, np.uint64), np.arange(5, dtype=np.uint64))
    assert numbers.tolist() == [(number >> 12) / 2**52 for number in known]


def test_numbers_are_uniform() -> None:
    """A seed's numbers, and the first numbers of many seeds, fill the unit interval evenly and never reach 1."""
    many = np.arange(100_000, dtype=np.uint64)
    for numbers in (uniform(np.zeros_like(many), many), uniform(many, np.zeros_like(many))):
        counts = np.histogram(numbers, 100, (0, 1))[0]
        assert counts.sum() == len(many)
        assert numbers.max() < 1
        assert ((counts - 1000) ** 2 / 1000).sum() < 160  # chi-squared, 99 degrees of freedom: p < 1e-4


@given(LOGITS)
def test_without_temperature_the_most_likely_token_is_taken(logits: Any) -> None:
    """Temperature 0 is the argmax, the first one among equals."""
    assert _choose(logits, 0.0).tolist() == logits.argmax(axis=1).tolist()


@given(LOGITS, st.integers(0, 2**63 - 1))
def test_one_candidate_is_the_most_likely_token(logits: Any, seed: int) -> None:
    """With top_k = 1, or a tiny top_p, nothing is left to chance, not even among equals."""
    expected = logits.argmax(axis=1).tolist()
    assert _choose(logits, 1.0, top_k=1, seed=seed).tolist() == expected
    assert _choose(logits, 1.0, top_p=1e-12, seed=seed).tolist() == expected


@given(LOGITS, st.integers(0, 2**32))
def test_a_row_depends_on_itself_alone(logits: Any, seed: int) -> None:
    """Alone, in another order, or among others: each row gets the same token."""
    settings = _settings(len(logits), seed)
    together = _choose(logits, **settings)
    order = np.random.default_rng(seed).permutation(len(logits))
    moved = _choose(logits[order], **{name: values[order] for name, values in settings.items()})
    alone = [
        _choose(logits[i : i + 1], **{name: values[i : i + 1] for name, values in settings.items()})[0]
        for i in range(len(logits))
    ]
    assert moved.tolist() == together[order].tolist()
    assert alone == together.tolist()


@given(LOGITS, st.integers(0, 2**32), st.lists(st.integers(0, 40), min_size=1, max_size=5))
def test_numbers_that_are_made_ahead_are_the_same(logits: Any, seed: int, moves: list[int]) -> None:
    """Whichever numbers rows have moved to, and come from, they draw with those of that place."""
    settings = _settings(len(logits), seed)
    draw = settings["draw"].astype(np.uint64)
    sampling = Sampling(*(settings[name] for name in ("temperature", "top_k", "top_p")), settings["seed"].astype(np.uint64))
    for moved in moves:
        expected = _choose(logits, **settings | {"draw": draw + np.uint64(moved)})
        assert sampling.choose(logits, draw, moved).tolist() == expected.tolist()


@given(LOGITS, st.integers(0, 2**32))
def test_what_is_excluded_is_never_chosen(logits: Any, seed: int) -> None:
    """No token is drawn with a logit of -inf, or one that is not among the top_k most likely ones."""
    settings = _settings(len(logits), seed)
    tokens = _choose(logits, **settings)
    chosen = logits[np.arange(len(logits)), tokens]
    more_likely = (logits > chosen[:, None]).sum(axis=1)
    assert (chosen > -np.inf).all()
    assert (more_likely < np.where(settings["temperature"] > 0, settings["top_k"], 1)).all()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_frequencies_follow_the_distribution(temperature: float) -> None:
    """Tokens come as often as the softmax of the logits, divided by the temperature, says."""
    draws = 40_000
    logits = np.array([0.0, 1.0, 2.0, -1.0, -np.inf], np.float32)
    tokens = _choose(np.tile(logits, (draws, 1)), temperature, seed=5, draw=np.arange(draws))
    weights = np.exp(logits.astype(np.float64) / temperature)
    expected = draws * weights / weights.sum()
    counts = np.bincount(tokens, minlength=5)
    assert counts[4] == 0
    assert ((counts - expected)[:4] ** 2 / expected[:4]).sum() < 21  # 3 degrees of freedom: p < 1e-4


def test_top_p_takes_the_fewest_that_have_its_share() -> None:
    """Of 0.5, 0.3, 0.15 and 0.05, a share of 0.6 takes two and one of 0.5 takes one."""
    logits = np.tile(np.log(np.array([0.15, 0.5, 0.05, 0.3])), (2000, 1))
    draw = np.arange(2000)
    assert set(_choose(logits, top_p=0.6, draw=draw)) == {1, 3}
    assert set(_choose(logits, top_p=0.499, draw=draw)) == {1}
    assert set(_choose(logits, top_p=0.94, draw=draw)) == {0, 1, 3}
    assert set(_choose(logits, top_p=0.6, top_k=1, draw=draw)) == {1}
    assert set(_choose(logits, top_k=3, draw=draw)) == {0, 1, 3}


def test_top_p_is_a_share_of_what_top_k_leaves() -> None:
    """Of 0.4, 0.3 and 0.3 the two most likely ones are 4/7 and 3/7: a share of 0.5 needs only the first."""
    logits = np.tile(np.log(np.array([0.3, 0.4, 0.3])), (2000, 1))
    assert set(_choose(logits, top_k=2, top_p=0.5, draw=np.arange(2000))) == {1}


def test_among_equals_the_first_ones_are_candidates() -> None:
    """Where several tokens are equally likely, top_k takes as many as it says."""
    logits = np.zeros((2000, 6), np.float32)
    assert set(_choose(logits, top_k=2, draw=np.arange(2000))) == {0, 1}


def test_a_seed_says_everything() -> None:
    """The same seed and draw give the same token again, other seeds and draws give others."""
    logits = np.zeros((1, 1000), np.float32)
    first = [int(_choose(logits, seed=7, draw=draw)[0]) for draw in range(20)]
    assert first == [int(_choose(logits, seed=7, draw=draw)[0]) for draw in range(20)]
    assert first != [int(_choose(logits, seed=8, draw=draw)[0]) for draw in range(20)]
    assert len(set(first)) > 15


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_what_is_no_number_is_refused(bad: float, temperature: float) -> None:
    """Logits that are NaN or infinite, or -inf throughout, are an error and not a token."""
    with pytest.raises(ValueError, match="finite"):
        _choose(np.array([[0.0, 1.0], [bad, 0.0]]), temperature)
    with pytest.raises(ValueError, match="finite"):
        _choose(np.full((1, 3), -np.inf), temperature)


def test_half_precision_is_taken() -> None:
    """FP16 logits are computed with in 64 bits like others."""
    assert _choose(np.array([[1.0, 3.0, 2.0]], np.float16), 1e-3).tolist() == [1]
