"""Where settings come from: defaults, then ``tidegate.toml``, then ``TIDEGATE_…`` variables, then the command line.

The later one wins. It knows no setting by name: all of them are the fields of ``Settings``. Something that is given and
means nothing is refused, whichever source it stands in; a typing mistake must not pass for a default.
"""

from __future__ import annotations

import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .settings import Settings, SettingsError
from .settings_fields import SettingField, fields_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

DEFAULT_FILE = Path("tidegate.toml")
PREFIX = "TIDEGATE_"
FILE_VARIABLE = "TIDEGATE_CONFIG"

# Kubernetes tells every container about a service called "tidegate" in variables such as TIDEGATE_PORT=tcp://10.0.0.7:8000.
_SERVICE_LINK = re.compile(r"TIDEGATE_(SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")


class Given(NamedTuple):
    """A value that one source gives to one setting.

    Attributes:
        name: field of ``Settings``.
        value: as it was written.
        place: how to name the place in an error.
        is_text: whether the source can only write text, so that numbers have to be read from it.
    """

    name: str
    value: object
    place: str
    is_text: bool


def load_settings(
    options: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Put the layers together.

    Args:
        options: what the command line gave, by field name; numbers as text.
        environ: the environment.
        file: the file to read; without one, the environment's ``TIDEGATE_CONFIG``, else ``tidegate.toml`` in the current
            folder if there is one.

    Raises:
        SettingsError: one line for each mistake in any of them.
    """
    fields, variables = fields_of(Settings), environ or {}
    mistakes: list[str] = []
    layers = [
        *_from_file(_chosen_file(file, variables), fields, mistakes),
        *_from_environment(variables, fields, mistakes),
        *(Given(name, value, _option(fields[name]), True) for name, value in (options or {}).items()),
    ]
    values: dict[str, Any] = dict(_converted(layers, fields, mistakes))
    if mistakes:
        raise SettingsError(*mistakes)
    return Settings(**values)


def closest(word: str, known: Iterable[str], prefix: str = "") -> str:
    """Give `` (did you mean …?)``, with ``prefix`` before the word, or nothing when no known word is near."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {prefix}{near[0]}?)" if near else ""


def _chosen_file(file: Path | None, environ: Mapping[str, str]) -> Path | None:
    if file is None and environ.get(FILE_VARIABLE):
        file = Path(environ[FILE_VARIABLE])
    if file is None and DEFAULT_FILE.is_file():
        return DEFAULT_FILE
    return file


def _from_file(file: Path | None, fields: Mapping[str, SettingField], mistakes: list[str]) -> Iterator[Given]:
    for name, value in (_read_toml(file) if file else {}).items():
        if name not in fields:
            mistakes.append(f"{file}: unknown setting {name!r}{closest(name.replace('-', '_'), fields)}")
        else:
            yield Given(name, _beside(file, name, value), f"{file}: {name}", False)


def _beside(file: Path | None, name: str, value: object) -> object:
    """Take the models' folder relative to the file that names it."""
    if file is None or name != "models" or not isinstance(value, str) or not value:
        return value
    return str(file.parent / Path(value).expanduser())


def _read_toml(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror or 'cannot be read'}") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise SettingsError(f"{file}: {str(error).splitlines()[0]}") from error


def _from_environment(environ: Mapping[str, str], fields: Mapping[str, SettingField], mistakes: list[str]) -> Iterator[Given]:
    variables = {PREFIX + name.upper(): field for name, field in fields.items()}
    for variable in sorted(environ):
        value = environ[variable]
        if not variable.startswith(PREFIX) or variable == FILE_VARIABLE or _is_service_link(variable, value):
            continue
        if variable not in variables:
            mistakes.append(
                f"{variable}: unknown setting{closest(variable[len(PREFIX) :], [name.upper() for name in fields], PREFIX)}"
            )
            continue
        field = variables[variable]
        yield Given(field.name, _listed(value) if field.repeated else value, variable, True)


def _is_service_link(variable: str, value: str) -> bool:
    return bool(_SERVICE_LINK.fullmatch(variable)) or (variable == "TIDEGATE_PORT" and "://" in value)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _option(field: SettingField) -> str:
    return "FOLDER" if field.name == "models" else field.option


def _converted(layers: Iterable[Given], fields: Mapping[str, SettingField], mistakes: list[str]) -> Iterator[tuple[str, Any]]:
    for given in layers:
        try:
            yield given.name, fields[given.name].convert(given.value, from_text=given.is_text)
        except ValueError as error:
            mistakes.append(f"{given.place}: {error}")
