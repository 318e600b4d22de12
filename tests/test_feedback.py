"""The store of feedback: what is kept, from whom, how much, and what becomes of files of before."""

import multiprocessing
import resource
import signal
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from rag.feedback import RATINGS, REASONS, Feedback, FeedbackUnavailable, Given, Passage, Store, Texts, given_of
from rag.types import Answer, Chunk, Citation, Hit
from web.api.schemas import FeedbackRequest

TEXTS = Texts(
    "How long is it?", "Six weeks [1].", (Passage("a.pdf", 3, "It lasts six weeks."),), "How long is the stay?"
)
GIVEN = Given("guide", "openai:m", "en", True, 0.75, "v1", TEXTS)
# As the program made it before it kept texts.
OLDER = """
create table feedback (
    id text primary key, created text not null, rating text not null, comment text not null,
    domain text, model text, language text, answerable integer, confidence real
);
insert into feedback values ('old', '2026-01-02T03:04:05Z', 'up', 'Good.', 'guide', 'extractive', 'hu', 1, 0.5);
insert into feedback values ('bare', '2026-01-02T03:04:06Z', 'down', '', null, null, null, null, null);
"""


def one(store: Store, identity: str) -> Feedback:
    return {item.id: item for item in store.read()}[identity]


def test_it_is_kept_with_what_it_is_about(tmp_path: Path) -> None:
    store = Store(tmp_path / "var" / "feedback.sqlite")
    assert [*store.read()] == []
    store.keep("a", "down", "No.", GIVEN, "wrong", "Seven weeks.", "r1")
    kept = one(store, "a")
    assert replace(kept, created="") == Feedback("a", "", "down", "No.", "wrong", "Seven weeks.", "r1", GIVEN)
    assert stat.S_IMODE((tmp_path / "var" / "feedback.sqlite").stat().st_mode) == 0o600
    # The second rating comes when the answer is forgotten: what it was about stays.
    store.keep("a", "up")
    again = one(store, "a")
    assert (again.rating, again.reason, again.correction, again.given) == ("up", "", "", GIVEN)


def test_it_is_found_by_domain_rating_and_time(tmp_path: Path) -> None:
    store = Store(tmp_path / "feedback.sqlite")
    store.keep("a", "down", given=GIVEN)
    store.keep("b", "up", given=replace(GIVEN, domain="other", texts=None))
    store.keep("c", "up")
    assert [item.id for item in store.read("guide")] == ["a"]
    assert [item.id for item in store.read(rating="up")] == ["b", "c"]
    assert [item.id for item in store.read(since="2999")] == []
    assert len([*store.read(since="2020-01-01")]) == 3
    given = one(store, "b").given
    assert given and given.texts is None and one(store, "c").given is None


def test_a_file_of_before_goes_on_working(tmp_path: Path) -> None:
    path = tmp_path / "feedback.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLDER)
    store = Store(path)
    old = Feedback("old", "2026-01-02T03:04:05Z", "up", "Good.", given=Given("guide", "extractive", "hu", True, 0.5))
    bare = Feedback("bare", "2026-01-02T03:04:06Z", "down")
    assert [*store.read()] == [old, bare]
    store.keep("new", "up", given=GIVEN)
    assert [*store.read()][:2] == [old, bare] and one(store, "new").given == GIVEN
    store.keep("old", "down", "Not good.", GIVEN, "outdated")
    changed = one(store, "old")
    assert (changed.rating, changed.reason) == ("down", "outdated")
    assert changed.given and (changed.given.language, changed.given.texts) == ("hu", TEXTS)


def test_texts_are_bounded_and_hold_nothing_invisible(tmp_path: Path) -> None:
    store = Store(tmp_path / "feedback.sqlite")
    chunk = Chunk("c", "d", "T", "a.pdf", "en", 3, 3, 0, 9, (), "x" * 9000)
    hits = tuple(Hit(replace(chunk, first_page=page, last_page=page), 1.0) for page in range(3, 60))
    answer = Answer("y" * 99_999, (), (Citation(1, chunk, "quote\x1b[31m", 3),), 0.5, "en", "m", hits)
    given = given_of("guide", "Why\u202e?\x00 " + "z" * 99_999, answer, "v1")
    store.keep("a", "up", "c\x1b]0;t\x07" + "c" * 99_999, given, "", "d\ud800" * 99_999)
    kept = one(store, "a")
    assert kept.given and kept.given.texts
    texts = kept.given.texts
    assert texts.question.startswith("Why? z") and len(texts.question) <= 4000 and len(texts.answer) <= 20_000
    assert len(texts.passages) == 12 and max(len(item.quote) for item in texts.passages) <= 1000
    assert texts.passages[0] == Passage("a.pdf", 3, "quote[31m") and not texts.passages[1].cited
    assert kept.comment.startswith("c]0;tc") and len(kept.comment) == 2000
    assert set(kept.correction) == {"d"} and len(kept.correction) <= 2000
    assert given_of("guide", "Why?", answer, "v1", texts=False).texts is None


def _keep_many(path: Path, name: str) -> None:
    for number in range(25):
        Store(path).keep(f"{name}{number}", "up", given=GIVEN)


def test_several_processes_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "feedback.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLDER)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_keep_many, args=(path, name)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert len([*Store(path).read("guide")]) == 101


def _keep_on_a_full_disk(path: Path, told: "multiprocessing.SimpleQueue[str]") -> None:
    # A file that may not grow, as on a full disk.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))
    try:
        for number in range(1000):
            Store(path).keep(f"a{number}", "up", given=GIVEN)
    except FeedbackUnavailable as error:
        told.put(str(error))


def test_a_full_disk_is_told_and_what_was_kept_stays(tmp_path: Path) -> None:
    path = tmp_path / "feedback.sqlite"
    Store(path).keep("first", "up", given=GIVEN)
    context = multiprocessing.get_context("spawn")
    told = context.SimpleQueue()
    writer = context.Process(target=_keep_on_a_full_disk, args=(path, told))
    writer.start()
    writer.join(120)
    assert not told.empty()
    assert "Make room or mend the file" in told.get()
    assert one(Store(path), "first").given == GIVEN
    Store(path).keep("last", "up")
    assert one(Store(path), "last").rating == "up"


def test_only_what_there_is_can_be_said(tmp_path: Path) -> None:
    for rating, reason in (("good", ""), ("up", "because")):
        with pytest.raises(ValueError, match="up, down"):
            Store(tmp_path / "feedback.sqlite").keep("a", rating, reason=reason)
    assert not [*tmp_path.iterdir()]
    fields = FeedbackRequest.model_fields
    assert get_args(fields["reason"].annotation) == ("", *REASONS)
    assert get_args(fields["rating"].annotation) == RATINGS


def test_a_file_that_is_none_of_ours_is_told(tmp_path: Path) -> None:
    path = tmp_path / "feedback.sqlite"
    path.write_text("This is no database, and long enough to be read as one." * 100)
    with pytest.raises(FeedbackUnavailable, match="feedback.sqlite"):
        Store(path).keep("a", "up")
    with pytest.raises(FeedbackUnavailable, match="can't be read"):
        [*Store(path).read()]
    with closing(sqlite3.connect(tmp_path / "other.sqlite")) as connection:
        connection.execute("create table said (text text)")
    assert [*Store(tmp_path / "other.sqlite").read()] == []
