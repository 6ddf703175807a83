"""Who asks: the one whose turn it is, and whose share of the memory is counted. Knows no connection and no name."""

from __future__ import annotations


class Client:
    """Somebody who asks; clients with work for the same model take turns.

    Attributes:
        requests: how many of its requests wait or run.
        nbytes: bytes of their tensors.
    """

    __slots__ = ("nbytes", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.nbytes = 0
