"""Files made to hurt an ingest: each is reported, none costs more than its limit, and the good ones are indexed."""

import json
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ingest import limits
from tests.files import make_domain, make_pdf

ROOT = Path(__file__).resolve().parent.parent
GOOD = {
    "heron.md": "# Herons\n\nA heron stands still in the shallow water of the lake.\n",
    "gólya.txt": "A fehér gólya a réten és a mezőn él, őszre elvonul. Tavasszal jön meg.\n",
    "새.csv": "이름,길이\n왜가리,95\n황새,110\n",
    "zz last.txt": "A stork nests on a chimney and comes back to it each spring.\n",
    "up\\..\\..\\up.txt": "An ibis has a long bill that is bent down.\n",
    "inner/link.md": "",
}
_RUN = """
import json, resource, sys
from dataclasses import replace
from pathlib import Path
from ingest.pipeline import bring_up_to_date
from rag.settings import Settings
settings = replace(Settings(), var=Path(sys.argv[1]), corpora=Path(sys.argv[2]))
report = bring_up_to_date(settings, "birds")
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({"report": report.to_json(), "table": report.table(), "peak": peak}))
"""


def ingested(tmp_path: Path) -> dict[str, Any]:
    """The report of an ingest in a process of its own, and the most memory that one of its workers held, in bytes."""
    run = subprocess.run(
        [sys.executable, "-c", _RUN, str(tmp_path / "var"), str(tmp_path / "corpora")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert run.returncode == 0, run.stderr
    result: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return result


def failures(result: dict[str, Any]) -> dict[str, str]:
    return {item["source"]: item["reason"] for item in result["report"]["failures"]}


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = make_domain(tmp_path / "corpora")
    (folder / "inner").mkdir()
    for name, text in GOOD.items():
        if text:
            (folder / name).write_text(text, encoding="utf-8")
    (folder / "inner" / "link.md").symlink_to(folder / "heron.md")
    return folder


def test_names_and_things_that_are_no_files(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("secret")
    (sources / "out.txt").symlink_to(tmp_path / "outside.txt")
    (sources / "loop").symlink_to(sources)
    (sources / "one.txt").symlink_to(sources / "two.txt")
    (sources / "two.txt").symlink_to(sources / "one.txt")
    (sources / "nowhere.txt").symlink_to(sources / "gone.txt")
    os.mkfifo(sources / "pipe.txt")
    (sources / "line\nbreak.txt").write_text("A heron.")
    (sources / "clear\x1b[2Jscreen.txt").write_text("A heron.")
    (sources / "gpj.\u202etxt.exe").write_text("A heron.")
    (sources / os.fsdecode(b"heron\xff.txt")).write_text("A heron.")
    result = ingested(tmp_path)
    assert failures(result) == {
        "out.txt": "it is a link that leads out of the folder: put the file itself there",
        "loop": "it is a link to a folder, which is not followed: remove it, the folder itself is read",
        "one.txt": "it is a link that leads nowhere (Too many levels of symbolic links): remove it",
        "two.txt": "it is a link that leads nowhere (Too many levels of symbolic links): remove it",
        "nowhere.txt": "it is a link that leads nowhere (No such file or directory): remove it",
        "pipe.txt": "it is no regular file: remove it",
        "line\\nbreak.txt": "its name holds line breaks or other control characters: rename it",
        "clear\\x1b[2Jscreen.txt": "its name holds line breaks or other control characters: rename it",
        "gpj.\\u202etxt.exe": "its name holds line breaks or other control characters: rename it",
        "heron\\udcff.txt": "its name is not valid UTF-8: rename it",
    }
    assert all(line.isprintable() for line in result["table"].split("\n"))
    assert result["report"]["added"] == len(GOOD) - 1
    # Nothing was written beside the folders that were there.
    assert {path.name for path in tmp_path.iterdir()} == {"var", "corpora", "outside.txt"}


def test_files_that_unpack_nest_or_go_on_for_ever(sources: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(sources / "bomb.docx", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("[Content_Types].xml", _CONTENT_TYPES)
        bomb.writestr("_rels/.rels", _RELATIONS)
        with bomb.open("word/document.xml", "w") as part:
            for _ in range(300):
                part.write(bytes(1_000_000))
    (sources / "long.pdf").write_bytes(make_pdf([[(60, 700, 10, "A heron.")]] * 10_000))
    (sources / "deep.pdf").write_bytes(_deep_pdf())
    (sources / "deep.json").write_text("[" * 1_000_000 + "]" * 1_000_000)
    (sources / "deep.jsonl").write_text('{"a":' * 100_000 + "1" + "}" * 100_000 + "\n")
    (sources / "deep.xml").write_text("<?xml version='1.0'?>" + "<a>" * 500_000 + "heron" + "</a>" * 500_000)
    (sources / "deep.html").write_text(
        "<!doctype html><html><head><title>Deep</title></head><body>" + "<div>" * 500_000 + "heron"
    )
    (sources / "deep.md").write_text(">" * 500_000 + " heron\n" + "- " * 200_000 + "heron\n" + "<!--" * 60_000)
    with (sources / "sparse.csv").open("wb") as stream:
        stream.write(b"name,wing,")
        stream.truncate(200_000_000)
    with (sources / "line.csv").open("wb") as stream:
        for _ in range(200):
            stream.write(b"heron,42,," * 100_000)
    with (sources / "huge.txt").open("wb") as stream:
        stream.truncate(limits.FILE_BYTES * 1000)
    (sources / "quote.csv").write_bytes(b'name,"' + b"heron,42\n" * 20_000)
    result = ingested(tmp_path)
    reasons = failures(result)
    # These may be read as far as they make sense; the others are wrong from end to end.
    readable = {"deep.html", "deep.md", "deep.pdf", "quote.csv"}
    assert set(reasons) - readable == {
        "bomb.docx", "long.pdf", "deep.json", "deep.jsonl", "deep.xml", "sparse.csv", "line.csv", "huge.txt"
    }  # fmt: skip
    assert "10000 pages" in reasons["long.pdf"] and "split it" in reasons["long.pdf"]
    assert "200 MB of text" in reasons["line.csv"] and "300000 MB" in reasons["huge.txt"]
    for reason in reasons.values():
        assert "crashed" not in reason and ": " in reason
    assert result["report"]["added"] == len(GOOD) - 1 + len(readable - set(reasons))
    assert result["peak"] < limits.MEMORY_BYTES


def test_a_file_that_changes_while_it_is_read(sources: Path, tmp_path: Path) -> None:
    over = threading.Event()

    def write_on() -> None:
        with (sources / "log.txt").open("ab") as stream:
            while not over.wait(0.001):
                stream.write(b"A heron came.\n")
                stream.flush()

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        result = ingested(tmp_path)
    finally:
        over.set()
        writer.join()
    assert failures(result) == {"log.txt": "it changed while it was read: run the ingest again"}
    assert result["report"]["added"] == len(GOOD) - 1


def _deep_pdf() -> bytes:
    """A PDF whose page tree, outline and arrays nest a hundred thousand times."""
    depth = 100_000
    content = make_pdf([[(60, 700, 10, "A heron.")]])
    return content.replace(b"/Type /Catalog", b"/Type /Catalog /A " + b"[" * depth + b"]" * depth, 1)


_CONTENT_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/word/document.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
_RELATIONS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"'
    ' Target="word/document.xml"/></Relationships>'
)
