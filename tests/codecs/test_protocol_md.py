"""What PROTOCOL.md promises is what the codecs do: its examples decode, its tables are the code's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tidegate import errors
from tidegate.codecs.datatypes import DATATYPES
from tidegate.codecs.limits import DEFAULT_LIMITS, SAFE_INTEGER
from tidegate.codecs.messages import CLIENT_OPS, SERVER_OPS
from tidegate.codecs.reader import client_messages, server_messages

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TEXT = (ROOT / "PROTOCOL.md").read_text("utf-8")
EXAMPLES = re.findall(r"<!-- (client|server) -->\n```json\n(.*?)```", TEXT, re.DOTALL)
READERS = {"client": client_messages(), "server": server_messages()}


def _section(title: str) -> str:
    return re.split(r"^#+ ", TEXT.partition(f"\n## {title}\n")[2], flags=re.MULTILINE)[0]


@pytest.mark.parametrize(("sender", "example"), EXAMPLES)
def test_an_example_is_a_message_of_its_sender(sender: str, example: str) -> None:
    """Each JSON example is read without error by the side that it is sent to."""
    assert READERS[sender].text(example).message is not None


def test_every_example_is_tested_and_every_op_has_one() -> None:
    """No JSON example goes without its sender, and each op is shown."""
    assert len(EXAMPLES) == TEXT.count("```json")
    assert {READERS[sender].text(example).message.__struct_config__.tag for sender, example in EXAMPLES} == {
        *CLIENT_OPS,
        *SERVER_OPS,
    }


def test_the_byte_picture_is_a_golden_vector() -> None:
    """The message that is shown byte by byte is the file that the text names, and its offsets are right."""
    picture = re.search(r"```hexdump\n(.*?)```", TEXT, re.DOTALL)
    name = re.search(r"\(tests/codecs/(golden/valid/[\w-]+\.bin)\)", TEXT)
    assert picture
    assert name
    data = b""
    for line in picture.group(1).splitlines():
        offset, shown = re.fullmatch(r" *(\d+)  ((?:[0-9a-f]{2} {1,2})+).*", line).groups()  # type: ignore[union-attr]
        assert int(offset) == len(data)
        data += bytes.fromhex(shown)
    assert data == (HERE / name.group(1)).read_bytes()


def test_the_error_codes_are_those_of_the_error_tree() -> None:
    """The table of codes has every code that goes over the wire, with what the code says of trying again."""
    listed = dict(re.findall(r"^\| `(\w+)` \| (yes|no) \|", _section("Error codes"), re.MULTILINE))
    classes = [errors.TidegateError]
    for cls in classes:
        classes += cls.__subclasses__()
    public = {cls.code: "yes" if cls.retryable else "no" for cls in classes if cls.__module__ == errors.__name__}
    for local in ("error", errors.ConnectionLost.code):
        public.pop(local)
    assert listed == public


def test_the_limits_are_the_defaults_of_the_codecs() -> None:
    """The table of limits has every limit of the codecs with its default."""
    listed = {
        name: int(value.replace(",", ""))
        for name, value in re.findall(r"^\| `(\w+)`: .*? \| ([\d,]+) \|", _section("Limits"), re.MULTILINE)
    }
    assert (listed.pop("in_flight"), listed.pop("streams"), listed.pop("subscriptions")) == (256, 1024, 64)
    assert listed == {name: getattr(DEFAULT_LIMITS, name) for name in DEFAULT_LIMITS.__struct_fields__}
    assert f"{SAFE_INTEGER:,}" in _section("Limits")


def test_the_datatypes_are_those_of_the_codecs() -> None:
    """The table of datatypes names all fourteen and their sizes."""
    rows = re.findall(r"^\| ((?:`\w+` ?)+)\| ([\d, ]+|varies) \|", TEXT, re.MULTILINE)
    listed = {}
    for names, sizes in rows:
        for name, size in zip(re.findall(r"`(\w+)`", names), sizes.split(", "), strict=True):
            listed[name] = 0 if size == "varies" else int(size)
    assert listed == {name: datatype.itemsize for name, datatype in DATATYPES.items()}


def test_the_links_lead_somewhere() -> None:
    """Each link leads to a heading of the document or to a file of the project."""
    headings = {
        re.sub(r"[^\w -]", "", line.lower()).strip().replace(" ", "-") for line in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert target[1:] in headings if target.startswith("#") else (ROOT / target).is_file(), target
