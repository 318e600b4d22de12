"""Disk, memory and the port."""

import json
import os
import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from rag.models.catalogue import machine_memory
from rag.settings import Settings
from web.doctor.finding import BROKEN, FINE, NOTE, Finding

LEAST_DISK_BYTES = 100_000_000
"""Free space below which an ingest, a chat log and a backup can't be counted on."""
_LITTLE_MEMORY_BYTES = 1_000_000_000
_SECONDS = 1.0


def machine(settings: Settings) -> Iterator[Finding]:
    yield _folder(settings.var)
    yield _disk(settings.var)
    memory = machine_memory()
    text = f"{memory / 1e9:.1f} GB, {os.cpu_count()} processors"
    yield (
        Finding("machine", "memory", FINE, text)
        if memory >= _LITTLE_MEMORY_BYTES
        else Finding("machine", "memory", NOTE, f"{text}: little", "LACERTA_EMBEDDER=fast takes less")
    )
    yield _port(settings)


def nearest(folder: Path) -> Path:
    """The folder itself, or the first above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _folder(var: Path) -> Finding:
    there = nearest(var)
    # Asked of the system, since a look leaves nothing behind.
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Finding("machine", "var", FINE, f"{var} can be written")
    mend = f"chown it to whoever runs the program, or set LACERTA_VAR to another folder than {var}"
    return Finding("machine", "var", BROKEN, f"nothing can be written to {there}", mend)


def _disk(var: Path) -> Finding:
    free = shutil.disk_usage(nearest(var)).free
    text = f"{free / 1e9:.1f} GB free for {var}"
    if free >= LEAST_DISK_BYTES:
        return Finding("machine", "disk", FINE, text)
    mend = "free some space, or set LACERTA_VAR to a folder on another disk"
    return Finding("machine", "disk", BROKEN, f"{text}, at least {LEAST_DISK_BYTES / 1e9:.1f} are needed", mend)


def _port(settings: Settings) -> Finding:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    name = f"port {settings.port}"
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            reason = error.strerror
        else:
            return Finding("machine", name, FINE, f"free on {settings.host}")
    if served(settings):
        return Finding("machine", name, FINE, f"Lacerta is being served there, on {settings.host}")
    other = settings.port + 1 if settings.port < 65535 else 7860
    return Finding("machine", name, BROKEN, f"can't be used on {settings.host}: {reason}", f"make run PORT={other}")


def served(settings: Settings) -> bool:
    """Whether it is this program that listens: asked on this machine alone."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    address = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/healthz"
    # A proxy of the environment would be asked otherwise.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=_SECONDS) as response:
            return bool(json.loads(response.read(1000)).get("status") == "ok")
    except (urllib.error.URLError, OSError, ValueError, AttributeError):
        return False
