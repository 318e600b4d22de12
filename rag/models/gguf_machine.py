"""What the machine has for a model in this process: cores and memory, a container's limits included; all in bytes.

Knows nothing of models. The folders `proc` and `sys` are those of Linux; elsewhere they are missing.
"""

import os
from collections.abc import Iterator
from math import ceil
from pathlib import Path

PROC, SYS = Path("/proc"), Path("/sys")
# Of a system that says only how much memory it has: what other programs leave.
_LEFT_BY_OTHERS = 0.75


def available_cores(proc: Path = PROC, sys: Path = SYS) -> int:
    """The physical cores that this process may use: a core's second thread adds nothing to matrix products."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    cores = {_core(sys, number) for number in allowed}
    least = len(cores)
    for folder in _groups(proc, sys):
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        if quota.isdigit():
            least = min(least, ceil(int(quota) / int(period)))
    return max(1, least)


def available_memory(proc: Path = PROC, sys: Path = SYS) -> int:
    """The bytes that can be taken without swapping; what the system only keeps of files counts as free."""
    free = _meminfo(proc)
    for folder in _groups(proc, sys):
        limit, used = _read(folder / "memory.max"), _read(folder / "memory.current")
        if limit.isdigit() and used:
            values = dict(line.split() for line in _read(folder / "memory.stat").splitlines())
            free = min(free, int(limit) - int(used) + int(values.get("inactive_file", 0)))
    return max(0, free)


def _core(sys: Path, number: int) -> tuple[str, ...]:
    folder = sys / "devices" / "system" / "cpu" / f"cpu{number}" / "topology"
    core = tuple(_read(folder / name) for name in ("physical_package_id", "core_id"))
    return core if all(core) else (str(number),)


def _meminfo(proc: Path) -> int:
    lines = _read(proc / "meminfo").splitlines()
    values = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}
    if "MemAvailable" in values:
        return values["MemAvailable"]
    return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * _LEFT_BY_OTHERS)


def _groups(proc: Path, sys: Path) -> Iterator[Path]:
    """The folders of this process's control group (version 2) and of those that hold it."""
    root = sys / "fs" / "cgroup"
    for line in _read(proc / "self" / "cgroup").splitlines():
        number, _, path = line.split(":", 2)
        if number == "0":
            group = Path(path.lstrip("/"))
            # In a container the group's own path may not be visible: its limits then stand at the root.
            yield from dict.fromkeys((root / group, *(root / parent for parent in group.parents)))


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
