import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.models.download import DownloadFailed, WrongChecksum, download
from rag.settings import ROOT
from tests.servers import Reply, Server, redirect

BODY = random.Random(5).randbytes(200_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
TAG = {"ETag": '"one"'}
WHOLE = Reply(BODY, headers=TAG, ranges=True)
CHILD = """
import sys
from pathlib import Path
from rag.models import download
url, target, sha256, size, spare = sys.argv[1:]
download._SPARE_BYTES = int(spare)
try:
    download.download(url, Path(target), sha256=sha256, size=int(size), pause=0.01)
except download.DownloadFailed as error:
    sys.exit(str(error))
"""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


def fetch(server: Server, target: Path, **options: Any) -> str:
    return download(server.url("/model"), target, **{"pause": 0.01, "sha256": SHA256, "size": len(BODY), **options})


def child(url: str, target: Path, sha256: str = SHA256, size: int = len(BODY), spare: int = 0) -> list[str]:
    return [sys.executable, "-c", CHILD, url, str(target), sha256, str(size), str(spare)]


def ranges(server: Server) -> list[str]:
    return [request.headers.get("range", "") for request in server.requests]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_and_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    server.put("/model", WHOLE)
    target = tmp_path / "models" / "m.gguf"
    assert fetch(server, target) == SHA256
    assert target.read_bytes() == BODY and names(target.parent) == ["m.gguf"]
    assert fetch(server, target) == SHA256 and len(server.requests) == 1
    target.write_bytes(b"damaged")
    assert fetch(server, target) == SHA256 and target.read_bytes() == BODY
    assert names(target.parent) == ["m.gguf"]


def test_a_process_that_is_killed_is_continued_by_the_next(server: Server, tmp_path: Path) -> None:
    server.put("/model", Reply(BODY, headers=TAG, ranges=True, drip=0.0001), WHOLE)
    target = tmp_path / "m.gguf"
    part = tmp_path / "m.gguf.part"
    with subprocess.Popen(child(server.url("/model"), target), cwd=ROOT) as process:
        while not part.exists() or part.stat().st_size < 2000:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    kept = part.stat().st_size
    assert process.returncode == -signal.SIGKILL and 2000 <= kept < len(BODY) and not target.exists()
    state = json.loads((tmp_path / "m.gguf.part.json").read_text())
    assert state == {"url": server.url("/model"), "etag": '"one"', "size": len(BODY), "sha256": SHA256}
    assert subprocess.run(child(server.url("/model"), target), cwd=ROOT).returncode == 0
    assert target.read_bytes() == BODY and names(tmp_path) == ["m.gguf"]
    assert ranges(server) == ["", f"bytes={kept}-"] and server.requests[1].headers["if-range"] == '"one"'


def test_what_was_killed_between_its_last_byte_and_its_name_needs_no_request(server: Server, tmp_path: Path) -> None:
    server.put("/model", Reply(BODY, headers=TAG, ranges=True, cut_at=100), Reply(status=404))
    with pytest.raises(DownloadFailed, match="status 404"):
        fetch(server, tmp_path / "m")
    (tmp_path / "m.part").write_bytes(BODY)
    asked = len(server.requests)
    assert fetch(server, tmp_path / "m") == SHA256 and len(server.requests) == asked


def test_cuts_are_continued_within_one_call(server: Server, tmp_path: Path) -> None:
    cut = Reply(BODY, headers=TAG, ranges=True, cut_at=25_000)
    server.put("/model", *[cut] * 7, WHOLE)
    fetch(server, tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == BODY
    assert ranges(server) == ["", *(f"bytes={25_000 * n}-" for n in range(1, 8))], "progress starts the count anew"


def test_a_server_without_ranges_begins_anew_and_is_not_asked_for_ever(server: Server, tmp_path: Path) -> None:
    plain = Reply(BODY, headers=TAG)
    cut = Reply(BODY, headers=TAG, cut_at=25_000)
    server.put("/model", cut, plain)
    fetch(server, tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == BODY
    server.put("/other", cut)
    with pytest.raises(DownloadFailed, match="25,000 bytes of it are here: run again"):
        download(server.url("/other"), tmp_path / "n", sha256=SHA256, pause=0.01)
    assert 5 <= server.targets().count("/other") <= 6


@pytest.mark.parametrize("sha256", [SHA256, ""])
def test_another_file_at_the_address_is_not_mixed_with_the_first(server: Server, tmp_path: Path, sha256: str) -> None:
    old = Reply(b"x" * len(BODY), headers={"ETag": '"zero"'}, ranges=True, cut_at=50_000)
    server.put("/model", old, WHOLE)
    assert fetch(server, tmp_path / "m", sha256=sha256) == SHA256
    assert (tmp_path / "m").read_bytes() == BODY and len(server.requests) == 2


@pytest.mark.parametrize(("sha256", "second"), [(SHA256, "bytes=50000-"), ("", "")])
def test_without_a_tag_only_a_pinned_file_is_continued(
    server: Server, tmp_path: Path, sha256: str, second: str
) -> None:
    server.put("/model", Reply(BODY, ranges=True, cut_at=50_000), Reply(BODY, ranges=True))
    assert fetch(server, tmp_path / "m", sha256=sha256) == SHA256
    assert ranges(server) == ["", second]


def test_a_mirror_continues_what_another_address_began(server: Server, tmp_path: Path) -> None:
    server.put("/model", Reply(BODY, headers=TAG, ranges=True, cut_at=50_000), Reply(status=404))
    with pytest.raises(DownloadFailed, match="status 404"):
        fetch(server, tmp_path / "m")
    server.put("/mirror", Reply(BODY, headers={"ETag": '"theirs"'}, ranges=True))
    assert download(server.url("/mirror"), tmp_path / "m", sha256=SHA256, size=len(BODY)) == SHA256
    assert server.requests[-1].headers["range"] == "bytes=50000-" and "if-range" not in server.requests[-1].headers


def test_a_wrong_checksum_removes_the_file_and_says_what_to_do(server: Server, tmp_path: Path) -> None:
    server.put("/model", Reply(BODY[:-1] + b"!", headers=TAG, ranges=True))
    with pytest.raises(WrongChecksum, match=f"SHA-256 should be {SHA256}, is .*: what came is removed. Run again;"):
        fetch(server, tmp_path / "m")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("reply", "options", "message"),
    [
        (Reply(BODY, claimed=len(BODY) + 1), {}, "the server has 200,001 bytes, it should be 200,000"),
        (Reply(BODY, claimed=len(BODY) - 1), {"size": 0}, "SHA-256 should be"),
        (Reply(BODY, endless=True), {}, "larger than 200,000 bytes"),
        (Reply(BODY, endless=True), {"size": 0, "largest": 300_000}, "larger than 300,000 bytes"),
        (Reply(BODY), {"size": 0, "largest": 100_000}, "larger than 100,000 bytes"),
        (Reply(b"login", claimed=10**15), {"size": 10**15, "largest": 10**16}, "LACERTA_VAR name a folder on another"),
        (Reply(status=403), {}, "status 403. Check the address, and HF_ENDPOINT"),
        (Reply(status=503, headers={"Retry-After": "0"}), {}, "status 503, after 5 attempts"),
        (Reply(BODY, silent=2), {"patience": 0.05}, "timed out, after 5 attempts"),
        (Reply(BODY, status=206, headers={"Content-Range": "bytes 7-9/10"}), {}, "answered with bytes from 7"),
        (redirect("http://example.org/model"), {}, "example.org/model: only https is fetched from"),
        (redirect("file:///etc/passwd"), {}, "only https is fetched from"),
        (redirect("/model"), {}, "redirects"),
        (redirect("/elsewhere"), {"follow": False}, "status 302"),
    ],
)
def test_servers_that_err_or_lie(
    server: Server, tmp_path: Path, reply: Reply, options: dict[str, Any], message: str
) -> None:
    server.put("/model", reply)
    with pytest.raises(DownloadFailed, match=message):
        fetch(server, tmp_path / "m", **options)
    assert names(tmp_path) == []


def test_a_server_that_promises_more_than_it_has_is_given_up(server: Server, tmp_path: Path) -> None:
    server.put("/model", Reply(BODY, claimed=len(BODY) + 1))
    with pytest.raises(DownloadFailed, match="after 5 attempts. 200,000 bytes of it are here"):
        fetch(server, tmp_path / "m", size=0)
    assert names(tmp_path) == ["m.part", "m.part.json"]


def test_redirects_are_followed(server: Server, tmp_path: Path) -> None:
    server.put("/model", redirect("/elsewhere"))
    server.put("/elsewhere", Reply(BODY, headers=TAG, ranges=True, cut_at=90_000), WHOLE)
    fetch(server, tmp_path / "m")
    assert server.targets() == ["/model", "/elsewhere"] * 2
    assert server.requests[-1].headers["range"] == "bytes=90000-"


@pytest.mark.parametrize("url", ["http://example.org/a", "ftp://example.org/a", "https://", "/etc/passwd", "http://"])
def test_only_https_is_asked(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadFailed, match="only https is fetched from|is not an address"):
        download(url, tmp_path / "m")
    assert names(tmp_path) == []


def test_one_process_at_a_time_fetches_a_file(server: Server, tmp_path: Path) -> None:
    server.put("/model", WHOLE)
    with (tmp_path / "m.part").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DownloadFailed, match="is being fetched by another process: wait"):
            fetch(server, tmp_path / "m")
    assert server.requests == []
    fetch(server, tmp_path / "m")


@pytest.mark.skipif(not shutil.which("unshare"), reason="no unshare, with which a small disk is made")
def test_a_disk_that_fills_up_is_told_and_continued(server: Server, tmp_path: Path) -> None:
    server.put("/model", Reply(BODY[:50_000], endless=True))
    small = tmp_path / "small"
    small.mkdir()
    script = 'mount -t tmpfs -o size=100k none "$1" && shift && "$@"; status=$?; ls "$0"; exit $status'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(small), str(small)]
    if subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    run = subprocess.run(
        [*command, *child(server.url("/model"), small / "m", size=0)], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 1 and "the disk is full. What came so far is kept" in run.stderr
    assert run.stdout.split() == ["m.part", "m.part.json"]
    run = subprocess.run(
        [*command, *child(server.url("/model"), small / "m", size=0, spare=1 << 20)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1 and "bytes more are needed" in run.stderr and run.stdout == ""


def test_a_folder_that_cannot_be_made_is_told(server: Server, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    with pytest.raises(DownloadFailed, match="cannot be written"):
        fetch(server, tmp_path / "models" / "m")
    assert os.listdir(tmp_path) == ["models"]
