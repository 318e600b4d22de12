import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pypdf
import pytest
from PIL import Image, ImageDraw, ImageFont

from ingest import pipeline
from ingest.connectors.registry import connectors_of, fetch_from
from ingest.loaders.errors import LoadError
from ingest.lock import Locked, locked
from ingest.pipeline import bring_up_to_date, roll_back
from ingest.report import Report
from ingest.worker import Worker
from rag.embed import embedding_fingerprint, load_embedder
from rag.errors import ConfigurationError, LacertaError
from rag.index import Index, Manifest, current_version, domain_index_folder, versions
from rag.settings import Settings
from rag.types import Chunk
from tests.files import make_domain, make_pdf, prose
from tests.servers import Reply, Server, page

ROOT = Path(__file__).resolve().parent.parent
GUIDE = "# Herons\n\n## Food\n\n{}\n\n## Nests\n\n{}\n\n## Flight\n\n{}\n"


def filler(name: str) -> str:
    return " ".join(f"The {name} number {row} waits in the reeds for a fish to come by at dawn." for row in range(12))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(Settings(), var=tmp_path / "var", corpora=tmp_path / "corpora")


@pytest.fixture
def sources(settings: Settings) -> Path:
    folder = make_domain(settings.corpora)
    (folder / "guide.md").write_text(GUIDE.format(filler("heron"), filler("stork"), filler("ibis")), encoding="utf-8")
    (folder / "madarak.txt").write_text(
        "A fehér gólya a réten és a mezőn él, őszre elvonul. Tavasszal jön meg.", encoding="utf-8"
    )
    (folder / "새.csv").write_text("이름,길이\n왜가리,95\n황새,110\n", encoding="cp949")
    return folder


def counts(report: Report) -> tuple[int, int, int, int, int]:
    return report.added, report.updated, report.unchanged, report.removed, report.failed


def all_chunks(settings: Settings) -> list[Chunk]:
    index = Index.open(settings, "birds", embedding_fingerprint(load_embedder(settings.embedder)))
    try:
        vectors = [
            index.vectors.search(group, load_embedder("balanced").embed_query("heron"), 1000) for group in index.groups
        ]
        return index.chunks([name for found in vectors for name, _ in found])
    finally:
        index.close()


def version_bytes(settings: Settings) -> bytes:
    folder = domain_index_folder(settings, "birds") / str(current_version(settings, "birds"))
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_a_first_run_indexes_everything_and_a_second_nothing(settings: Settings, sources: Path) -> None:
    first = bring_up_to_date(settings, "birds")
    assert counts(first) == (3, 0, 0, 0, 0)
    assert first.published and first.embedded == first.chunks > 3
    assert len(all_chunks(settings)) == first.chunks
    second = bring_up_to_date(settings, "birds")
    assert counts(second) == (0, 0, 3, 0, 0)
    assert (second.embedded, second.published, second.version) == (0, False, first.version)
    rebuilt = bring_up_to_date(settings, "birds", rebuild=True)
    assert counts(rebuilt) == (0, 0, 3, 0, 0)
    assert rebuilt.embedded == 0 and rebuilt.version > first.version
    folder = domain_index_folder(settings, "birds")
    assert Manifest.load(folder / rebuilt.version).digest == Manifest.load(folder / first.version).digest


def test_languages_titles_and_letters_reach_the_index(settings: Settings, sources: Path) -> None:
    bring_up_to_date(settings, "birds")
    manifest = Manifest.load(domain_index_folder(settings, "birds") / str(current_version(settings, "birds")))
    assert {record.source: (record.language, record.kind, record.title) for record in manifest.documents} == {
        "guide.md": ("en", "markdown", "Herons"),
        "madarak.txt": ("hu", "text", "madarak"),
        "새.csv": ("ko", "csv", "새"),
    }
    texts = [chunk.text for chunk in all_chunks(settings)]
    assert "이름: 왜가리; 길이: 95\n\n이름: 황새; 길이: 110" in texts
    assert any("őszre elvonul" in text for text in texts)


def test_an_edited_paragraph_embeds_only_its_chunks(settings: Settings, sources: Path) -> None:
    first = bring_up_to_date(settings, "birds")
    edited = filler("stork").replace("fish", "frog")
    (sources / "guide.md").write_text(GUIDE.format(filler("heron"), edited, filler("ibis")), encoding="utf-8")
    second = bring_up_to_date(settings, "birds")
    assert counts(second) == (0, 1, 2, 0, 0)
    assert second.chunks == first.chunks
    assert second.embedded == sum("frog" in chunk.text for chunk in all_chunks(settings)) > 0
    assert not [chunk for chunk in all_chunks(settings) if "stork" in chunk.text and "fish" in chunk.text]


def test_a_renamed_file_embeds_nothing(settings: Settings, sources: Path) -> None:
    bring_up_to_date(settings, "birds")
    (sources / "deep").mkdir()
    (sources / "guide.md").rename(sources / "deep" / "handbook.md")
    report = bring_up_to_date(settings, "birds")
    assert counts(report) == (0, 0, 3, 0, 0)
    assert (report.renamed, report.embedded, report.published) == (1, 0, True)
    assert {chunk.source for chunk in all_chunks(settings)} == {"deep/handbook.md", "madarak.txt", "새.csv"}


def test_a_removed_file_is_gone_from_the_bytes(settings: Settings, sources: Path) -> None:
    (sources / "secret.txt").write_text("Quetzalcoatlus nests in the bell tower of the town hall.", encoding="utf-8")
    bring_up_to_date(settings, "birds")
    assert b"Quetzalcoatlus" in version_bytes(settings)
    (sources / "secret.txt").unlink()
    report = bring_up_to_date(settings, "birds")
    assert counts(report) == (0, 0, 3, 1, 0)
    assert report.changes == (("removed", "secret.txt"),)
    assert b"uetzalcoatlus" not in version_bytes(settings)


def test_identical_files_are_one_document_with_all_names(settings: Settings, sources: Path) -> None:
    (sources / "copy.md").write_bytes((sources / "guide.md").read_bytes())
    report = bring_up_to_date(settings, "birds")
    assert report.added == 3
    manifest = Manifest.load(domain_index_folder(settings, "birds") / report.version)
    assert [record.names for record in manifest.documents if record.kind == "markdown"] == [("copy.md", "guide.md")]


def test_a_broken_file_is_reported_once_read_and_stops_nothing(
    settings: Settings, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where Tesseract is installed, it would read the scan.
    monkeypatch.setenv("PATH", str(settings.var))
    (sources / "broken.pdf").write_bytes(make_pdf([prose(["A heron."])])[:60])
    Image.new("L", (400, 100), "white").save(sources / "scan.png")
    (sources / "out.txt").symlink_to("/etc/hostname")
    first = bring_up_to_date(settings, "birds")
    assert counts(first) == (3, 0, 0, 0, 3)
    assert [problem.source for problem in first.failures] == ["broken.pdf", "out.txt", "scan.png"]
    assert "damaged" in first.failures[0].reason and "waits for text recognition" in first.failures[2].reason
    second = bring_up_to_date(settings, "birds")
    assert counts(second) == (0, 0, 3, 0, 3)
    assert not second.published
    assert second.failures == first.failures and second.warnings == first.warnings
    (sources / "broken.pdf").write_bytes(make_pdf([prose(["A heron."])]))
    assert counts(bring_up_to_date(settings, "birds")) == (1, 0, 3, 0, 2)


@pytest.mark.skipif(not shutil.which("tesseract"), reason="needs Tesseract")
def test_what_waits_for_text_recognition_is_read_once_it_is_there(
    settings: Settings, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = Image.new("L", (900, 200), "white")
    ImageDraw.Draw(picture).text((40, 60), "The heron waits.", "black", ImageFont.load_default(60))
    picture.save(sources / "sign.png")
    with monkeypatch.context() as without:
        without.setenv("PATH", str(settings.var))
        assert counts(bring_up_to_date(settings, "birds")) == (3, 0, 0, 0, 1)
        assert counts(bring_up_to_date(settings, "birds")) == (0, 0, 3, 0, 1)
    assert counts(bring_up_to_date(settings, "birds")) == (1, 0, 3, 0, 0)
    assert any("heron waits" in chunk.text for chunk in all_chunks(settings))
    assert not bring_up_to_date(settings, "birds").published


def test_a_file_that_breaks_leaves_the_index_and_is_no_removal(settings: Settings, sources: Path) -> None:
    bring_up_to_date(settings, "birds")
    (sources / "guide.md").write_bytes(b"\x00\x01\x02\x03")
    report = bring_up_to_date(settings, "birds")
    assert counts(report) == (0, 0, 2, 0, 1)
    assert "guide.md" not in {chunk.source for chunk in all_chunks(settings)}


def test_where_nothing_can_be_read_the_old_version_stays(settings: Settings, sources: Path) -> None:
    first = bring_up_to_date(settings, "birds")
    for path in sources.iterdir():
        path.write_bytes(b"%PDF-1.4 broken" + path.name.encode())
    with pytest.raises(LacertaError, match="nothing was published"):
        bring_up_to_date(settings, "birds")
    for path in sources.iterdir():
        path.unlink()
    with pytest.raises(LacertaError, match=f"nothing to ingest in {sources}"):
        bring_up_to_date(settings, "birds")
    assert current_version(settings, "birds") == first.version
    assert versions(settings, "birds") == [first.version]


def test_a_dry_run_writes_nothing(settings: Settings, sources: Path) -> None:
    report = bring_up_to_date(settings, "birds", dry_run=True)
    assert counts(report) == (3, 0, 0, 0, 0)
    assert not settings.var.exists()


def test_other_sources_take_the_place_of_the_folder(settings: Settings, sources: Path, tmp_path: Path) -> None:
    (tmp_path / "essay.txt").write_text("Herons are patient birds.", encoding="utf-8")
    assert bring_up_to_date(settings, "birds", sources=[tmp_path / "essay.txt"]).added == 1
    assert [chunk.source for chunk in all_chunks(settings)] == ["essay.txt"]


def test_three_versions_are_kept_and_one_can_go_back(settings: Settings, sources: Path) -> None:
    made = []
    for number in range(4):
        (sources / "news.txt").write_text(f"News number {number} on herons.", encoding="utf-8")
        made.append(bring_up_to_date(settings, "birds").version)
    assert versions(settings, "birds") == made[1:]
    assert roll_back(settings, "birds").version == made[2]
    assert any(chunk.text == "News number 2 on herons." for chunk in all_chunks(settings))
    assert roll_back(settings, "birds").version == made[1]
    with pytest.raises(LacertaError, match="no version before"):
        roll_back(settings, "birds")
    assert bring_up_to_date(settings, "birds").embedded == 0


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_version_that_is_open_is_kept(settings: Settings, sources: Path, elsewhere: bool) -> None:
    first = bring_up_to_date(settings, "birds").version
    folder = domain_index_folder(settings, "birds") / first
    if elsewhere:
        hold = (
            "from pathlib import Path; from rag.hold import hold; import sys; hold(Path(sys.argv[1])); print(); input()"
        )
        reader = subprocess.Popen(
            [sys.executable, "-u", "-c", hold, folder], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert reader.stdout and reader.stdout.readline()
    else:
        index = Index.open_folder(folder, embedding_fingerprint(load_embedder("balanced", settings)))
    made = []
    for number in range(4):
        (sources / "news.txt").write_text(f"News number {number} on herons.", encoding="utf-8")
        made.append(bring_up_to_date(settings, "birds").version)
    assert versions(settings, "birds") == [first, *made[1:]]
    if elsewhere:
        # However it ends, nothing is left of its hold.
        reader.kill()
        reader.communicate()
    else:
        vector = index.table.rows([next(index.table.all_chunks()).id]).vectors[0]
        assert index.vectors.search("en", vector, 3)
        index.close()
    (sources / "news.txt").write_text("The last news on herons.", encoding="utf-8")
    made.append(bring_up_to_date(settings, "birds").version)
    assert versions(settings, "birds") == made[2:]


def test_another_title_or_embedder_is_noticed(settings: Settings, sources: Path) -> None:
    first = bring_up_to_date(settings, "birds")
    toml = sources.parent / "domain.toml"
    toml.write_text(toml.read_text(encoding="utf-8") + '[titles]\n"madarak.txt" = "A madarakról"\n', encoding="utf-8")
    second = bring_up_to_date(settings, "birds")
    assert second.published and second.embedded == 1
    assert "A madarakról" in {chunk.title for chunk in all_chunks(settings)}
    manifest = Manifest.load(domain_index_folder(settings, "birds") / second.version)
    replace(manifest, embedder="another").save(domain_index_folder(settings, "birds") / second.version)
    third = bring_up_to_date(settings, "birds")
    assert third.published and third.embedded == 0 and third.chunks == first.chunks


def test_a_second_ingest_at_the_same_time_names_the_first(settings: Settings, sources: Path) -> None:
    with locked(domain_index_folder(settings, "birds") / "LOCK", "birds"):
        with pytest.raises(Locked, match=f"by process {os.getpid()}"):
            bring_up_to_date(settings, "birds")
    assert bring_up_to_date(settings, "birds").published


def test_a_killed_ingest_leaves_the_old_version_and_no_remains(settings: Settings, sources: Path) -> None:
    first = bring_up_to_date(settings, "birds")
    for number in range(60):
        (sources / f"more{number}.txt").write_text(filler(f"bird {number} of the lake"), encoding="utf-8")
    environment = {**os.environ, "LACERTA_VAR": str(settings.var), "LACERTA_CORPORA": str(settings.corpora)}
    process = subprocess.Popen([sys.executable, "-m", "ingest", "birds"], cwd=ROOT, env=environment)
    folder = domain_index_folder(settings, "birds")
    while process.poll() is None and not list(folder.glob("*.building/chroma/*")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert list(folder.glob("*.building"))
    assert current_version(settings, "birds") == first.version
    assert len(all_chunks(settings)) == first.chunks
    report = bring_up_to_date(settings, "birds")
    assert counts(report) == (60, 0, 3, 0, 0)
    assert not list(folder.glob("*.building"))
    assert len(all_chunks(settings)) == report.chunks


def test_an_interrupt_leaves_the_old_version_and_no_remains(settings: Settings, sources: Path) -> None:
    first = bring_up_to_date(settings, "birds")
    (sources / "guide.md").write_text(filler("crane"), encoding="utf-8")

    def interrupt(stage: str, done: int, total: int) -> None:
        if stage == "embedding":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring_up_to_date(settings, "birds", progress=interrupt)
    assert versions(settings, "birds") == [first.version] == [current_version(settings, "birds")]
    assert not list(domain_index_folder(settings, "birds").glob("*.building"))


def test_a_full_disk_and_a_missing_domain_are_explained(settings: Settings, sources: Path) -> None:
    def full(stage: str, done: int, total: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(LacertaError, match="is full: free some space"):
        bring_up_to_date(settings, "birds", progress=full)
    with pytest.raises(ConfigurationError, match="no domain 'fish'"):
        bring_up_to_date(settings, "fish")


def test_a_parser_that_hangs_or_dies_costs_its_file_only(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("A heron.")
    with Worker(seconds=3) as worker:
        worker.load(tmp_path / "a.txt", "a.txt")
        assert worker._process is not None
        os.kill(worker._process.pid, signal.SIGSTOP)
        with pytest.raises(LoadError, match="more than 3 s"):
            worker.load(tmp_path / "a.txt", "a.txt")
        assert worker.load(tmp_path / "a.txt", "a.txt")[0].pages[0][0].text == "A heron."
        assert worker._process is not None
        worker._process.kill()
        worker._process.wait()
        assert worker.load(tmp_path / "a.txt", "a.txt")[0].kind == "text"


def test_an_encrypted_file_is_read_once_its_password_is_known(settings: Settings, sources: Path) -> None:
    plain = io.BytesIO(make_pdf([prose(["A secret heron stands here."])]))
    writer = pypdf.PdfWriter(clone_from=plain)
    writer.encrypt("reeds", algorithm="RC4-128")
    with (sources / "secret.pdf").open("wb") as file:
        writer.write(file)
    first = bring_up_to_date(settings, "birds")
    assert counts(first) == (3, 0, 0, 0, 1) and "password" in first.failures[0].reason
    assert not bring_up_to_date(settings, "birds").published
    toml = sources.parent / "domain.toml"
    described = toml.read_text(encoding="utf-8")
    toml.write_text(described + '[passwords]\n"*.pdf" = "wrong"\n', encoding="utf-8")
    assert counts(bring_up_to_date(settings, "birds")) == (0, 0, 3, 0, 1)
    toml.write_text(described + '[passwords]\n"*.pdf" = "reeds"\n', encoding="utf-8")
    assert counts(bring_up_to_date(settings, "birds")) == (1, 0, 3, 0, 0)
    assert any("secret heron" in chunk.text for chunk in all_chunks(settings))
    assert b"reeds" not in version_bytes(settings).replace(b"in the reeds", b"")


def test_what_connectors_fetched_is_indexed_with_what_they_know(
    settings: Settings, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml = sources.parent / "domain.toml"
    described = toml.read_text(encoding="utf-8")

    def fetch_here(domain, settings, progress, offline):
        return fetch_from(connectors_of(domain), domain.name, settings, progress, offline, allow_private=True)

    with Server() as server:
        server.put("/", page("<title>Lake</title><main><p>It froze. <a href='/birds'>Birds</a></p></main>"))
        server.put("/birds", page("<title>Birds</title><main><p>Nine spoonbills wintered here.</p></main>"))
        toml.write_text(described + f'[[sources]]\nkind = "web"\nstart = ["{server.url()}"]\n', encoding="utf-8")
        refused = bring_up_to_date(settings, "birds")
        # This machine's own addresses are not asked, whatever domain.toml says.
        assert (refused.added, refused.failed, server.requests) == (3, 1, [])
        monkeypatch.setattr(pipeline, "fetch_all", fetch_here)
        fetched = bring_up_to_date(settings, "birds")
        assert counts(fetched) == (2, 0, 3, 0, 0)
        chunk = next(chunk for chunk in all_chunks(settings) if "spoonbills" in chunk.text)
        assert (chunk.title, chunk.source.endswith("/birds")) == ("Birds", True)
        asked = len(server.requests)
        assert bring_up_to_date(settings, "birds", offline=True).unchanged == 5
        assert len(server.requests) == asked
        server.put("/birds", Reply(status=404))
        assert bring_up_to_date(settings, "birds").removed == 1


def test_a_version_that_finds_less_is_not_published(settings: Settings, sources: Path) -> None:
    first = bring_up_to_date(settings, "birds")
    toml = sources.parent / "domain.toml"
    toml.write_text(toml.read_text(encoding="utf-8") + "[publish]\nmin_recall = 0.9\n", encoding="utf-8")
    question = {
        "id": "q1",
        "question": "Where does the heron wait?",
        "language": "en",
        "answer": "In the reeds.",
        "answerable": True,
        "sources": [{"source": "guide.md", "page": 1}],
    }
    (sources.parent / "questions.jsonl").write_text(json.dumps(question), encoding="utf-8")
    guide = (sources / "guide.md").read_text(encoding="utf-8")
    (sources / "guide.md").unlink()
    with pytest.raises(LacertaError, match="finds the document of 0 of 1 questions.*--force"):
        bring_up_to_date(settings, "birds")
    assert versions(settings, "birds") == [first.version]
    (sources / "guide.md").write_text(guide + "\nMore.\n", encoding="utf-8")
    assert bring_up_to_date(settings, "birds").published
    (sources / "guide.md").unlink()
    assert bring_up_to_date(settings, "birds", force=True).removed == 1
