"""The command line: words in, a command and its settings out, an exit code back.

It imports nothing heavy: ``tidegate --version`` and every usage error answer at once. Options are made from the fields of
``Settings``; what commands do is in ``commands``. Exit codes: 0 done, 1 it failed, 2 it was called wrongly.
"""

from __future__ import annotations

import os
import re
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tidegate.version import __version__

from .settings import Settings, SettingsError
from .settings_fields import SettingField, fields_of
from .settings_sources import PREFIX, closest, load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence


class UsageError(Exception):
    """Raised when the command line is wrong; the message is one line."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; errors are one clear line each on stderr."""
    try:
        return _run(_parser().parse_args(argv))
    except SystemExit as exit_:  # argparse, after --help and --version
        return int(exit_.code or 0)
    except UsageError as error:
        return _fail(str(error))
    except SettingsError as error:
        return _fail(*error.mistakes)
    except KeyboardInterrupt:
        return 130


def _run(given: Namespace) -> int:
    from . import commands  # only once the command line is known to be right

    if given.command == "serve":
        return commands.serve(_settings(given))
    if given.command == "models":
        return commands.list_models(_settings(given).models, as_json=given.json)
    return commands.demo(given.url)


def _settings(given: Namespace) -> Settings:
    options = {name: value for name, value in vars(given).items() if name in fields_of(Settings) and value is not None}
    return load_settings(options, os.environ, given.config)


def _fail(*lines: str) -> int:
    for line in lines:
        print(f"tidegate: {line}", file=sys.stderr)
    return 2


class _Parser(ArgumentParser):
    """A parser that says what is wrong in one line, and what was perhaps meant."""

    def error(self, message: str) -> NoReturn:
        unknown = re.match(r"unrecognized arguments: (--?[^\s=]+)", message)
        hint = closest(unknown[1], _options()) if unknown else ""
        raise UsageError(message.replace("unrecognized arguments", "unknown option or argument") + hint)


def _parser() -> ArgumentParser:
    parser = _Parser(prog="tidegate", description="A streaming WebSocket inference gateway.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"tidegate {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_serve(commands.add_parser("serve", help="serve a folder of ONNX models", allow_abbrev=False))
    demo = commands.add_parser("demo", help="run the demo client against a running gateway", allow_abbrev=False)
    demo.add_argument("url", metavar="URL", nargs="?", help="where the gateway is, such as ws://127.0.0.1:8000/v1")
    models = commands.add_parser("models", help="print what would be served, and how it is batched", allow_abbrev=False)
    _add_folder(models)
    models.add_argument("--json", action="store_true", help="print JSON, as GET /models does")
    return parser


def _add_serve(parser: ArgumentParser) -> None:
    parser.description = (
        "Serve every ONNX model in FOLDER over one WebSocket. Settings are taken from tidegate.toml in the current folder, "
        f"then from variables such as {PREFIX}PORT, then from these options."
    )
    _add_folder(parser)
    for field in fields_of(Settings).values():
        if field.name != "models":
            _add_option(parser, field)


def _add_folder(parser: ArgumentParser) -> None:
    parser.add_argument("models", metavar="FOLDER", nargs="?", help=fields_of(Settings)["models"].help)
    parser.add_argument("--config", metavar="FILE", type=Path, help="take settings from FILE instead of ./tidegate.toml")


def _add_option(parser: ArgumentParser, field: SettingField) -> None:
    default = "" if field.default in (None, ()) else f" Default: {field.default}."
    parser.add_argument(
        field.option,
        dest=field.name,
        metavar=field.placeholder,
        action="append" if field.repeated else "store",
        default=SUPPRESS,
        help=(field.help + default).replace("%", "%%"),
    )


def _options() -> list[str]:
    return ["--config", "--json", *(field.option for field in fields_of(Settings).values() if field.name != "models")]


if __name__ == "__main__":
    sys.exit(main())
