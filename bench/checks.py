"""The checks of answers: header, shape, numbers, and which errors are right. It knows no sockets and no clock."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgpack
import numpy as np

from .stats import quantile
from .wire import Dialect, Header, Timing, header_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from .cases import Cases

TOLERANCE = 1e-5
EXAMPLES = 3
NO_HEADER = Header("result", 0, timing=Timing(1))


@dataclass(slots=True)
class Checked:
    """What became of the answers of one window.

    Attributes:
        errors: right answers that were errors, by code.
        mean_batch: rows of the batch that an answer came from, over all results.
        compute_us: median time of the run that an answer came from; ``longest_us`` the longest.
    """

    answers: int = 0
    wrong: int = 0
    exact_share: float = float("nan")
    mean_batch: float = float("nan")
    compute_us: float = float("nan")
    longest_us: float = float("nan")
    errors: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    def refuse(self, why: str) -> None:
        """Count a wrong answer and keep the first few reasons."""
        self.wrong += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(why)


def _open_tidegate(message: bytes, case: int, cases: Cases) -> tuple[Header, bytes]:
    header, start = header_of(message)
    if header.id != case:
        raise ValueError(f"{header.op} {header.id} instead of {case}")
    if header.op == "error":
        return header, b""
    wanted = (cases.names[1], (1, *cases.y.shape[1:]), "FP32")
    if [(t.name, t.shape, t.datatype) for t in header.outputs] != [wanted]:
        raise ValueError(f"outputs are {header.outputs}")
    data = message[start : start + 4 * cases.y[0].size]
    if len(message) != start + len(data) + -len(data) % 8:
        raise ValueError(f"{len(message)} bytes in all")
    return header, data


def _open_naive(message: bytes, case: int, _cases: Cases) -> tuple[Header, bytes]:
    answer = msgpack.unpackb(message)
    if answer["id"] != case:
        raise ValueError(f"id {answer['id']} is not {case}")
    return NO_HEADER, answer["y"]


def check_echo(answers: Sequence[bytes], ids: Sequence[int]) -> Checked:
    """Check that every answer was its request, byte for byte: the connection kept those that were not."""
    checked = Checked(answers=len(answers))
    for answer, case in zip(answers, ids, strict=True):
        if answer:
            checked.refuse(f"the echo of case {case} differs")
    return checked


def check_answers(
    dialect: Dialect, answers: Sequence[bytes], ids: Sequence[int], cases: Cases, allowed: Collection[str] = ()
) -> Checked:
    """Check every answer; numbers must be within 1e-5 of onnxruntime's own run of that row alone.

    A case's own error is right for it and nothing else is; errors with an ``allowed`` code are right for every case.
    """
    checked, errors = Checked(answers=len(answers)), Counter[str]()
    opener = _open_naive if dialect == "naive" else _open_tidegate
    data, kept, timings = [], [], []
    for answer, number in zip(answers, ids, strict=True):
        case = number % len(cases.x)
        try:
            header, row = opener(answer, number, cases)
        except (ValueError, KeyError) as error:
            checked.refuse(str(error))
            continue
        if header.code and header.code in (*allowed, cases.codes[case]):
            errors[header.code] += 1
        elif header.code or cases.codes[case]:
            checked.refuse(f"case {case}: {header.op} {header.code} {header.message}")
        else:
            data.append(row)
            kept.append(case)
            timings.append(header.timing)
    checked.errors = dict(errors)
    if data:
        _compare(checked, np.frombuffer(b"".join(data), "<f4").reshape(len(data), -1), kept, cases)
        checked.mean_batch = sum(timing.batch_size for timing in timings) / len(data)
        checked.compute_us = quantile([timing.compute_us for timing in timings], 0.5)
        checked.longest_us = max(timing.compute_us for timing in timings)
    return checked


def _compare(checked: Checked, got: np.ndarray[tuple[int, int], np.dtype[np.float32]], kept: list[int], cases: Cases) -> None:
    want = cases.y.reshape(len(cases.y), -1)[kept]
    for case in np.asarray(kept)[~np.isclose(got, want, rtol=TOLERANCE, atol=TOLERANCE).all(axis=1)]:
        checked.refuse(f"the numbers of case {case} are wrong")
    checked.exact_share = float((got == want).all(axis=1).mean())
