"""What was wrong with a message that did not decode: what it names, which place, what was expected and what came.

Runs on failures only, so that success costs nothing for it. Nothing here builds more than the message's own few fields: a
bomb stays as cheap to refuse as msgspec makes it. This module does not decide what is wrong; msgspec has.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw, Struct

from .errors import Fault, Form, Subject, shown
from .limits import DEFAULT_LIMITS
from .parts import StepNumber, WireId  # noqa: TC001 - msgspec reads the annotations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Decoder = type[msgspec.json.Decoder[Any]] | type[msgspec.msgpack.Decoder[Any]]


class _WithOp(Struct, gc=False):
    op: str


class _WithId(Struct, gc=False):
    id: WireId


class _WithStream(Struct, gc=False):
    stream: WireId


class _WithStep(Struct, gc=False):
    step: StepNumber


def _decoders(kind: Decoder) -> dict[str, Any]:
    naming = {"op": kind(_WithOp), "id": kind(_WithId), "stream": kind(_WithStream), "step": kind(_WithStep)}
    return naming | {"map": kind(dict[str, Raw]), "list": kind(list[Raw]), "any": kind()}


_JSON = _decoders(msgspec.json.Decoder)
_MSGPACK = _decoders(msgspec.msgpack.Decoder)

# An id in one of these is another message's, or nobody's.
_WITHOUT_ID = ("step", "cancel", "credit", "close", "resume", "resumed", "gap", "closed", "event")
# Of these, which have a step of their own: the one in a cancel is another message's.
_ABOUT_STREAMS = {
    "step": True, "cancel": False, "credit": False, "close": False,
    "result": True, "error": True, "gap": False, "closed": False,
}  # fmt: skip

_TOKEN = re.compile(r"\.(\w+)|\[(\d+)\]")
_MISSING = re.compile(r"Object missing required field `(\w+)`$")
_EXPECTED = re.compile(r"Expected (.+?)(?:, got (.+))?$")

# Beyond this a message is not searched for the value that was wrong: its kind must do.
_SEARCHED_BYTES = 16 * 1024

_ID = "an integer 0 … 2^53-1 or a string of 1 … 64 bytes"
_COUNT = "an integer 0 … 2^53-1"
_REQUIREMENTS = {
    "id": _ID,
    "stream": _ID,
    "step": "an integer 1 … 2^53-1",
    "model_name": "a string that is not empty",
    "model_version": "a string that is not empty",
    "inputs": "an array of {name, shape, datatype}",
    "inputs[]": "a map of name, shape and datatype",
    "constants": "an array of {name, shape, datatype}",
    "constants[]": "a map of name, shape and datatype",
    "outputs": "an array of maps with a name",
    "outputs[]": "a map with a name",
    "name": "a string that is not empty",
    "shape": "an array of integers from 0",
    "shape[]": "an integer from 0",
    "datatype": "a string",
    "nbytes": "an integer from 0",
    "timeout_ms": "a number above 0, at most 86400000",
    "priority": "an integer -8 … 0",
    "overflow": "block, latest or drop_oldest; for events, latest or drop_oldest",
    "topic": "a string that is not empty",
    "publish": "a string that is not empty",
    "until": _COUNT,
    "seen": _COUNT,
    "last_seq": _COUNT,
    "streams": "an array of {stream, last_seq}",
    "streams[]": "a map of stream and last_seq",
    "parameters": "a flat map of strings, booleans and numbers, integers within ±(2^53-1)",
}


def op_of(text: bytes, form: Form) -> str | None:
    """Read the op of a message that did not decode, if it has one."""
    op = _read("op", text, form)
    return op if isinstance(op, str) else None


def subject_of(text: bytes, form: Form) -> Subject:
    """Read what a message that did not decode names, as far as an error about it may name it."""
    return subject(op_of(text, form), lambda field: _read(field, text, form))


def subject(op: str | None, read: Callable[[str], Any]) -> Subject:
    """Choose of what a message with this op names, read by field, what an error about it may name."""
    id_ = None if op in _WITHOUT_ID else _short(read("id"))
    of_step = _ABOUT_STREAMS.get(op or "")
    if id_ is not None or of_step is None:
        return Subject(id=id_)
    stream = _short(read("stream"))
    return Subject(stream=stream, step=read("step") if of_step and stream is not None else None)


def _short(id: int | str | None) -> int | str | None:  # noqa: A002 - the name on the wire
    return None if isinstance(id, str) and len(id.encode()) > DEFAULT_LIMITS.id_bytes else id


def _read(field: str, text: bytes, form: Form) -> Any:
    try:
        return getattr(_of(form)[field].decode(text), field)
    except (ValueError, RecursionError):
        return None


def undecodable(error: Exception, text: bytes, form: Form, ops: Iterable[str]) -> Fault:
    """Tell why ``text``, which should be a JSON object or a msgpack map with one of ``ops``, did not decode as a message."""
    if isinstance(error, msgspec.ValidationError):
        return _invalid(error, text, form, ops)
    whole = _whole(form)
    if isinstance(error, UnicodeError):
        return Fault("invalid_message", "", f"{whole} with text in UTF-8", "other bytes")
    if isinstance(error, RecursionError):
        return Fault("invalid_message", "", whole, "one nested too deep")
    reason = str(error).rpartition("malformed: ")[2]
    got = "one that is cut short" if "truncated" in reason else f"malformed bytes: {reason}"
    return Fault("invalid_message", "", whole, got)


def parsed(error: msgspec.ValidationError) -> tuple[str, str | None, str | None]:
    """Take msgspec's sentence apart: the place, what was expected there and the type that came, where it says so."""
    what, at, path = str(error).rpartition(" - at `")
    if not at:
        what, path = path, "$"
    place = "" if path.startswith("key`") else path.rstrip("`").removeprefix("$").removeprefix(".")
    missing = _MISSING.match(what)
    if missing:
        field = missing.group(1)
        return f"{place}.{field}" if place else field, None, "nothing"
    found = _EXPECTED.match(what.replace("`", ""))
    return (place, found.group(1), found.group(2)) if found else (place, None, None)


def _of(form: Form) -> dict[str, Any]:
    return _MSGPACK if form is Form.MSGPACK else _JSON


def _invalid(error: msgspec.ValidationError, text: bytes, form: Form, ops: Iterable[str]) -> Fault:
    place, expected, got = parsed(error)
    place = place.replace("[...]", "")
    if place == "op":
        expected = f"one of {', '.join(ops)}"
    elif not place:
        expected = _whole(form)
    else:
        expected = _REQUIREMENTS.get(_last_name(place), expected)
    inside = place.startswith(("inputs[", "constants[", "outputs[", "parameters"))
    if got != "nothing":
        got = (None if place == "parameters" else value_at(place, text, form)) or got or "something else"
    return Fault("invalid_input" if inside else "invalid_message", place, expected or "another value", got)


def _whole(form: Form) -> str:
    return "one msgpack map" if form is Form.MSGPACK else "one JSON object"


def _last_name(place: str) -> str:
    names = [name for name, _ in _TOKEN.findall(f".{place}") if name]
    return f"{names[-1]}[]" if place.endswith("]") else names[-1]


def value_at(place: str, text: bytes, form: Form) -> str | None:
    """Show the value that stands at ``place``, unless the search would take long."""
    if len(text) > _SEARCHED_BYTES:
        return None
    decoders, raw = _of(form), Raw(text)
    try:
        for name, index in _TOKEN.findall(f".{place}"):
            raw = decoders["map"].decode(raw)[name] if name else decoders["list"].decode(raw)[int(index)]
        return shown(decoders["any"].decode(raw))
    except (ValueError, LookupError, RecursionError):
        return None
