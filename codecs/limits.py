"""The limits of the wire format: each has a name and a default; what is beyond one is refused with an error that names it.

This module does not know how many requests a connection may have in flight, nor any other limit of a running gateway.
"""

from __future__ import annotations

import msgspec

KIB = 1024
MIB = 1024 * KIB

HEADER_MAX_BYTES = 64 * KIB
"""The header of a binary message can never be larger, whatever the settings say."""

SAFE_INTEGER = 2**53 - 1
"""The largest integer that every JSON library keeps exact."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader accepts.

    Attributes:
        message_bytes: size of a binary message, its header included.
        text_bytes: size of a text message, in UTF-8.
        header_bytes: size of the header in a binary message.
        tensors: tensors in one message; outputs asked for in one request.
        rank: dimensions of a tensor.
        dimension: size of one dimension.
        bytes_elements: elements of a BYTES tensor.
        name_bytes: size of the name of a model, version or tensor, in UTF-8.
        id_bytes: size of an id that is a string, in UTF-8.
        parameters: entries in ``parameters``.
    """

    message_bytes: int = 16 * MIB
    text_bytes: int = 1 * MIB
    header_bytes: int = HEADER_MAX_BYTES
    tensors: int = 64
    rank: int = 8
    dimension: int = 2**31 - 1
    bytes_elements: int = 65_536
    name_bytes: int = 1024
    id_bytes: int = 64
    parameters: int = 64


DEFAULT_LIMITS = Limits()
