"""What the golden vectors promise: the files are what the codecs write and read, and what the manifest says of them."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tidegate.codecs.datatypes import DATATYPES, datatype_of
from tidegate.codecs.errors import CodecError, Form
from tidegate.codecs.messages import CLIENT_OPS, SERVER_OPS, TENSOR_FIELDS
from tidegate.codecs.reader import Received, client_messages, server_messages
from tidegate.codecs.tensors import pack_strings

HERE = Path(__file__).parent
FOLDER = HERE / "golden"
MANIFEST: dict[str, Any] = json.loads((FOLDER / "manifest.json").read_text("utf-8"))
READERS = {"client": client_messages(), "server": server_messages()}


def _read(entry: dict[str, Any]) -> Received:
    data = (FOLDER / entry["file"]).read_bytes()
    reader = READERS[entry["from"]]
    return reader.text(data) if entry["frame"] == "text" else reader.binary(data)


@pytest.mark.parametrize("entry", MANIFEST["valid"], ids=lambda entry: entry["file"])
def test_a_valid_vector_means_what_the_manifest_says(entry: dict[str, Any]) -> None:
    """Reading a file gives the message and the tensors, byte for byte, that the manifest names."""
    received = _read(entry)
    assert received.form is Form(entry["form"])
    if entry["message"] is None:
        assert received.message is None
        return
    fields = json.loads(msgspec.json.encode(received.message))
    carried = TENSOR_FIELDS.get(type(received.message))
    assert {key: value for key, value in fields.items() if key != carried} == entry["message"]
    assert list(received.tensors) == [tensor["name"] for tensor in entry["tensors"]]
    for tensor, array in zip(entry["tensors"], received.tensors.values(), strict=True):
        assert (datatype_of(array), list(array.shape)) == (tensor["datatype"], tensor["shape"])
        raw = pack_strings(array) if tensor["datatype"] == "BYTES" else array.tobytes()
        assert raw.hex() == tensor["bytes"]


@pytest.mark.parametrize("entry", MANIFEST["invalid"], ids=lambda entry: entry["file"])
def test_an_invalid_vector_is_refused_as_the_manifest_says(entry: dict[str, Any]) -> None:
    """Reading a file is refused with the code and the place that the manifest names, and names what it says."""
    with pytest.raises(CodecError) as caught:
        _read(entry)
    error = caught.value
    assert (error.code, error.param) == (entry["code"], entry["param"])
    assert error.subject == (entry["id"], entry.get("stream"), entry.get("step"))


def test_generating_again_gives_the_same_files() -> None:
    """The committed files are exactly what the script makes of today's codecs."""
    files: dict[str, bytes] = runpy.run_path(str(HERE / "generate_golden.py"))["build"]()
    there = {path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()}
    assert sorted(there) == sorted(files)
    assert [name for name in files if there[name] != files[name]] == []


def test_the_vectors_cover_every_op_datatype_and_form() -> None:
    """No op, datatype, form or error code of the codecs is without a vector."""
    valid = MANIFEST["valid"]
    assert {entry["message"]["op"] for entry in valid if entry["message"]} == {*CLIENT_OPS, *SERVER_OPS}
    assert {tensor["datatype"] for entry in valid for tensor in entry["tensors"]} == set(DATATYPES)
    assert {entry["form"] for entry in valid} == {form.value for form in Form}
    assert {entry["code"] for entry in MANIFEST["invalid"]} == {"invalid_message", "invalid_input", "too_large"}
