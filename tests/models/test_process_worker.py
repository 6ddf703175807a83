"""One real worker process: it gives what a thread gives, can be stopped, and its death is noticed at once."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from loading import loaded
from onnx_models import MARKER, bfloat16, fails_on_poisoned_row, row_wise_mlp, strings, wide_output
from process_helpers import ENDLESS, LIMIT_S, Call, computes, slow_source, source_of, turns, wait_for_end, working

from tidegate.codecs.datatypes import BF16_DTYPE
from tidegate.errors import InvalidInput, ModelFailed, ModelUnavailable
from tidegate.models.backend import RunControl, WorkerDied
from tidegate.models.processes import handle
from tidegate.models.processes.channel import Channel
from tidegate.models.processes.handle import WorkerProcess
from tidegate.models.processes.messages import Forget, Load, Open, Opened, Source
from tidegate.models.processes.segment import is_supported
from tidegate.models.processes.work import Work, _Running

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not is_supported(), reason="needs memfd_create")

POISON, TEXT, BITS, WIDE, SLOW = range(5)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcess]:
    """A worker with several models, for tests that leave it alive."""
    folder = tmp_path_factory.mktemp("worker")
    models = {"poison": fails_on_poisoned_row(), "text": strings(), "bits": bfloat16(), "wide": wide_output(100_000)}
    sources = [source_of(folder, model, name=name) for name, model in models.items()]
    with working(*sources, slow_source(folder)) as started:
        yield started


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[WorkerProcess]:
    """A worker with the slow model, for tests that kill it."""
    with working(slow_source(tmp_path)) as started:
        yield started


def row(value: float) -> list[Any]:
    return [np.full((1, 4), value, np.float32)]


def test_all_kinds_of_tensors(worker: WorkerProcess) -> None:
    """Numbers, text and BF16 go there and come back as they do in a thread."""
    assert worker.run(POISON, row(3), None)[0].tolist() == [[6, 6, 6, 6]]
    text = np.array([b"tide", b"", b"w\xc3\xa4chst"], object)
    same, number = worker.run(TEXT, [text], None)
    assert (same.tolist(), number.tolist()) == (text.tolist(), [1, 0, 0])
    bits = np.full((2, 4), 0x4040, np.uint16).view(BF16_DTYPE)  # 3
    (square,) = worker.run(BITS, [bits], None)
    assert square.dtype == BF16_DTYPE
    assert (square.view(np.uint16) == 0x4110).all()  # 9


def test_segments_grow_and_answers_stay(worker: WorkerProcess) -> None:
    """Answers of growing size come whole, and are not touched by the runs after them."""
    answers = [worker.run(WIDE, [np.full((rows, 1), rows, np.float32)], None)[0] for rows in (1, 8, 3, 30, 2)]
    for rows, answer in zip((1, 8, 3, 30, 2), answers, strict=True):
        assert answer.shape == (rows, 100_000)
        assert (answer == rows).all()


def test_after_a_pause(worker: WorkerProcess) -> None:
    """A worker that was told to let go of its memory goes on with new memory."""
    worker.run(WIDE, [np.ones((30, 1), np.float32)], None)
    maps = Path(f"/proc/{worker.pid}/maps")
    assert "memfd:tidegate" in maps.read_text()
    assert worker.ask(Forget(), LIMIT_S) == Opened()
    assert worker._channel.socket.gettimeout() is None  # a run may take as long as it likes
    for held in (maps, Path("/proc/self/maps")):
        assert "memfd:tidegate" not in held.read_text()
    assert worker.run(POISON, row(1), None)[0].tolist() == [[2, 2, 2, 2]]


def test_errors_are_the_same(worker: WorkerProcess) -> None:
    """A run that fails raises the error that it raises in a thread, and the next one runs."""
    with pytest.raises(ModelFailed):
        worker.run(POISON, row(MARKER), None)
    with pytest.raises(InvalidInput, match="not UTF-8"):
        worker.run(TEXT, [np.array([b"\xff"], object)], None)
    assert worker.run(POISON, row(1), None)[0].tolist() == [[2, 2, 2, 2]]


def test_a_run_is_stopped(worker: WorkerProcess) -> None:
    """A run that goes on is told to stop and does so; the next one is not stopped by that."""
    control = RunControl()
    run = Call(lambda: worker.run(SLOW, turns(ENDLESS), control))
    computes(worker)
    control.stop()
    with pytest.raises(ModelFailed, match="terminate"):
        run.result()
    another = RunControl()
    run = Call(lambda: worker.run(SLOW, turns(ENDLESS), another))
    computes(worker)
    control.stop()
    computes(worker)
    assert run.is_alive()
    another.stop()
    with pytest.raises(ModelFailed, match="terminate"):
        run.result()


def test_a_stop_is_for_one_run() -> None:
    """In the worker, a stop that comes late or early is not taken for one of the run that goes on."""
    work = Work(Channel(socket.socket()))
    control = RunControl()
    work._running = _Running(2, control)
    work.stop(1)
    work.stop(3)
    assert not control.stopped
    work.stop(2)
    assert control.stopped
    work._channel.socket.close()


def test_a_run_is_stopped_before_it_begins(worker: WorkerProcess) -> None:
    """A run that was told to stop beforehand ends at once."""
    control = RunControl()
    control.stop()
    with pytest.raises(ModelFailed):
        Call(lambda: worker.run(SLOW, turns(ENDLESS), control)).result()


def test_signals_for_the_gateway(worker: WorkerProcess) -> None:
    """Neither Ctrl-C nor a polite request to end reaches a worker: the gateway drains first. It has a session of its own."""
    os.kill(worker.pid, signal.SIGINT)
    os.kill(worker.pid, signal.SIGTERM)
    assert worker.run(POISON, row(1), None)[0].tolist() == [[2, 2, 2, 2]]
    assert os.getsid(worker.pid) == worker.pid


def test_the_kernel_takes_a_worker_first(worker: WorkerProcess) -> None:
    """A worker counts as the larger one when memory runs out."""
    scores = [int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in ("self", worker.pid)]
    assert scores[1] > scores[0] or scores[1] == 1000


def test_death_in_the_midst_of_a_run(doomed: WorkerProcess) -> None:
    """Whoever waits for a run is told at once that the worker was killed, and how; afterwards it is gone."""
    run = Call(lambda: doomed.run(0, turns(ENDLESS), RunControl()))
    computes(doomed)
    os.kill(doomed.pid, signal.SIGKILL)
    with pytest.raises(WorkerDied, match="killed by SIGKILL") as caught:
        run.result()
    assert caught.value.began
    with pytest.raises(WorkerDied) as caught:
        doomed.run(0, turns(1), None)
    assert not caught.value.began


def test_a_crash(doomed: WorkerProcess) -> None:
    """A native crash is told by the signal's name."""
    run = Call(lambda: doomed.run(0, turns(ENDLESS), None))
    computes(doomed)
    os.kill(doomed.pid, signal.SIGSEGV)
    with pytest.raises(WorkerDied, match="killed by SIGSEGV"):
        run.result()


def test_closing_ends_a_run(doomed: WorkerProcess) -> None:
    """Closing does not wait for a run that would never end; whoever waits for it is told."""
    run = Call(lambda: doomed.run(0, turns(ENDLESS), None))
    computes(doomed)
    doomed.close()
    with pytest.raises(WorkerDied):
        run.result()
    with pytest.raises(WorkerDied, match="gone"):
        doomed.run(0, turns(1), None)
    doomed.stop(1)  # long over
    doomed.close()


def test_an_answer_that_makes_no_sense(doomed: WorkerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that says what cannot be right is killed; nothing of it is believed."""
    monkeypatch.setattr(handle, "decode_reply", lambda _data: Opened())
    with pytest.raises(WorkerDied, match="unusable"):
        doomed.run(0, turns(1), None)
    assert doomed.death() == "was killed by SIGKILL"


def test_too_slow_a_worker_is_killed(doomed: WorkerProcess) -> None:
    """What is no run has a time limit; a worker that hangs is killed."""
    os.kill(doomed.pid, signal.SIGSTOP)
    with pytest.raises(WorkerDied, match=r"longer than 0\.05 s"):
        doomed.ask(Forget(), 0.05)
    assert doomed.death() == "was killed by SIGKILL"


def test_a_file_that_changed(tmp_path: Path) -> None:
    """A model whose file is no longer the one that was proved is not opened, and the worker goes on."""
    source = source_of(tmp_path, row_wise_mlp())
    with working(source) as worker:
        described = Source.of(source_of(tmp_path, strings()))
        with pytest.raises(ModelUnavailable, match="has changed"):
            worker.ask(Open(1, described, "0" * 64, (), (), later=False), LIMIT_S)
        worker.ask(Open(1, described, "0" * 64, (), (), later=True), LIMIT_S)
        with pytest.raises(ModelUnavailable, match="has changed"):
            worker.run(1, [], None)
        assert worker.run(0, row(1), None)[0].shape == (1, 3)


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    """A file that cannot be loaded is an error of that file, and the worker goes on."""
    (tmp_path / "bad.onnx").write_bytes(b"this is no model")
    source = source_of(tmp_path, row_wise_mlp())
    bad = Source.of(source).restored()
    with working(source) as worker:
        with pytest.raises(ModelUnavailable, match="not an ONNX file"):
            worker.load(Load(Source.of(type(bad)("bad", "1", tmp_path / "bad.onnx", bad.config, tmp_path))), LIMIT_S)
        assert worker.run(0, row(1), None)[0].shape == (1, 3)


def test_loading_finds_what_it_finds_here(tmp_path: Path) -> None:
    """The description of a model that was loaded elsewhere is that of the same model loaded here."""
    model = loaded(tmp_path, row_wise_mlp(), name="m")
    source = source_of(tmp_path, row_wise_mlp(), "")
    worker = WorkerProcess()
    try:
        described = worker.load(Load(Source.of(source)), LIMIT_S).restored(source, model.backend)
    finally:
        worker.close()
    assert (described.inputs, described.outputs, described.sha256) == (model.inputs, model.outputs, model.sha256)
    assert described.batching.verdict == model.batching.verdict == "exact"


@pytest.mark.parametrize("number", [1, ENDLESS])
def test_no_orphans(tmp_path: Path, number: int) -> None:
    """When the gateway is killed, its workers end by themselves, idle or in the midst of a run."""
    program = f"""
import sys; sys.path[:0] = {sys.path!r}
from pathlib import Path
from process_helpers import Call, computes, slow_source, turns, working
with working(slow_source(Path({str(tmp_path)!r}))) as worker:
    call = Call(lambda: worker.run(0, turns({number}), None))
    {"computes(worker)" if number == ENDLESS else "call.result()"}
    print(worker.pid, flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    wait_for_end(pid)
