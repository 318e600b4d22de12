"""Memory of processes and what folders take on the disk, in MB, and how busy the machine is."""

import os
import resource
import sys
from pathlib import Path


def resident() -> float:
    """Resident memory of this process; the most it ever was, where the system does not say."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
        return round(int(line.split()[1]) / 1024, 1)
    return round(most(resource.getrusage(resource.RUSAGE_SELF)), 1)


def most(usage: resource.struct_rusage) -> float:
    """The most resident memory that a process had."""
    # Bytes on macOS, kilobytes elsewhere (getrusage(2)).
    return usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def on_disk(folder: Path) -> float:
    """What the files below a folder hold."""
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1024**2, 1)


def load() -> float | None:
    """How many processes wanted a core in the last minute; None where the system does not say."""
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
