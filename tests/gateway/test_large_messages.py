"""Large messages: the same answers as small ones, whatever the parts they come in."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tidegate.codecs.errors import CodecError, Form
from tidegate.codecs.messages import Infer, Step
from tidegate.codecs.reader import Received, client_messages
from tidegate.codecs.steps import finish
from tidegate.codecs.writer import encode
from tidegate.errors import InternalError
from tidegate.gateway.large_messages import Decoded, decode
from tidegate.models.streams.content import content

READER = client_messages()
X = np.arange(50_000, dtype=np.float32).reshape(1, -1)


def parts_of(payload: bytes, size: int = 70_001) -> list[bytes]:
    return [payload[at : at + size] for at in range(0, len(payload), size)]


@pytest.mark.parametrize("form", Form)
def test_parts_are_read_as_the_whole(form: Form) -> None:
    """A message in parts is what it is in one piece, in all forms, and the parts are forgotten."""
    payload = encode(Infer(id=7, model_name="m"), form, {"x": X})
    parts = parts_of(payload)
    decoded = finish(decode(READER, parts, is_text=form is Form.TEXT))
    assert parts == []
    assert decoded.payload == payload
    assert isinstance(decoded.got, Received)
    assert (decoded.got.message.id, decoded.got.form) == (7, form)
    assert np.array_equal(decoded.got.tensors["x"], X)


@pytest.mark.parametrize("text", [False, True])
def test_errors_have_their_id(text: bool) -> None:
    """A message that is wrong is answered with its id in its form."""
    form = Form.TEXT if text else Form.MSGPACK
    payload = encode(Infer(id="seven", model_name=""), form, {"x": X})
    decoded = finish(decode(READER, parts_of(payload), is_text=text))
    assert isinstance(decoded.got, CodecError)
    assert (decoded.got.param, decoded.subject.id, decoded.form) == ("model_name", "seven", form)


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_text_is_checked_across_parts(size: int) -> None:
    """A character that is cut in two is no fault; half a character at the end is."""
    text = json.dumps({"op": "ping", "id": "é€😀" * 4}, ensure_ascii=False).encode()
    assert isinstance(finish(decode(READER, parts_of(text, size), is_text=True)).got, Received)
    with pytest.raises(UnicodeDecodeError):
        finish(decode(READER, parts_of(text + "é".encode()[:1], size), is_text=True))


@pytest.mark.parametrize(("text", "form"), [(True, Form.TEXT), (False, Form.MSGPACK)])
def test_a_decoder_that_fails_is_an_answer(
    text: bool, form: Form, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong unexpectedly, the message's id gets an ``internal`` error, and the log says more."""
    reader = client_messages()

    def fail(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(reader, "text_steps" if text else "binary_steps", fail)
    decoded: Decoded = finish(decode(reader, parts_of(encode(Infer(id=7, model_name="m"), form, {"x": X})), is_text=text))
    assert isinstance(decoded.got, InternalError)
    assert (decoded.subject.id, decoded.form) == (7, form)
    assert caplog.records


@pytest.mark.parametrize("form", Form)
def test_what_a_large_step_says_is_found_out_with_it(form: Form) -> None:
    """To tell a repetition from another step takes long for a large one, so it is prepared where the message is decoded."""
    message = Step(stream="s", step=3, parameters={"seed": 1})
    decoded = finish(decode(READER, parts_of(encode(message, form, {"x": X})), is_text=form is Form.TEXT))
    assert isinstance(decoded.got, Received)
    assert decoded.got.context == content({"x": X}, {"seed": 1})
    assert decoded.got.context != content({"x": X + 1}, {"seed": 1})
