import io
import os
import shutil
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import pytest

from ingest.pipeline import bring_up_to_date
from ingest.visit_files import VisitFailed, shown_name
from ingest.visits import Visits
from rag.answer import Engine
from rag.joined import Joined, join
from rag.settings import Settings
from rag.types import Question
from rag.visits import FAILED, LISTING, READY, OwnFile, folder_of, load_files, new_identifier, place_of, save_files
from tests.files import make_domain, make_pdf, prose

HERON = "A grey heron stands at the lake at dawn. It catches two fish an hour and leaves when the sun is high.\n"
OWL = "The barn owl of the old mill raised seven owlets in spring. Its nest is behind the third beam.\n"
CRANE = "Four cranes rested on the island for nine days. The warden counted them from the western tower.\n"
ABOUT_OWL = "How many owlets did the barn owl of the old mill raise?"
ABOUT_CRANE = "From where did the warden count the cranes?"
ABOUT_HERON = "How many fish does the grey heron catch an hour?"


@dataclass(frozen=True, slots=True)
class Ground:
    engine: Engine
    visits: Visits

    def put(self, place: str, name: str, content: bytes | str) -> OwnFile:
        """A file that was taken in, once it is read or has failed."""
        content = content.encode() if isinstance(content, str) else content
        incoming = self.visits.receive(place, name, len(content))
        try:
            incoming.write(content)
            file = incoming.finish()
        except BaseException:
            incoming.abandon()
            raise
        return self.read(place, file.file)

    def read(self, place: str, name: str) -> OwnFile:
        while True:
            file = next(file for file in self.visits.files(place) if file.file == name)
            if not file.open:
                return file
            time.sleep(0.02)

    def folder(self, place: str) -> Path:
        return folder_of(self.engine.settings, place)

    def sources(self, text: str, *places: str) -> list[str]:
        found = self.engine.search(Question(text, "birds", attachments=places), 3)
        return [hit.chunk.source for hit in found.hits]

    def bytes_under(self, place: str) -> bytes:
        return b"".join(path.read_bytes() for path in self.folder(place).rglob("*") if path.is_file())


def opened(settings: Settings) -> Iterator[Ground]:
    engine = Engine(settings)
    engine.warm_up()
    visits = Visits(engine)
    try:
        yield Ground(engine, visits)
    finally:
        visits.close()
        engine.close()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("visits")
    settings = replace(Settings(), corpora=folder / "corpora", var=folder / "var", threads=1, visit_pages=20)
    (make_domain(settings.corpora) / "heron.txt").write_text(HERON, encoding="utf-8")
    bring_up_to_date(settings, "birds")
    return settings


@pytest.fixture(scope="module")
def ground(settings: Settings) -> Iterator[Ground]:
    yield from opened(settings)


@pytest.fixture
def place() -> str:
    return place_of(new_identifier())


def test_own_documents_are_searched_beside_the_domains(ground: Ground, place: str) -> None:
    file = ground.put(place, "owl.txt", OWL)
    assert (file.state, file.pages, file.share) == (READY, 1, 1.0)
    question = Question(ABOUT_OWL, "birds", attachments=(place,))
    answer = ground.engine.ask(question)
    assert "seven owlets" in answer.text
    assert answer.citations[0].chunk.source == "owl.txt"
    assert answer.citations[0].chunk.document_id == file.document
    assert answer.confidence > ground.engine.ask(replace(question, attachments=())).confidence
    assert not answer.notices
    assert ground.sources(ABOUT_HERON, place)[0] == "heron.txt"


def test_nobody_else_finds_them(ground: Ground, place: str) -> None:
    ground.put(place, "owl.txt", OWL)
    assert ground.sources(ABOUT_OWL, place)[0] == "owl.txt"
    assert "owl.txt" not in ground.sources(ABOUT_OWL)
    assert "owl.txt" not in ground.sources(ABOUT_OWL, place_of(new_identifier()))


def test_another_owner_of_the_same_name_is_another_place() -> None:
    name = new_identifier()
    assert len({name, place_of(name), place_of(name, "login:eve"), place_of(name, "login:bob")}) == 4


def test_answers_to_them_are_not_kept_for_others(ground: Ground, place: str) -> None:
    question = Question(ABOUT_OWL, "birds")
    ground.put(place, "owl.txt", OWL)
    with_own = [ground.engine.ask(replace(question, attachments=(place,))) for _ in range(2)]
    assert not any(answer.cached for answer in with_own)
    for _ in range(2):
        assert "seven" not in ground.engine.ask(question).text
    assert "seven" in ground.engine.ask(replace(question, attachments=(place,))).text


@pytest.mark.parametrize("unknown", ["", "0" * 32, "../index", "x" * 5000, "birds"])
def test_a_visit_that_is_not_there_leaves_the_domain_and_says_so(ground: Ground, unknown: str) -> None:
    answer = ground.engine.ask(Question(ABOUT_HERON, "birds", attachments=(unknown,)))
    assert "two fish" in answer.text
    assert any("not there any more" in notice for notice in answer.notices)


def test_a_question_while_a_document_is_read_says_so(ground: Ground, place: str) -> None:
    file = ground.put(place, "owl.txt", OWL)
    folder = ground.folder(place)
    save_files(folder, [file, replace(file, file="f" * 16, state="reading")])
    answer = ground.engine.ask(Question(ABOUT_OWL, "birds", attachments=(place,)))
    assert "seven owlets" in answer.text
    assert any("still being read" in notice for notice in answer.notices)


def test_a_refusal_speaks_of_both(ground: Ground, place: str) -> None:
    ground.put(place, "owl.txt", OWL)
    question = Question("What is the boiling point of mercury?", "birds", attachments=(place,))
    answer = ground.engine.ask(question)
    assert not answer.answerable
    assert "your own" in answer.text and "searched: 2" in answer.text
    assert "your own" not in ground.engine.ask(replace(question, attachments=())).text
    assert "saját" in ground.engine.ask(replace(question, text="Mennyi a higany forráspontja?")).text
    assert "올려 주신" in ground.engine.ask(replace(question, text="수은의 끓는점은 몇 도입니까?")).text


def test_filters_hold_for_own_documents_too(ground: Ground, place: str) -> None:
    ground.put(place, "owl.csv", "Bird,Owlets\nBarn owl of the old mill,seven\n")
    question = Question("Owlets of the barn owl", "birds", attachments=(place,))
    kinds = {
        kind: {hit.chunk.source for hit in ground.engine.search(replace(question, filters={"kind": kind})).hits}
        for kind in ("text", "csv")
    }
    assert kinds == {"text": {"heron.txt"}, "csv": {"owl.csv"}}


def test_several_files_and_one_removed(ground: Ground, place: str) -> None:
    owl, crane = ground.put(place, "owl.txt", OWL), ground.put(place, "crane.txt", CRANE)
    assert ground.sources(ABOUT_OWL, place)[0] == "owl.txt"
    assert ground.sources(ABOUT_CRANE, place)[0] == "crane.txt"
    assert [file.name for file in ground.visits.remove(place, owl.file)] == ["crane.txt"]
    assert "owl.txt" not in ground.sources(ABOUT_OWL, place)
    assert ground.sources(ABOUT_CRANE, place)[0] == "crane.txt"
    held = ground.bytes_under(place)
    assert b"owlets" not in held and b"western tower" in held
    assert ground.visits.remove(place, crane.file) == ()
    assert b"western tower" not in ground.bytes_under(place)
    assert "crane.txt" not in ground.sources(ABOUT_CRANE, place)
    with pytest.raises(VisitFailed) as failure:
        ground.visits.remove(place, crane.file)
    assert failure.value.code == "unknown_file"


def test_a_visit_that_is_deleted_leaves_nothing(ground: Ground, place: str) -> None:
    ground.put(place, "owl.txt", OWL)
    assert ground.sources(ABOUT_OWL, place)[0] == "owl.txt"
    ground.visits.remove(place)
    assert not ground.folder(place).exists()
    assert not [path for path in ground.folder(place).parent.iterdir() if path.name.startswith(".")]
    with pytest.raises(VisitFailed) as failure:
        ground.visits.files(place)
    assert failure.value.code == "unknown_visit"


def test_the_same_content_is_one_document(ground: Ground, place: str) -> None:
    first = ground.put(place, "owl.txt", OWL)
    assert ground.put(place, "another name.txt", OWL) == first
    assert len(ground.visits.files(place)) == 1
    assert len(list((ground.folder(place) / "sources").iterdir())) == 1


def test_a_pdf_is_cited_by_its_page(ground: Ground, place: str) -> None:
    pages = [prose(["Nothing happens on this page of the report at all."]), prose(OWL.split(". "))]
    assert ground.put(place, "report.pdf", make_pdf(pages, "Report")).pages == 2
    answer = ground.engine.ask(Question(ABOUT_OWL, "birds", attachments=(place,)))
    assert (answer.citations[0].chunk.source, answer.citations[0].page) == ("report.pdf", 2)


def bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", b"0" * 300_000_000)
    return packed.getvalue()


def protected() -> bytes:
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(make_pdf([prose([OWL])]))))
    writer.encrypt("secret")
    content = io.BytesIO()
    writer.write(content)
    return content.getvalue()


BAD = {
    "protected": ("report.pdf", protected),
    "damaged": ("report.docx", lambda: b"PK\x03\x04 this is no archive"),
    "unsupported": ("photo.7z", lambda: b"7z\xbc\xaf\x27\x1c" + b"0" * 100),
    "too_large": ("bomb.docx", bomb),
    "no_text": ("empty.csv", lambda: b"Bird,Owlets\n"),
    "too_many_pages": ("long.txt", lambda: b"The heron waits. " * 8000),
}


@pytest.mark.parametrize("code", BAD)
def test_a_bad_file_fails_with_its_code_and_the_others_stay(ground: Ground, place: str, code: str) -> None:
    ground.put(place, "owl.txt", OWL)
    name, make = BAD[code]
    file = ground.put(place, name, make())
    assert (file.state, file.code) == (FAILED, code), file.reason
    assert ground.sources(ABOUT_OWL, place)[0] == "owl.txt"
    assert [path.name for path in (ground.folder(place) / "sources").iterdir()] == [ground.visits.files(place)[0].file]
    # A better copy takes its place.
    assert ground.visits.remove(place, file.file)


def test_empty_files_and_those_beyond_the_limits_are_refused(settings: Settings, ground: Ground, place: str) -> None:
    def refused(visits: Visits, content: bytes, size: int | None) -> str:
        with pytest.raises(VisitFailed) as failure:
            incoming = visits.receive(place, "a.txt", size)
            try:
                incoming.write(content)
                incoming.finish()
            finally:
                incoming.abandon()
        return failure.value.code

    small = replace(settings, visit_file_bytes=1000, visit_files=2)
    for several in opened(small):
        assert refused(several.visits, b"", 0) == "empty"
        assert refused(several.visits, b"", 1001) == "too_large"
        assert refused(several.visits, b"a" * 1001, None) == "too_large"
        assert not several.folder(place).exists()
        several.put(place, "owl.txt", OWL)
        several.put(place, "crane.txt", CRANE)
        assert refused(several.visits, b"One more.", 9) == "too_many_files"
    for full in opened(replace(settings, visit_bytes=10)):
        assert refused(full.visits, b"a", None) == "no_room"
    for off in opened(replace(settings, visit_uploads=False)):
        assert refused(off.visits, b"a", 1) == "uploads_off"


def test_room_is_counted_while_others_delete(ground: Ground, place: str) -> None:
    visits, churned, over = ground.visits, ground.folder(place_of(new_identifier())), threading.Event()

    def churn() -> None:
        while not over.is_set():
            (churned / "1" / "chroma" / "deep").mkdir(parents=True)
            shutil.rmtree(churned)

    with ThreadPoolExecutor(1) as pool:
        churning = pool.submit(churn)
        try:
            for _ in range(100):
                visits._counted = (0.0, 0)
                visits.receive(place, "a.txt", 1).abandon()
        finally:
            over.set()
        churning.result()


def test_what_was_interrupted_goes_on_when_it_is_asked_for(settings: Settings, place: str) -> None:
    for first in opened(settings):
        first.put(place, "owl.txt", OWL)
        incoming = first.visits.receive(place, "crane.txt", None)
        incoming.write(CRANE.encode())
        folder = first.folder(place)
    # As a process leaves it that was killed while it read a second file.
    (folder / "sources" / ("c" * 16)).write_text(CRANE, encoding="utf-8")
    (owl,) = load_files(folder) or ()
    crane = OwnFile("c" * 16, "crane.txt", len(CRANE), sha256(CRANE.encode()).hexdigest(), "reading", attempts=1)
    save_files(folder, [owl, crane])
    for second in opened(settings):
        assert second.read(place, "c" * 16).state == READY
        assert second.sources(ABOUT_CRANE, place)[0] == "crane.txt"
        assert second.sources(ABOUT_OWL, place)[0] == "owl.txt"
        save_files(folder, [replace(file, state="reading", attempts=3) for file in second.visits.files(place)])
    for third in opened(settings):
        assert {third.read(place, file.file).code for file in third.visits.files(place)} == {"internal"}


def test_an_index_of_another_embedder_is_made_anew(settings: Settings, place: str) -> None:
    for first in opened(settings):
        owl = first.put(place, "owl.txt", OWL)
    other = replace(settings, embedder="fast")
    bring_up_to_date(other, "birds")
    try:
        for second in opened(other):
            assert any(file.open for file in second.visits.files(place))
            assert second.read(place, owl.file).state == READY
            assert second.sources(ABOUT_OWL, place)[0] == "owl.txt"
    finally:
        bring_up_to_date(settings, "birds")


def test_unused_visits_and_remains_are_deleted(ground: Ground, place: str) -> None:
    used, started = place_of(new_identifier()), place_of(new_identifier())
    for name in (place, used):
        ground.put(name, "owl.txt", OWL)
    ground.visits.receive(started, "never finished.txt", None)
    remains = ground.folder(place).with_name(".gone-of-a-killed-process")
    remains.mkdir()
    old = time.time() - 25 * 3600
    for path in (ground.folder(place) / LISTING, ground.folder(used) / LISTING, ground.folder(started)):
        os.utime(path, (old, old))
    ground.visits.files(used)
    ground.visits.sweep()
    assert not ground.folder(place).exists() and not ground.folder(started).exists() and not remains.exists()
    assert ground.sources(ABOUT_OWL, used)[0] == "owl.txt"


def test_indexes_are_closed_when_nobody_asks(ground: Ground, place: str) -> None:
    ground.put(place, "owl.txt", OWL)
    ground.sources(ABOUT_OWL, place)
    assert len(ground.engine.visits) > 0
    ground.visits.remove(place)
    other = place_of(new_identifier())
    ground.put(other, "owl.txt", OWL)
    with ground.engine.visits.beside([other]) as beside:
        ground.visits.remove(other)
        # Whoever reads it reads on.
        assert beside.indexes[0].lexical.search("en", ["owlet"], 5) is not None
        assert len(join(beside.indexes[0], ()).manifest.documents) == 1
    with ground.engine.visits.beside([other]) as beside:
        assert beside.missing and not beside.indexes


def test_many_visitors_at_once_get_their_own_answers(ground: Ground) -> None:
    numbers = range(24)
    places = {number: place_of(new_identifier()) for number in numbers}
    for number, name in places.items():
        ground.put(name, f"{number}.txt", f"The tower of Eldermoor has {number + 100} steps and a bell of bronze.\n")

    def ask(number: int) -> str:
        question = Question("How many steps has the tower of Eldermoor?", "birds", attachments=(places[number],))
        return ground.engine.ask(question).text

    with ThreadPoolExecutor(6) as threads:
        answers = dict(zip(numbers, threads.map(ask, numbers), strict=True))
    assert all(f"{number + 100} steps" in answers[number] for number in numbers)
    assert len(ground.engine.visits) <= 16


def test_joined_indexes_are_judged_by_one_measure(ground: Ground, place: str) -> None:
    ground.put(place, "owl.txt", OWL)
    with ground.engine.index("birds") as index, ground.engine.visits.beside([place]) as beside:
        both = join(index, beside.indexes)
        assert isinstance(both, Joined)
        terms = ["fish", "owlet", "stand", "zebra"]
        counted = both.lexical.rarities("en", terms)
        # Of two chunks, each of the first three words is in one.
        assert counted[0] == pytest.approx(counted[1]) == pytest.approx(counted[2])
        assert counted[3] > counted[0]
        assert both.lexical.rarities("ko", terms) == [0.0] * 4
        names = [hit.chunk.id for hit in ground.engine.search(Question(ABOUT_OWL, "birds", attachments=(place,))).hits]
        assert [chunk.id for chunk in both.table.chunks([*names, "unknown"])] == names
        rows = both.table.rows([*names, "unknown"])
        assert [bool(len(terms.all)) for terms in rows.terms] == [True, True, False]
        assert [round(float(row @ row), 2) for row in rows.vectors] == [1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\Report.pdf", "Report.pdf"),
        ("", "document"),
        ("évkönyv\u202efdp.exe", "évkönyv\\u202efdp.exe"),
        ("보고서.pdf", "보고서.pdf"),
        ("a" * 300 + ".pdf", "a" * 145 + "….pdf"),
    ],
)
def test_names_are_only_text(given: str, kept: str) -> None:
    assert shown_name(given) == kept


def test_files_are_for_their_owner_alone(ground: Ground, place: str) -> None:
    ground.put(place, "owl.txt", OWL)
    folder = ground.folder(place)
    assert folder.stat().st_mode & 0o077 == 0
    assert folder.parent.stat().st_mode & 0o077 == 0
