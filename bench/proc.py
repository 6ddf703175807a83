"""What Linux tells about processes and cores in /proc; it knows no sockets and nothing of Tidegate."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def thread_cpu_s(pid: int) -> dict[int, float]:
    """Return the CPU seconds of each live thread, by thread id, to the nanosecond where the kernel counts them so."""
    times = {}
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended while we looked
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                times[int(task.name)] = _one_thread_s(task)
    return times


def children(pid: int) -> list[int]:
    """Return the ids of the processes that a process has started and that still are there, theirs included.

    The kernel's own lists are read (CONFIG_PROC_CHILDREN, which Debian and Ubuntu have): to read every process's parent takes
    milliseconds, and whoever shares the core notices.
    """
    found = [pid]
    for asked in found:  # it grows while it is read
        found += _own_children(asked)
    return sorted(found[1:])


def _own_children(pid: int) -> list[int]:
    own: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended while we looked
        for task in Path(f"/proc/{pid}/task").iterdir():
            own += map(int, (task / "children").read_text().split())
    return own


@dataclass(frozen=True, slots=True)
class Socket:
    """One end of a TCP connection, by its entry among the files of the process that holds it."""

    entry: Path
    target: str

    @classmethod
    def of(cls, pid: int, local_port: int, remote_port: int) -> Socket:
        """Find the end that a process holds of a connection over IPv4; takes milliseconds.

        Raises:
            LookupError: it has none.
        """
        target = f"socket:[{_inode(f'{local_port:04X}', f'{remote_port:04X}')}]"
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # it was closed while we looked
                if str(entry.readlink()) == target:
                    return cls(entry, target)
        raise LookupError(f"process {pid} holds no connection from port {local_port} to {remote_port}")

    def is_open(self) -> bool:
        """Tell whether the process still holds it; takes microseconds."""
        try:
            return str(self.entry.readlink()) == self.target
        except FileNotFoundError:
            return False


def _inode(local: str, remote: str) -> str:
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if (fields[1][-4:], fields[2][-4:]) == (local, remote):
            return fields[9]
    raise LookupError(f"no connection from port {local} to {remote}")


def state(pid: int) -> str:
    """Return the state of a process as one letter: R runs, S sleeps, T is stopped, Z is dead."""
    return _stat(Path(f"/proc/{pid}/stat"))[0]


def _stat(path: Path) -> list[str]:
    return path.read_text().rpartition(")")[2].split()


def _one_thread_s(task: Path) -> float:
    try:
        return int((task / "schedstat").read_text().split()[0]) / 1e9
    except FileNotFoundError:
        fields = _stat(task / "stat")
        return (int(fields[11]) + int(fields[12])) * TICK_S


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and its children: user and system, all live threads."""
    return sum(family_cpu_s(pid).values())


def family_cpu_s(pid: int) -> dict[int, float]:
    """Return the CPU seconds of each live thread of a process and its children, by thread id."""
    return {tid: cpu for one in (pid, *children(pid)) for tid, cpu in thread_cpu_s(one).items()}


@dataclass(frozen=True, slots=True)
class MachineTimes:
    """Seconds since boot, summed over all cores."""

    busy: float
    steal: float
    total: float

    def since(self, earlier: MachineTimes) -> MachineTimes:
        """Return what passed between the two."""
        return MachineTimes(self.busy - earlier.busy, self.steal - earlier.steal, self.total - earlier.total)


@dataclass(frozen=True, slots=True)
class Noise:
    """Shares of the machine's time: what the hypervisor took, and what programs used that are not part of the measurement."""

    steal: float
    other: float

    @classmethod
    def between(cls, first: MachineTimes, last: MachineTimes, own_s: float) -> Noise:
        """Return the noise between two moments, in which what is measured used ``own_s`` seconds of processor time."""
        passed = last.since(first)
        total = passed.total or 1.0
        return cls(passed.steal / total, max(0.0, (passed.busy - own_s) / total))


def machine_times() -> MachineTimes:
    """Return the machine's times; ``busy`` includes interrupts and leaves out idle, iowait and steal."""
    with Path("/proc/stat").open() as file:
        user, nice, system, idle, iowait, irq, softirq, steal, *_ = (int(x) * TICK_S for x in file.readline().split()[1:])
    busy = user + nice + system + irq + softirq
    return MachineTimes(busy, steal, busy + idle + iowait + steal)


def open_files(pid: int) -> int:
    """Return how many file descriptors a process holds."""
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 (a listing of names is all that is needed)


def rss_kib(pid: int) -> int:
    """Return the resident memory of a process in KiB."""
    return _status(pid, "VmRSS")


def shared_kib(pid: int) -> int:
    """Return the memory of a process and its children in KiB; what several of them share counts once."""
    total = 0
    for one in (pid, *children(pid)):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def threads(pid: int) -> int:
    """Return how many threads a process has."""
    return _status(pid, "Threads")


def _status(pid: int, field: str) -> int:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # what is gone has nothing
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == field:
                return int(value.split()[0])
    return 0


def threads_named(pid: int, prefix: str) -> list[int]:
    """Return the ids of the threads whose names in the operating system begin with ``prefix``."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(task.name) for task in tasks if (task / "comm").read_text().startswith(prefix)]


def pin_threads(pid: int, core: int, but: dict[int, int]) -> None:
    """Pin all threads of a process to ``core``, those in ``but`` to the cores given there."""
    for tid in thread_cpu_s(pid):
        os.sched_setaffinity(tid, {but.get(tid, core)})
