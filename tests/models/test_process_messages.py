"""What gateway and workers say to each other comes out as it went in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from loading import loaded
from onnx_models import two_inputs

from tidegate.models import config
from tidegate.models.processes.messages import (
    Description,
    Failed,
    Load,
    Opened,
    Ran,
    Run,
    Source,
    Tensor,
    decode_reply,
    decode_request,
    encode,
)
from tidegate.models.repository import ModelSource

if TYPE_CHECKING:
    from pathlib import Path as PathType

FULL = """
max_batch = 7
executor = "process"
[axes]
a = 0
[dims]
"a.0" = 3
[inputs.a]
values = [1, 2.5, true, "text"]
[inputs.b]
low = -1
high = 2.5
shape = [-1, 2]
"""


def test_a_source(tmp_path: PathType) -> None:
    """A source keeps everything, a file name that is not UTF-8 and its whole configuration too."""
    path = tmp_path / os.fsdecode(b"\xff.onnx")
    source = ModelSource("name", "2", path, config.parse(FULL), Path(tmp_path), own=True)
    request = decode_request(encode(Load(Source.of(source))))
    assert isinstance(request, Load)
    assert request.source.restored() == source


def test_a_model(tmp_path: PathType) -> None:
    """A model that is described and restored differs in its backend alone."""
    model = loaded(tmp_path, two_inputs(), "probe_ms = 50")
    reply = decode_reply(encode(Description.of(model)))
    assert isinstance(reply, Description)
    source = ModelSource(model.name, model.version, tmp_path, model.config, tmp_path)
    assert reply.restored(source, model.backend) == model


@pytest.mark.parametrize("reply", [Opened(), Ran(3, (Tensor("FP32", (2, 0), 0),)), Failed("model_failed", "why")])
def test_replies(reply: object) -> None:
    """Each kind of reply is known again."""
    assert decode_reply(encode(reply)) == reply


@pytest.mark.parametrize("data", [b"", b"\xc1", encode(Run(1, 2, ())), b"\x93\xa3Ran\x01\x91\x93\xa4FP32\x91\xff\x00"])
def test_nonsense_is_refused(data: bytes) -> None:
    """What is no reply is an error, and so is one with a negative size."""
    with pytest.raises(msgspec.MsgspecError):
        decode_reply(data)
