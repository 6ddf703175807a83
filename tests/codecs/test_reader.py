"""What a reader promises beyond single fields: the id, form and place of what it refuses, and what it ignores."""

from __future__ import annotations

import msgpack
import numpy as np
import pytest

from tidegate.codecs import frames
from tidegate.codecs.errors import CodecError, Form
from tidegate.codecs.limits import Limits
from tidegate.codecs.messages import Cancel, Infer, Ping
from tidegate.codecs.reader import client_messages, server_messages
from tidegate.codecs.writer import encode

GATEWAY = client_messages()
SDK = server_messages()


def _refused(data: bytes | str, *, binary: bool = False) -> CodecError:
    with pytest.raises(CodecError) as caught:
        GATEWAY.binary(data) if binary else GATEWAY.text(data)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize(
    ("text", "param", "id"),
    [
        ("", None, None),
        ("{", None, None),
        ('{"op":"infer","id":7', None, None),
        ("[]", None, None),
        ("null", None, None),
        ('"{}"', None, None),
        ('{"op":"ping"} {}', None, None),
        ('{"op":"ping","id":NaN}', None, None),
        ("{}", "op", None),
        ('{"id":7}', "op", 7),
        ('{"op":7,"id":"seven"}', "op", "seven"),
        ('{"op":"publish","id":7}', "op", 7),
        ('{"op":"result","id":7}', "op", 7),
        ('{"op":"INFER","id":7}', "op", 7),
        ('{"op":"cancel"}', "id", None),
        ('{"op":"cancel","id":-1}', "id", None),
        ('{"op":"models","id":[7]}', "id", None),
        ('{"op":"infer","id":7,"op":"models"}', "op", 7),
        ('{"op":"infer","id":7,"model_name":"\\ud800","inputs":[]}', None, None),
    ],
)
def test_text_that_is_no_message_is_refused(text: str, param: str | None, id: int | str | None) -> None:  # noqa: A002
    """Broken JSON and wrong maps are invalid messages; the id is told wherever it can be read."""
    error = _refused(text)
    assert (error.code, error.param, error.id, error.form) == ("invalid_message", param, id, Form.TEXT)


@pytest.mark.parametrize(
    "text", [b'{"op":"ping","x":"\xff"}', b"\xff", b'{"op":"\xed\xa0\x80"}', "\ud800", b'\xef\xbb\xbf{"op":"ping"}']
)
def test_text_must_be_utf8_throughout(text: bytes | str) -> None:
    """Bytes that are not UTF-8 are refused even in a field that nobody reads; so are lone surrogates and a BOM."""
    assert _refused(text).code == "invalid_message"


@pytest.mark.parametrize(
    ("header", "form", "id"),
    [
        (b"\xc1", Form.MSGPACK, None),
        (b"\x81", Form.MSGPACK, None),
        (b"\xdf\xff\xff\xff\xff", Form.MSGPACK, None),
        (b"\x93\1\2\3", Form.MSGPACK, None),
        (b"\x81\xa2id\7", Form.MSGPACK, 7),
        (b"\x81\xc4\2op\xa4ping", Form.MSGPACK, None),
        (b"\x82\xa2op\xa4ping\xa2id\xa1\xff", Form.MSGPACK, None),
        (b"\x81\xa2op\xa4ping\xc0", Form.MSGPACK, None),
        (b"\x81\xa2op\xc7\1\1\1", Form.MSGPACK, None),
        (b"{}", Form.JSON, None),
        (b'{"id":7}', Form.JSON, 7),
        (b'{"op":"ping","id":"\xff"}', Form.JSON, None),
        (b"{\xc1}", Form.JSON, None),
        (b"", None, None),
    ],
)
def test_a_header_that_is_no_message_is_refused(header: bytes, form: Form | None, id: int | None) -> None:  # noqa: A002
    """A header that is neither a msgpack map nor a JSON object with an op is an invalid message, in its own form."""
    error = _refused(frames.join(header), binary=True)
    assert (error.code, error.form, error.id) == ("invalid_message", form or Form.MSGPACK, id)


def test_a_frame_whose_header_is_whole_tells_its_id() -> None:
    """Wrong padding or length does not hide whose message it was."""
    data = encode(Infer(id="x", model_name="m"), Form.JSON, {"a": np.ones(3, np.uint8)})
    for broken in (data[:-8], data + bytes(8), data[:-1] + b"\1", data + b"\0"):
        error = _refused(broken, binary=True)
        assert (error.code, error.id, error.form) == ("invalid_message", "x", Form.JSON)
    error = _refused(data[:20], binary=True)
    assert (error.id, error.form) == (None, None)


def test_an_error_never_carries_the_id_of_a_cancel() -> None:
    """The id in a cancel is another request's, which an error with that id would seem to end."""
    data = encode(Cancel(id=7), Form.MSGPACK)
    assert _refused(data + bytes(8), binary=True).id is None
    assert _refused('{"op":"infer","id":7,"op":"cancel"}').id is None


def test_messages_beyond_their_size_are_too_large() -> None:
    """One byte beyond a limit is too large, the limit itself is not; the id is told if the message is not enormous."""
    text, data = encode(Ping(id=7), Form.TEXT), encode(Ping(id=7), Form.MSGPACK)
    fits = client_messages(Limits(text_bytes=len(text), message_bytes=len(data), header_bytes=len(data) - 4))
    assert fits.text(text).message == fits.binary(data).message == Ping(id=7)
    small = client_messages(Limits(text_bytes=len(text) - 1, message_bytes=len(data) - 1))
    for read, message in ((small.text, text), (small.binary, data)):
        with pytest.raises(CodecError) as caught:
            read(message)
        assert (caught.value.code, caught.value.id) == ("too_large", 7)
    assert _refused(b'{"op":"ping","id":7,"x":"' + b"a" * 2**20 + b'"}').id == 7


def test_a_header_beyond_64_kib_is_too_large_whatever_the_settings_say() -> None:
    """The header's limit can be lowered and never raised."""
    header = msgpack.packb({"op": "ping", "x": "a" * 65_536})
    with pytest.raises(CodecError) as caught:
        client_messages(Limits(header_bytes=2**20)).binary(frames.join(header))
    assert caught.value.code == "too_large"


def test_the_op_may_come_last_and_the_last_of_equal_keys_counts() -> None:
    """Order of keys means nothing; of a key that comes twice the last value counts."""
    assert GATEWAY.text('{"id":6,"id":7,"op":"ping"}').message == Ping(id=7)


def test_a_client_ignores_what_it_does_not_know() -> None:
    """A server's unknown op is no error, in any form; a known op that is wrong is."""
    for data in (b'{"op":"tide","id":{}}', '{"op":"tided"}'):
        received = SDK.text(data)
        assert (received.message, received.tensors, received.form) == (None, {}, Form.TEXT)
    tensors = msgpack.packb({"op": "tide", "outputs": [{"name": "x", "shape": [1], "datatype": "FP32"}]})
    assert SDK.binary(frames.join(tensors, [b"1234"])).message is None
    for wrong in ('{"op":"pong","id":-1}', '{"op":5}', "{}"):
        with pytest.raises(CodecError):
            SDK.text(wrong)


def test_errors_show_what_came_short_and_without_control_characters() -> None:
    """A client's text appears in an error quoted, escaped and cut, so that it cannot forge a line in a log."""
    error = _refused('{"op":"\\u001b[31m\\r\\n' + "x" * 500 + '","id":7}')
    assert error.message.isprintable()
    assert len(error.message) < 200
    assert "'\\x1b[31m\\r\\nxxx" in error.message


def test_errors_say_what_was_expected_and_what_came() -> None:
    """The sentence of an error names the place, what should be there and what is."""
    error = _refused('{"op":"infer","id":7,"model_name":"m","inputs":[{"name":"x","shape":[1,-2],"datatype":"FP32"}]}')
    assert error.message == "inputs[0].shape[1]: expected an integer from 0, got -2"
    assert error.expected == "an integer from 0"
