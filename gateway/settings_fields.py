"""What a settings structure says about its own fields: expected values in words, conversion, names of options.

It works for any msgspec structure whose fields are annotated with ``Meta``; it knows no field by name and no source of values.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
from msgspec import inspect

_UNITS = {"": 1, "B": 1, "KIB": 1024, "MIB": 1024**2, "GIB": 1024**3}
_SIZE = re.compile(r"([0-9]+) ?([A-Za-z]*)")


@dataclass(frozen=True, slots=True)
class SettingField:
    """One field.

    Attributes:
        name: its name in the structure and in the file.
        hint: its type, for msgspec.
        shape: the same type, taken apart.
        help: what it means, one sentence.
        default: its default value, None when it is worked out from the machine.
    """

    name: str
    hint: Any
    shape: inspect.Type
    help: str
    default: object

    @property
    def repeated(self) -> bool:
        """Whether it holds several values."""
        return isinstance(self.shape, inspect.VarTupleType)

    @property
    def option(self) -> str:
        """Its command-line option, in the singular when it may be repeated."""
        name = self.name.removesuffix("s") if self.repeated else self.name
        return "--" + name.replace("_", "-")

    @property
    def placeholder(self) -> str:
        """What stands for its value in the help."""
        unit = self.name.rpartition("_")[2]
        if unit in ("s", "bytes"):
            return "SECONDS" if unit == "s" else "BYTES"
        if isinstance(self.shape, inspect.LiteralType):
            return "|".join(map(str, self.shape.values))
        return "N" if isinstance(self.shape, inspect.IntType) else self.option.rpartition("-")[2].upper()

    def convert(self, value: object, *, from_text: bool = False) -> object:
        """Check a value, and turn it into the field's type; text is taken for numbers only when ``from_text``.

        Raises:
            ValueError: what was expected and what came.
        """
        try:
            result = msgspec.convert(self._sized(value), self.hint, strict=not from_text, dec_hook=_convert_path)
        except msgspec.ValidationError:
            result = math.nan
        if isinstance(result, float) and not math.isfinite(result):
            raise ValueError(f"expected {self.expected}, got {value!r}")
        return result

    @property
    def expected(self) -> str:
        """The values it takes, in words."""
        return _in_words(self.shape, sized=self.name.endswith("_bytes"))

    def _sized(self, value: object) -> object:
        match = _SIZE.fullmatch(value) if isinstance(value, str) and self.name.endswith("_bytes") else None
        factor = _UNITS.get(match[2].upper()) if match else None
        return int(match[1]) * factor if match and factor else value


@cache
def fields_of(settings: type[msgspec.Struct]) -> dict[str, SettingField]:
    """Describe the fields of a settings structure, in their order."""
    info = inspect.type_info(settings)
    assert isinstance(info, inspect.StructType)
    hints = get_type_hints(settings, include_extras=True)
    return {field.name: _describe(field, hints[field.name]) for field in info.fields}


def _describe(field: inspect.Field, hint: Any) -> SettingField:
    shape = field.type
    schema: dict[str, Any] = {}
    if isinstance(shape, inspect.Metadata):
        schema = shape.extra_json_schema or {}
        shape = shape.type
    default = None if field.default is msgspec.NODEFAULT else field.default
    return SettingField(field.name, hint, shape, schema.get("description", ""), default)


def _convert_path(kind: type[Any], value: object) -> Any:
    if kind is Path and isinstance(value, str | Path) and str(value):
        return Path(value).expanduser()
    raise TypeError


def _in_words(shape: inspect.Type, *, sized: bool) -> str:
    if isinstance(shape, inspect.IntType):
        return (
            ("a size in bytes" if sized else "a whole number")
            + _bounds(shape)
            + (", such as 1048576 or 16MiB" if sized else "")
        )
    if isinstance(shape, inspect.FloatType):
        return "a number" + _bounds(shape)
    if isinstance(shape, inspect.LiteralType):
        return "one of " + ", ".join(map(str, shape.values))
    if isinstance(shape, inspect.VarTupleType):
        return "a list of texts"
    return "a folder" if isinstance(shape, inspect.UnionType) else "a text that is not empty"


def _bounds(shape: inspect.IntType | inspect.FloatType) -> str:
    low = f" above {shape.gt:g}" if shape.gt is not None else f" from {shape.ge:,}" if shape.ge is not None else ""
    return low + (f" {'and at most' if shape.gt is not None else 'to'} {shape.le:,}" if shape.le is not None else "")
