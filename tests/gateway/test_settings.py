"""Claims about settings: their bounds, their sources and the lines that tell of mistakes."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.gateway.settings import MIB, Settings, SettingsError
from tidegate.gateway.settings_fields import fields_of
from tidegate.gateway.settings_sources import load_settings


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def mistakes(*args: Any, **kwargs: Any) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(*args, **kwargs)
    return caught.value.mistakes


def write(text: str, name: str = "tidegate.toml") -> Path:
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_are_safe() -> None:
    """Without any setting the gateway serves the bundled models to this machine only."""
    settings = load_settings()
    assert settings == Settings()
    assert (settings.models, settings.host, settings.allow_origins) == (None, "127.0.0.1", ())
    assert settings.compute_slots >= 1
    assert settings.queue_bytes <= 1024 * MIB


def test_the_later_source_wins() -> None:
    """The command line beats the environment, which beats the file, which beats the default."""
    write("port = 1\nin_flight = 1\nmax_connections = 1\n")
    settings = load_settings({"port": "3"}, {"TIDEGATE_PORT": "2", "TIDEGATE_IN_FLIGHT": "2"})
    assert (settings.port, settings.in_flight, settings.max_connections, settings.max_handshakes) == (3, 2, 1, 256)


def test_a_named_file_replaces_the_one_here() -> None:
    """A file named on the command line, or by TIDEGATE_CONFIG, is read instead of tidegate.toml in the current folder."""
    write("port = 1")
    other, third = write("port = 2", "other.toml"), write("port = 3", "third.toml")
    assert load_settings().port == 1
    assert load_settings(environ={"TIDEGATE_CONFIG": str(other)}).port == 2
    assert load_settings(environ={"TIDEGATE_CONFIG": str(other)}, file=third).port == 3


def test_a_models_folder_in_a_file_lies_beside_the_file() -> None:
    """A relative folder means the same wherever the command is called from: file's for a file, else the current one."""
    path = write('models = "mine"', "etc/gateway.toml")
    assert load_settings(file=path).models == Path("etc/mine")
    assert load_settings({"models": "mine"}, file=path).models == Path("mine")
    assert load_settings({"models": "~/mine"}).models == Path.home() / "mine"


def test_lists_in_the_environment_are_separated_by_commas() -> None:
    """One variable holds several origins."""
    settings = load_settings(environ={"TIDEGATE_ALLOW_ORIGINS": "https://a.example, http://b.example:1 ,"})
    assert settings.allow_origins == ("https://a.example", "http://b.example:1")


@pytest.mark.parametrize("size", ["2MiB", "2 mib", "2048KiB", "2097152", "2097152B"])
def test_sizes_may_have_a_unit(size: str) -> None:
    """A size in bytes may be written with a binary unit, in every source."""
    write(f'text_bytes = "{size}"')
    assert load_settings().text_bytes == load_settings({"text_bytes": size}).text_bytes == 2 * MIB


MISTAKES = [
    ({"port": "x"}, "--port: expected a whole number from 0 to 65,535, got 'x'"),
    ({"port": "70000"}, "--port: expected a whole number from 0 to 65,535, got '70000'"),
    ({"port": "1.5"}, "--port: expected a whole number from 0 to 65,535, got '1.5'"),
    ({"host": ""}, "--host: expected a text that is not empty, got ''"),
    ({"grace_s": "nan"}, "--grace-s: expected a number from 0 to 86,400, got 'nan'"),
    ({"keepalive_s": "0"}, "--keepalive-s: expected a number above 0 and at most 3,600, got '0'"),
    ({"log_level": "loud"}, "--log-level: expected one of debug, error, info, warning, got 'loud'"),
    ({"queue_bytes": "1 GB"}, "--queue-bytes: expected a size in bytes from 1, such as 1048576 or 16MiB, got '1 GB'"),
    ({"models": ""}, "FOLDER: expected a folder, got ''"),
    ({"allow_hosts": ["a@b"]}, "expected a host such as gateway.example, gateway.example:8000 or .example, got 'a@b'"),
    ({"allow_origins": ["a"]}, "expected an origin such as https://app.example or http://localhost:5173, got 'a'"),
    ({"text_bytes": "32MiB"}, "text_bytes (33554432) is more than message_bytes (16777216)"),
    ({"queue_bytes": "1MiB"}, "queue_bytes (1048576) has no room for one message of message_bytes (16777216)"),
    ({"outbound_bytes": "1MiB"}, "outbound_bytes (1048576) has no room for one message of message_bytes (16777216)"),
]


@pytest.mark.parametrize(("options", "line"), MISTAKES)
def test_a_mistake_on_the_command_line_is_one_line(options: dict[str, object], line: str) -> None:
    """Each mistake names the option, what was expected and what was given."""
    assert mistakes(options) == (line,)


def test_mistakes_in_all_sources_are_told_at_once() -> None:
    """Every mistake gets its own line, which says where it stands and what was perhaps meant."""
    write('prot = 1\nmax-connections = 2\nport = "8"\nin_flight = true\nallow_hosts = "a"\n')
    assert mistakes({"host": ""}, {"TIDEGATE_PROT": "1", "TIDEGATE_GRACE_S": "soon", "OTHER": "x"}) == (
        "tidegate.toml: unknown setting 'prot' (did you mean port?)",
        "tidegate.toml: unknown setting 'max-connections' (did you mean max_connections?)",
        "TIDEGATE_PROT: unknown setting (did you mean TIDEGATE_PORT?)",
        "tidegate.toml: port: expected a whole number from 0 to 65,535, got '8'",
        "tidegate.toml: in_flight: expected a whole number from 1, got True",
        "tidegate.toml: allow_hosts: expected a list of texts, got 'a'",
        "TIDEGATE_GRACE_S: expected a number from 0 to 86,400, got 'soon'",
        "--host: expected a text that is not empty, got ''",
    )


def test_a_mistake_that_is_far_from_everything_gets_no_hint() -> None:
    """Nothing is suggested when nothing is near."""
    assert mistakes(None, {"TIDEGATE_QQQQQQ": "1"}) == ("TIDEGATE_QQQQQQ: unknown setting",)


@pytest.mark.parametrize("content", [b"port = ", b"\xff", b"port = 1\nport = 2"])
def test_a_file_that_is_not_toml_is_one_line(content: bytes) -> None:
    """A broken file is told in one line that names it."""
    Path("tidegate.toml").write_bytes(content)
    (line,) = mistakes()
    assert line.startswith("tidegate.toml: ")
    assert "\n" not in line


def test_a_missing_file_is_one_line() -> None:
    """A file that was asked for and is not there is an error."""
    assert mistakes(file=Path("nowhere.toml")) == ("nowhere.toml: No such file or directory",)


def test_kubernetes_service_links_are_no_settings() -> None:
    """Variables that Kubernetes makes from a service named tidegate do not stop the gateway."""
    links = {
        "TIDEGATE_PORT": "tcp://10.0.0.7:8000",
        "TIDEGATE_SERVICE_HOST": "10.0.0.7",
        "TIDEGATE_SERVICE_PORT": "8000",
        "TIDEGATE_SERVICE_PORT_WS": "8000",
        "TIDEGATE_PORT_8000_TCP": "tcp://10.0.0.7:8000",
        "TIDEGATE_PORT_8000_TCP_ADDR": "10.0.0.7",
    }
    assert load_settings(environ=links) == Settings()


def test_wrong_settings_cannot_be_made_in_code_either() -> None:
    """The structure checks itself, all fields at once, and takes folders as text and lists as tuples."""
    with pytest.raises(SettingsError) as caught:
        Settings(port=-1, grace_s=float("inf"))
    assert [line.partition(":")[0] for line in caught.value.mistakes] == ["port", "grace_s"]
    made = Settings(models="here", allow_hosts=["a"])  # type: ignore[arg-type]
    assert (made.models, made.allow_hosts) == (Path("here"), ("a",))


def test_every_setting_is_explained_and_has_its_unit() -> None:
    """Each field has a sentence for the help, and each time or size says its unit in its name."""
    for field in fields_of(Settings).values():
        assert field.help.endswith("."), field.name
        if isinstance(field.default, float) or field.help.startswith(("Seconds", "Size", "Bytes")):
            assert field.name.endswith(("_s", "_bytes")), field.name


def _values() -> st.SearchStrategy[dict[str, Any]]:
    names = st.text(string.ascii_lowercase, min_size=1, max_size=8)
    return st.fixed_dictionaries(
        {},
        optional={
            "models": names,
            "host": names,
            "port": st.integers(0, 65535),
            "allow_hosts": st.lists(names, max_size=3),
            "allow_origins": st.lists(names.map("https://{}".format), max_size=3),
            "compute_slots": st.integers(1, 64),
            "queue_requests": st.integers(1),
            "message_bytes": st.integers(MIB, 64 * MIB),
            "text_bytes": st.integers(1024, MIB),
            "keepalive_s": st.floats(0.001, 3600),
            "log_level": st.sampled_from(["debug", "info", "warning", "error"]),
        },
    )


@given(_values())
def test_every_source_can_say_everything(values: dict[str, Any]) -> None:
    """The same values in the file, in the environment or on the command line make the same settings."""
    values["queue_requests"] = min(values.get("queue_requests", 1), 2**62)  # TOML's integers end there
    write("\n".join(f"{name} = {_toml(v)}" for name, v in values.items()), "a.toml")
    in_file = load_settings(file=Path("a.toml"))
    in_environ = load_settings(environ={f"TIDEGATE_{name.upper()}": _text(value) for name, value in values.items()})
    in_options = load_settings({name: value if isinstance(value, list) else str(value) for name, value in values.items()})
    assert in_file == in_environ == in_options == Settings(**values)


def _toml(value: object) -> str:
    return repr(value).replace("'", '"')


def _text(value: object) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)
