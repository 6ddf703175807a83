"""Reads the text of a model's tokens from the file beside ``model.toml`` that ``[loop]`` names; it knows no model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidegate.errors import ModelUnavailable

from ..safety import check_model_file
from .tensors import fault

if TYPE_CHECKING:
    from pathlib import Path

    from ..config import ModelConfig

_MOST_BYTES = 8 * 1024 * 1024


def with_vocabulary(config: ModelConfig, folder: Path, *, own: bool = False) -> ModelConfig:
    """Return the configuration with the vocabulary itself in place of the name of its file.

    Args:
        config: what ``model.toml`` says.
        folder: where that lies, which the file must not lead out of.
        own: whether the folder belongs to an installed package.

    Raises:
        ModelUnavailable: the file is missing, lies elsewhere, or is no list of strings; one line.
    """
    loop = config.loop
    if loop is None or not isinstance(loop.vocab, str):
        return config
    vocab = _read(loop.vocab, folder, own=own)
    return msgspec.structs.replace(config, loop=msgspec.structs.replace(loop, vocab=vocab))


def _read(name: str, folder: Path, *, own: bool) -> tuple[str, ...]:
    try:
        path = check_model_file(folder / name, folder, own=own)
        if path.stat().st_size > _MOST_BYTES:
            raise ModelUnavailable(f"{name!r} has more than {_MOST_BYTES} bytes")
        return msgspec.json.decode(path.read_bytes(), type=tuple[str, ...])
    except ModelUnavailable as error:
        raise fault(f"[loop] `vocab`: {error.message}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise fault(f"[loop] `vocab`: {name!r} is no JSON list of strings: {error}") from None
