"""The whole demo as a user sees it: a gateway is started, everything is shown and measured, the gateway is stopped."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
from time import monotonic
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tidegate.client_demo import local

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = [sys.executable, "-m", "tidegate.client_demo.local"]
SPOKEN = [(0.21, 2.74), (0.21, 3.02)]  # by PocketSphinx's alignment; see client_demo/data/README.md
NEAR_S = 0.2


@pytest.fixture(scope="module")
def shown() -> str:
    """What a run of ``make demo`` prints; it must end well, and soon."""
    start = monotonic()
    done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=55, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert monotonic() - start < 45
    return done.stdout


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found, f"nothing like {pattern} in\n{text}"
    return float(found[1].replace(",", ""))


def test_it_starts_and_stops_a_gateway(shown: str) -> None:
    """The first lines say where it listens, the last says that it ended well; no part was left out."""
    assert re.match(r"Starting a gateway .*\nIt listens on ws://127\.0\.0\.1:\d+/v1 after ", shown)
    assert shown.endswith("The gateway stopped with exit code 0.\n")
    assert "kipped" not in shown
    assert "\x1b" not in shown


def test_digits_are_recognised(shown: str) -> None:
    """At least nine of ten of the 450 images that were held back, and as many as the model's metadata promises."""
    accuracy = number(r"of 450 images right: accuracy ([\d.]+)%", shown)
    assert accuracy >= 90
    assert accuracy == number(r"its metadata says ([\d.]+)%", shown)


def test_speech_is_found_where_it_is(shown: str) -> None:
    """In both recordings, to a fifth of a second of where another program has aligned the words; the voice is a man's."""
    found = re.findall(r"Speech from ([\d.]+) s to ([\d.]+) s; the voice is at (\d+) Hz", shown)
    assert len(found) == len(SPOKEN)
    for (start, end, pitch), (first, last) in zip(found, SPOKEN, strict=True):
        assert float(start) == pytest.approx(first, abs=NEAR_S)
        assert float(end) == pytest.approx(last, abs=NEAR_S)
        assert 65 < float(pitch) < 130


def test_a_cut_connection_loses_nothing(shown: str) -> None:
    """All clients have heard everything in real time, and the one that was cut heard what its twin did, bit for bit."""
    part = shown[shown.index("Voices in real recordings") :]
    rows = re.findall(r"^  (\d) +[▁▂▃▄▅▆▇█]+ +[\d.]+ ms +[\d.]+ ms +[\d.]+ +(.+)$", part, re.MULTILINE)
    assert [int(number) for number, _ in rows] == [1, 2, 3, 4, 5, 6]
    assert re.fullmatch(r"back after [\d.]+ s", rows[3][1])
    assert {connection for number, connection in rows if number != "4"} == {"steady"}
    text = " ".join(shown.split())
    assert re.search(r"The connection of client 4 was cut at 1\.[56]\d s; .* caught up with the \d+ chunks", text)
    assert "Of its 102 results none was lost and none came twice; they are bit for bit those of client 2" in text


def test_texts_are_written_at_once(shown: str) -> None:
    """Each goes on from the prompt, in its own way."""
    part = shown[shown.index("Texts, character by character") : shown.index("  chars: 32 texts")]
    assert part.count("And it came to pass, ") == 6
    assert len(set(re.findall(r"And it came to pass, (.{12})", part))) == 6


def test_all_models_answer_at_once_and_out_of_order(shown: str) -> None:
    """Each has answers in the same few seconds, digits and speech in batches, and some answers overtook others."""
    for model, rows in (("digits", 2), ("silero_vad", 2), ("pitch", 1), ("chars", 1.2)):
        row = rf"\n  {model} +[\d,]+ +[\d,]+ +\d+ +([\d.]+) "
        assert number(row, shown) >= rows
    assert number(r"([\d,]+) of [\d,]+ answers overtook", shown) > 0


@pytest.mark.parametrize("model", ["digits", "silero_vad", "chars"])
def test_many_at_once_are_faster_and_equal(shown: str, model: str) -> None:
    """Concurrency gains throughput, in batches, and the answers are as equal as the gateway says they would be."""
    assert number(rf"{model}: ([\d.]+) \S the throughput for ", shown) > 1.2
    table = shown[shown.index(f"  {model}: ") :]
    assert number(r"rows in a batch +1\.0 +([\d.]+)", table) > 4
    assert number(r"compute slots busy +[\d.]+% +([\d.]+)%", table) > 0
    apart = re.search(r"the answers are (bit for bit the same|the same to within \de-0[5-9])\.", " ".join(table.split()))
    assert apart
    if re.search(rf"\n  {model} .* bit for bit exact\n", shown):
        assert apart[1] == "bit for bit the same"


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Children that can be interrupted, even if this process runs in the background of a shell and cannot."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_gateway_too(sent: signal.Signals, code: int) -> None:
    """Whoever loses patience leaves no gateway behind."""
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1) as demo:
        assert demo.stdout
        assert demo.stderr
        demo.stdout.readline()
        address = re.search(r"ws://([\d.:]+)", demo.stdout.readline())
        assert address
        demo.send_signal(sent)
        demo.stdout.read()
        assert (demo.wait(20), demo.stderr.read()) == (code, "")
    with pytest.raises(URLError):
        urlopen(f"http://{address[1]}/healthz", timeout=5)


def test_a_gateway_that_does_not_start_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own line says why, ours says what follows from it, and the exit code is 1."""
    monkeypatch.setenv("TIDEGATE_COMPUTE_SLOTS", "0")
    done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "compute_slots" in done.stderr.lower()
    assert done.stderr.endswith("tidegate: the gateway ended instead of listening\n")


STAYING = """
import sys
from tidegate.client_demo import local
local.demo, local._PORT = lambda url: 0, int(sys.argv[1])
sys.exit(local.main())
"""


@pytest.mark.usefixtures("interruptible")
def test_in_a_terminal_the_gateway_stays_until_ctrl_c() -> None:
    """After the show it says where its pages are, though the usual port was taken; Ctrl+C is an orderly end."""
    ours, theirs = pty.openpty()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        usual = str(taken.getsockname()[1])
        command = [sys.executable, "-c", STAYING, usual]
        with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, text=True) as staying:
            os.close(theirs)
            said = until(ours, "Ctrl+C stops it.")
            address = re.search(r"Open (http://localhost:(\d+))/ in a browser", said)
            assert address
            assert f"since {usual} is taken" in said
            assert address[2] != usual
            assert urlopen(f"{address[1]}/healthz", timeout=5).status == 200
            staying.send_signal(signal.SIGINT)
            assert "The gateway stopped with exit code 0." in until(ours, "exit code")
            assert staying.stderr
            assert (staying.wait(20), staying.stderr.read()) == (0, "")
    os.close(ours)


def until(terminal: int, phrase: str) -> str:
    """Read what is printed at a terminal up to the end of the line with a phrase."""
    said = ""
    while phrase not in said or not said.endswith("\n"):
        said += os.read(terminal, 4096).decode()
    return said


def test_the_usual_port_is_taken_if_it_is_free() -> None:
    """A port at which somebody listens is left to him; one at which nobody does is taken."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert local.free(port) == 0
    assert local.free(port) == port
