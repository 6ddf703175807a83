"""The tables in the documents are the code's: no name is missing, none is invented, defaults and types agree."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
import urllib.request
from typing import Any

import msgspec
from doc_pages import ROOT, codes, section, table

import tidegate
from tidegate import errors
from tidegate.client.connection import Connection
from tidegate.client.options import Options
from tidegate.gateway import http, metrics, stream_metrics
from tidegate.gateway.settings import Settings
from tidegate.gateway.settings_fields import fields_of
from tidegate.models import config, signature
from tidegate.models.streams import declared

UNITS = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}

DERIVED = {
    "queue_bytes": "a quarter of the memory, at most 1 GiB",
    "model_bytes": "half of the default of `queue_bytes`",
    "client_bytes": "a quarter of the default of `queue_bytes`",
    "outbound_total_bytes": "a quarter of the memory, at most 1 GiB",
    "inbound_bytes": "an eighth of the memory, 32 to 512 MiB",
    "stream_bytes": "a quarter of the memory, at most 4 GiB",
    "max_requests": "one for each 64 KiB of memory, at most 65536",
}


def _shown_default(cell: str) -> Any:
    """Read a default as it stands in a table: a Python or TOML literal, a size, or nothing."""
    text = codes(cell)[0] if codes(cell) else ""
    if size := re.fullmatch(r"(\d+) (\wiB)", text):
        return int(size[1]) * UNITS[size[2]]
    words = {"": None, "None": None, "True": True, "true": True, "False": False, "false": False}
    if text in words:
        return words[text]
    return float(text) if re.fullmatch(r"[\d.]+", text) and text.count(".") < 2 else text.strip('"')


def test_settings() -> None:
    """Every setting is listed, in order, with its option and its default."""
    fields = fields_of(Settings)
    rows = {codes(row[0])[0]: row for row in table("docs/operating.md", "Settings")}
    assert list(rows) == list(fields)
    for name, field in fields.items():
        assert codes(rows[name][1]) == ["FOLDER" if name == "models" else field.option]
        if name == "compute_slots":
            assert "cores" in rows[name][2]
        elif name in DERIVED:
            assert rows[name][2] == DERIVED[name]
        else:
            assert _shown_default(rows[name][2]) == (field.default or None), name


def test_limits() -> None:
    """The table of limits speaks of settings that exist, and leaves out none that is a bound for clients."""
    named = [codes(row[1])[0] for row in table("docs/operating.md", "Limits")]
    others = {"models", "host", "port", "allow_hosts", "allow_origins", "compute_slots", "grace_s", "log_level"}
    assert set(named) == set(Settings.__struct_fields__) - others


def test_metrics(gateway_url: str) -> None:
    """Every family that a gateway exposes is listed with its type and labels, and no other."""
    with urllib.request.urlopen(f"http://{gateway_url.split('/')[2]}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    rows = {codes(row[0])[0]: (row[1], set(codes(row[2]))) for row in table("docs/operating.md", "Metrics")}
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert {name: kind for name, kind in types.items() if not name.startswith("process_")} == {
        name: kind for name, (kind, _) in rows.items()
    }
    for name, (_, labels) in rows.items():
        sample = re.search(rf"^{name}(?:_count)?(?:\{{(.*)\}})? \S+$", text, re.MULTILINE)
        assert sample, name
        assert set(re.findall(r"(\w+)=", sample[1] or "")) == labels, name


def test_reasons_in_metrics() -> None:
    """Every reason for closing and refusing is explained, for connections and for streams."""
    sets = (metrics.CLOSE_REASONS, metrics.REFUSAL_REASONS, stream_metrics.CLOSE_REASONS, stream_metrics.RESUMES)
    for number, reasons in enumerate(sets, 1):
        explained = [reason for row in table("docs/operating.md", "Metrics", number) for reason in codes(row[0])]
        assert set(explained) == set(reasons)


def test_paths() -> None:
    """Every path that answers is listed."""
    listed = {codes(row[0])[0] for row in table("docs/operating.md", "HTTP endpoints")}
    assert listed == {"/", *http._PAGES, http.WEBSOCKET_PATH}


def test_model_toml() -> None:
    """Every key of ``model.toml`` is listed with its default, those of its tables too."""
    rows = {codes(row[0])[0]: row[1] for row in table("docs/models.md", "model.toml")}
    defaults = msgspec.structs.asdict(config.ModelConfig())
    assert list(rows) == list(defaults)
    for name, default in defaults.items():
        shown = None if default in ({}, (), None, declared.DeclaredStream()) else default
        assert _shown_default(rows[name]) == shown, name
    for number, struct in ((1, config.InputProbe), (2, config.PackageSource)):
        listed = [key for row in table("docs/models.md", "model.toml", number) for key in codes(row[0])]
        assert listed == list(struct.__struct_fields__)


def test_declarations_of_streams() -> None:
    """Every key of the tables about streams is listed, with its default where the document tells defaults."""
    tables = {
        "States": declared.DeclaredState,
        "What is carried": declared.DeclaredCarry,
        "Constants": declared.DeclaredConstant,
        "Chunks": declared.DeclaredChunk,
        "All streams of a model": declared.DeclaredStream,
        "Generation": declared.DeclaredLoop,
    }
    for title, struct in tables.items():
        rows = {codes(row[0])[0]: row for row in table("docs/models.md", title)}
        assert list(rows) == list(struct.__struct_fields__)
        for field in msgspec.structs.fields(struct):
            if len(rows[field.name]) == 3:
                default = None if field.default in ((), msgspec.NODEFAULT) else field.default
                assert _shown_default(rows[field.name][1]) == default, field.name


def test_verdicts() -> None:
    """Every verdict of the proof is explained."""
    listed = {codes(row[0])[0] for row in table("docs/models.md", "The proof of batchability")}
    assert listed == set(typing.get_args(signature.Verdict))


def test_reasons_not_to_batch() -> None:
    """Every reason that is explained is one that the proof can give."""
    said = re.sub(r'"\s+f?"', "", "".join(path.read_text("utf-8") for path in (ROOT / "models").glob("probe*.py")))
    for row in table("docs/models.md", "Why is my model not batched?"):
        for piece in codes(row[0])[0].split("…"):
            assert piece.strip() in said, piece


def test_options_of_the_client() -> None:
    """Every option of ``connect`` is listed with its default."""
    rows = {codes(row[0])[0]: _shown_default(row[1]) for row in table("docs/client.md", "Connect")}
    assert rows == {field.name: field.default for field in dataclasses.fields(Options)}


def test_errors() -> None:
    """Every error with a code of its own is listed, with what it says of trying again."""
    rows = [(codes(row[0])[0], codes(row[1])[0], row[2]) for row in table("docs/client.md", "Errors")]
    classes = [cls for cls in tidegate.TidegateError.__subclasses__() if cls.__module__ == errors.__name__]
    expected = [(cls.__name__, cls.code, "yes" if cls.retryable else "no") for cls in classes if "code" in vars(cls)]
    assert sorted(rows) == sorted(expected)
    assert "`UnrecognisedError`" in section("docs/client.md", "Errors")


def test_outcomes_of_a_cancel() -> None:
    """Every outcome of a cancel is explained."""
    assert [codes(row[0])[0] for row in table("docs/client.md", "Cancelling")] == list(typing.get_args(errors.CancelOutcome))


def test_arguments_of_the_engine() -> None:
    """Every argument of ``Engine`` is listed with its default."""
    rows = {codes(row[0])[0]: _shown_default(row[1]) for row in table("docs/engine.md", "In your own process")}
    parameters = inspect.signature(tidegate.Engine).parameters
    assert rows == {name: parameter.default for name, parameter in parameters.items()}


def test_arguments_of_a_stream() -> None:
    """Every argument of ``stream`` but for the constants is listed with its default."""
    rows = {codes(row[0])[0]: _shown_default(row[1]) for row in table("docs/client.md", "Streams")}
    parameters = inspect.signature(Connection.stream).parameters.values()
    assert rows == {each.name: each.default for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY}
