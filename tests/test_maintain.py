"""The maintainer's page: who may see it, what it shows of what was asked and said, and what is kept for it."""

import csv
import io
import multiprocessing
import re
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from ingest.pipeline import bring_up_to_date
from rag.answer import Engine
from rag.errors import ConfigurationError
from rag.feedback import Given, Passage, Texts, store_of
from rag.settings import LANGUAGES, Secret, Settings, load_domain
from rag.types import Answer, Question
from tests.files import make_domain
from tests.web_server import served
from web.access import key_command, login_command
from web.access.address import Proxies
from web.access.door import Door
from web.access.keys import Keys, check_of, new_key, parse_key
from web.access.lines import format, parse
from web.access.passwords import password_hash
from web.access.visitors import COOKIE, KIND, Visitors, parse_login
from web.entrance import Entrance
from web.maintain import journal as journals
from web.maintain.journal import Journal
from web.maintain.overview import quantile
from web.maintain.plots import by_period, periods
from web.maintain.sheets import safe
from web.maintain.wanted import PERIODS, ROWS, Wanted, read
from web.routes.maintain import routes
from web.server import create
from web.texts import texts

HASH = password_hash("a long password")
LOGINS = {
    "ann": Secret(f"{KIND}{HASH}; maintainer=true"),
    "bob": Secret(f"{KIND}{HASH}"),
    "eve": Secret(f"{KIND}{HASH}; domains=vault; maintainer=true"),
    "all": Secret(f"{KIND}{HASH}; domains=harbour,vault; maintainer=true"),
}
VIEWS = ("", "/questions", "/feedback", "/indexes")
SHEETS = ("/counts.csv", "/questions.csv", "/feedback.csv")
HOSTILE = "<script>alert(1)</script>\"><img src=x onerror=alert(2)> ' {evil} =1+1"
TODAY = datetime.now(UTC).date()


class Shown(HTMLParser):
    """What a page consists of: its elements with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A public domain and a private one, with what was asked and said of both."""
    folder = tmp_path_factory.mktemp("maintain")
    settings = replace(
        Settings(), corpora=folder / "corpora", var=folder / "var", threads=1, logins=LOGINS, open=("page",),
        keep_questions=True,
    )  # fmt: skip
    for name, text in (("harbour", "The ferry sails at nine in the morning."), ("vault", "The safe opens at noon.")):
        sources = make_domain(settings.corpora, name, "private = true\n" if name == "vault" else "")
        (sources / "note.txt").write_text(text, encoding="utf-8")
        (sources / f"{name} <b>broken.pdf").write_bytes(b"%PDF-1.4 nothing")
        bring_up_to_date(settings, name)
    store = store_of(settings)
    for number, domain in enumerate(("harbour", "vault")):
        told = Texts(f"{HOSTILE} of {domain}?", f"{HOSTILE} answers [1].", (Passage(HOSTILE, 1, f"{HOSTILE} quote"),))
        given = Given(domain, "extractive", "en", True, 0.75, "v1", told)
        store.keep(f"page-{number}", "down", f"comment {HOSTILE}", given, "source", f"=right {domain}", "r1")
    store.keep("page-gone", "up", comment="about nothing known")
    return settings


@contextmanager
def program(settings: Settings) -> Iterator[httpx.Client]:
    """The page behind the door, without the rest of the program."""
    engine, proxies = Engine(settings), Proxies(settings)
    visitors = Visitors(settings, proxies)
    app = FastAPI()
    app.add_middleware(Door, settings=settings, keys=Keys(settings), visitors=visitors, proxies=proxies)
    app.include_router(routes(engine, Entrance(settings), visitors, Journal(settings, engine.domains)))
    try:
        with served(app) as client:
            yield client
    finally:
        engine.close()


@pytest.fixture(scope="module")
def running(ground: Settings) -> Iterator[httpx.Client]:
    with program(ground) as client:
        for domain in ("harbour", "vault"):
            journal_of(ground).note(Question(f"{HOSTILE} unanswered in {domain}", domain), refused(), "refused")
        yield client


def journal_of(settings: Settings) -> "Noting":
    return Noting(settings)


class Noting:
    """A journal that is written when `note` returns."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.domains = {name: load_domain(settings, name) for name in ("harbour", "vault")}

    def note(self, question: Question, answer: Answer | None, outcome: str, code: str = "") -> Journal:
        journal = Journal(self.settings, self.domains)
        journal.note(question, answer, outcome, code)
        journal.close()
        return journal


def refused(confidence: float = 0.1) -> Answer:
    return Answer(
        "It is not there.", (), (), confidence, "en", "extractive", (), answerable=False, timings={"total": 0.03}
    )


def cookie(settings: Settings, name: str) -> dict[str, str]:
    return {"cookie": f"{COOKIE}={Visitors(settings, Proxies(settings)).cookie(name)}"}


@pytest.mark.parametrize("path", [*VIEWS, *SHEETS])
def test_nobody_sees_it_without_a_login_that_has_the_right(running: httpx.Client, ground: Settings, path: str) -> None:
    address = f"/maintain{path}"
    for headers in ({}, {"cookie": f"{COOKIE}=ann.99999999999.{'0' * 64}"}, {"x-forwarded-user": "ann"}):
        turned = running.get(f"{address}?days=7", headers=headers)
        assert turned.status_code == 303, turned.text
        assert turned.headers["location"] == f"/login?next=%2Fmaintain{path.replace('/', '%2F')}%3Fdays%3D7"
    bob = running.get(address, headers=cookie(ground, "bob"))
    assert bob.status_code == 403 and "unanswered" not in bob.text and "bob" in bob.text
    ann = running.get(address, headers=cookie(ground, "ann"))
    assert ann.status_code == 200 and ann.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", [*VIEWS, *SHEETS])
@pytest.mark.parametrize(("name", "seen"), [("ann", {"harbour"}), ("eve", {"vault"}), ("all", {"harbour", "vault"})])
def test_a_maintainer_sees_the_domains_of_the_login(
    running: httpx.Client, ground: Settings, path: str, name: str, seen: set[str]
) -> None:
    for domain in ("", "harbour", "vault", "nowhere"):
        shown = running.get(f"/maintain{path}?domain={domain}", headers=cookie(ground, name)).text
        for other in {"harbour", "vault"} - seen:
            assert other not in shown
        if path not in ("", "/counts.csv"):
            assert all(one in shown for one in (seen & {domain} or seen))
        # What nobody knows the domain of is for those who see all.
        if "feedback" in path:
            assert ("about nothing known" in shown) == (name == "all" and domain in ("", "nowhere"))


@pytest.mark.parametrize("path", VIEWS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_visitors_typed_is_text(running: httpx.Client, ground: Settings, path: str, language: str) -> None:
    answer = running.get(f"/maintain{path}?language={language}", headers=cookie(ground, "all"))
    shown = Shown(answer.text)
    assert shown.named("html")[0]["lang"] == language
    assert texts(language)["maintain_title"] in shown.text
    assert [item["src"] for item in shown.named("script")] == ["/static/js/theme.js"]
    assert {item["src"] for item in shown.named("img")} == {"/static/lizard.svg"}
    assert not shown.named("b") or path == "/indexes" or all("onerror" not in str(item) for item in shown.elements)
    assert not any(name.startswith("on") or name == "style" for _, found in shown.elements for name in found)
    if path in ("/questions", "/feedback"):
        assert HOSTILE in shown.text
    # Nothing but what is ours is loaded or run, whatever stands there.
    assert "default-src 'none'" in answer.headers.get_list("content-security-policy")[0]
    # Each word of the page is in its language.
    assert not re.search(r"\b(maintain|feedback)_[a-z]+\b", shown.text)


@pytest.mark.parametrize("path", SHEETS)
def test_sheets_hold_no_formula(running: httpx.Client, ground: Settings, path: str) -> None:
    answer = running.get(f"/maintain{path}", headers=cookie(ground, "all"))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    rows = [*csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))]
    assert len(rows) > 1 and len({len(row) for row in rows}) == 1
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    if path == "/feedback.csv":
        assert "'=right harbour" in rows[1] + rows[2] + rows[3]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "－", " =", "\u3000@"])
def test_a_cell_that_begins_like_a_formula_is_none(start: str) -> None:
    assert safe(f"{start}1+1") == f"'{start}1+1"
    assert (safe("a = 1"), safe(-0.5), safe(None)) == ("a = 1", "-0.5", "")


def test_whoever_opens_it_without_any_maintainer_is_told_the_command(ground: Settings, tmp_path: Path) -> None:
    for logins in ({}, {"bob": LOGINS["bob"]}):
        with program(replace(ground, var=tmp_path, logins=logins)) as client:
            for language in LANGUAGES:
                answer = client.get("/maintain", headers={"accept-language": language})
                assert answer.status_code == 403
                shown = Shown(answer.text)
                assert "python -m web login add NAME --maintainer" in shown.text
                assert texts(language)["maintain_none_yet"] in shown.text


def test_a_proxy_names_a_maintainer(ground: Settings) -> None:
    settings = replace(ground, trusted_proxies=("127.0.0.1",), user_header="x-user", open=())
    with program(settings) as client:
        statuses = {
            user: client.get("/maintain", headers={"x-user": user}).status_code for user in ("ann", "Zoe", "bob")
        }
    assert statuses == {"ann": 200, "Zoe": 403, "bob": 403}


def test_the_right_is_in_the_line_of_a_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a long password\na long password\n"))
    file = tmp_path / ".env"
    assert login_command.run(["add", "Ann", "--maintainer"], file) == 0
    assert "/maintain" in capsys.readouterr().out
    assert file.read_text(encoding="utf-8").rstrip("'\n").endswith("; maintainer=true")
    login_command.run(["list"], file)
    assert "maintainer" in capsys.readouterr().out
    # A new password leaves the right as it is.
    assert login_command.run(["password", "ann"], file) == 0
    assert "maintainer=true" in file.read_text(encoding="utf-8")
    line = parse("X", LOGINS["eve"].reveal())
    assert line.maintainer and format(parse("X", format(line))) == format(line)


@pytest.mark.parametrize("text", ["maintainer", "maintainer=", "maintainer=1", "maintainer=True", "Maintainer=true"])
def test_what_is_not_quite_the_right_is_an_error(text: str) -> None:
    with pytest.raises(ConfigurationError, match="maintainer=true"):
        parse_login("LACERTA_LOGIN_X", f"{KIND}{HASH}; {text}")


def test_no_key_has_the_right() -> None:
    with pytest.raises(ConfigurationError, match="no key"):
        parse_key("LACERTA_KEY_X", f"{check_of(new_key()).reveal()}; maintainer=true")
    with pytest.raises(SystemExit):
        key_command.run(["add", "x", "--maintainer"])


def test_a_page_without_anything_says_so(ground: Settings, tmp_path: Path) -> None:
    settings = replace(ground, var=tmp_path, keep_questions=False, feedback=False, feedback_texts=False)
    with program(settings) as client:
        for path in VIEWS:
            shown = Shown(client.get(f"/maintain{path}", headers=cookie(settings, "all")).text).text
            strings = texts("en")
            assert strings["maintain_no_index" if path == "/indexes" else "maintain_nothing"] in shown or (
                path == "/questions" and "LACERTA_KEEP_QUESTIONS=true" in shown
            )
        for path in SHEETS:
            answer = client.get(f"/maintain{path}", headers=cookie(settings, "all"))
            assert answer.text.count("\n") == 1
    assert not (tmp_path / "feedback.sqlite").exists()


def test_a_store_that_cannot_be_read_is_said_in_a_sentence(ground: Settings, tmp_path: Path) -> None:
    settings = replace(ground, var=tmp_path)
    for name in ("asked.sqlite", "feedback.sqlite"):
        (tmp_path / name).write_bytes(b"no database at all, whoever wrote it" * 100)
    with program(settings) as client:
        for path in ("", "/questions", "/feedback", *SHEETS):
            answer = client.get(f"/maintain{path}", headers=cookie(settings, "all"))
            assert answer.status_code == 503 and texts("en")["maintain_unreadable"] in Shown(answer.text).text
            assert str(tmp_path) not in answer.text


def test_questions_and_answers_of_the_page_and_of_programs_are_counted(ground: Settings, tmp_path: Path) -> None:
    settings = replace(ground, var=tmp_path)
    bring_up_to_date(settings, "harbour")
    engine = Engine(settings)
    with served(create(engine)) as client:
        for text in ("When does the ferry sail?", "Who won the cup in 1954?"):
            body = {"model": "harbour", "messages": [{"role": "user", "content": text}]}
            assert client.post("/v1/chat/completions", json=body).status_code == 200
        deadline = datetime.now(UTC) + timedelta(seconds=20)
        shown = ""
        while "1954" not in shown and datetime.now(UTC) < deadline:
            shown = Shown(client.get("/maintain/questions", headers=cookie(settings, "ann")).text).text
        assert "Who won the cup in 1954?" in shown and "When does the ferry sail?" not in shown
        overview = Shown(client.get("/maintain", headers=cookie(settings, "ann")).text)
    engine.close()
    labels = [item["aria-label"] or "" for item in overview.named("svg") if item.get("role") == "img"]
    strings = texts("en")
    assert f"{strings['maintain_answered']}: 1, {strings['maintain_refused']}: 1" in labels[0]
    # Who asked is written nowhere.
    assert b"127.0.0.1" not in (tmp_path / "asked.sqlite").read_bytes()


def test_texts_are_kept_only_where_the_settings_say_so(ground: Settings, tmp_path: Path) -> None:
    for keeps in (False, True):
        folder = tmp_path / str(keeps)
        noting = journal_of(replace(ground, var=folder, keep_questions=keeps))
        noting.note(Question("a secret question", "harbour"), refused(), "refused")
        low = replace(refused(0.3), answerable=True)
        noting.note(Question("a doubtful question", "harbour"), low, "answered")
        noting.note(Question("a sure question", "harbour"), replace(low, confidence=0.9), "answered")
        noting.note(Question("a broken question", "harbour"), None, "failed", "model")
        journal = noting.note(Question("of my own papers", "harbour", attachments=("x",)), refused(), "refused")
        found = [(item.question, item.why) for item in journal.questions(["harbour"])]
        expected = [("a doubtful question", "low"), ("a secret question", "refused")]
        assert found == (expected if keeps else [])
        written = (folder / "asked.sqlite").read_bytes()
        assert (b"secret" in written) == keeps and b"sure question" not in written and b"papers" not in written
        assert stat.S_IMODE((folder / "asked.sqlite").stat().st_mode) == 0o600
        assert journal.totals(["harbour"], "2000")["outcome"] == {"answered": 2, "failed": 1, "refused": 2}
        assert journal.totals(["harbour"], "2000")["code"] == {"model": 1}
        assert journal.totals(["vault"], "2000") == {}


def test_what_is_kept_of_a_question_is_bounded_and_visible(ground: Settings, tmp_path: Path) -> None:
    noting = journal_of(replace(ground, var=tmp_path))
    text = "a\x00\u202eb" + "x" * 50_000
    journal = noting.note(Question(text, "harbour"), replace(refused(), question="\ud800whole?"), "refused")
    (kept,) = journal.questions(["harbour"])
    assert kept.question.startswith("abx") and len(kept.question) <= 2000 and kept.searched == "whole?"


def test_nothing_grows_without_limit(ground: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "MOST_QUESTIONS", 3)
    noting = journal_of(replace(ground, var=tmp_path))
    for number in range(6):
        journal = noting.note(Question(f"question {number}", "harbour"), refused(), "refused")
    assert [item.question[-1] for item in journal.questions(["harbour"])] == ["5", "4", "3"]
    with closing(sqlite3.connect(tmp_path / "asked.sqlite")) as connection, connection:
        old = str(TODAY - timedelta(journals.COUNT_DAYS + 1))
        connection.execute("insert into counts values (?, 'harbour', 'outcome', 'answered', 5)", (old,))
        connection.execute("update questions set created = ?", (str(TODAY - timedelta(journals.QUESTION_DAYS + 1)),))
    journal = noting.note(Question("the last", "harbour"), refused(), "refused")
    assert [item.question for item in journal.questions(["harbour"])] == ["the last"]
    assert {day for day, _ in journal.daily(["harbour"], "2000", "outcome")} == {str(TODAY)}
    monkeypatch.setattr(journals, "_MOST_COUNTS", 4)
    with closing(sqlite3.connect(tmp_path / "asked.sqlite")) as connection, connection:
        for number in range(10):
            row = (str(TODAY - timedelta(5)), f"name {number}")
            connection.execute("insert into counts values (?, 'harbour', 'outcome', ?, 5)", row)
    journal = noting.note(Question("one more", "harbour"), refused(), "refused")
    assert {day for day, _ in journal.daily(["harbour"], "2000", "outcome")} == {str(TODAY)}


def test_names_that_nobody_chose_do_not_fill_it(ground: Settings, tmp_path: Path) -> None:
    settings = replace(ground, var=tmp_path)
    journal = Journal(settings, {"harbour": load_domain(settings, "harbour")})
    for number in range(300):
        journal.note(Question("x", "harbour"), None, "failed", f"code {number} {'y' * 200}")
    journal.note(Question("x", "nowhere"), None, "failed", "elsewhere")
    journal.close()
    codes = journal.totals(["harbour"], "2000")["code"]
    assert len(codes) <= 129 and sum(codes.values()) == 300 and codes["other"] > 100
    assert max(map(len, codes)) <= 80
    assert journal.totals(["nowhere"], "2000") == {}


def _note_many(var: Path, corpora: Path, count: int) -> None:
    settings = replace(Settings(), var=var, corpora=corpora, keep_questions=True)
    journal = Journal(settings, {"harbour": load_domain(settings, "harbour")})
    for number in range(count):
        journal.note(Question(f"question {number}", "harbour"), refused(), "refused")
    journal.close()


def test_several_processes_write_it_and_nothing_is_lost(ground: Settings, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_note_many, args=(tmp_path, ground.corpora, 100)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    journal = Journal(replace(ground, var=tmp_path), {})
    assert journal.totals(["harbour"], "2000")["outcome"] == {"refused": 300}
    assert len([*journal.questions(["harbour"])]) == 300


def test_a_journal_that_cannot_be_written_stops_nobody(
    ground: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "asked.sqlite").mkdir()
    noting = journal_of(replace(ground, var=tmp_path))
    journal = noting.note(Question("x", "harbour"), refused(), "refused")
    assert "is not kept" in caplog.text
    # The next one is tried again.
    (tmp_path / "asked.sqlite").rmdir()
    again = Journal(replace(ground, var=tmp_path), noting.domains)
    again.note(Question("x", "harbour"), refused(), "refused")
    again.close()
    assert [*journal.questions(["harbour"])]


def test_lists_have_pages(ground: Settings, tmp_path: Path) -> None:
    settings = replace(ground, var=tmp_path)
    journal = Journal(settings, {"harbour": load_domain(settings, "harbour")})
    for number in range(ROWS + 5):
        journal.note(Question(f"number {number:03}", "harbour"), refused(), "refused")
    journal.close()
    with program(settings) as client:
        pages = [
            Shown(client.get(f"/maintain/questions?page={page}&of=refused", headers=cookie(settings, "ann")).text)
            for page in (1, 2, 3)
        ]
        low = Shown(client.get("/maintain/questions?of=low", headers=cookie(settings, "ann")).text)
    numbers = [re.findall(r"number (\d+)", page.text) for page in pages]
    assert [len(found) for found in numbers] == [ROWS, 5, 0]
    assert numbers[0] + numbers[1] == [f"{number:03}" for number in range(ROWS + 4, -1, -1)]
    links = [{item["rel"]: item["href"] for item in page.named("a") if item.get("rel")} for page in pages]
    assert links[0] == {"next": "/maintain/questions?of=refused&page=2"}
    assert links[1] == {"prev": "/maintain/questions?of=refused"}
    assert texts("en")["maintain_nothing"] in low.text


@pytest.mark.parametrize(
    "sent",
    [{"days": "0"}, {"days": "९"}, {"days": "1e9"}, {"page": "-1"}, {"of": "<b>"}, {"language": "xx"}, {"domain": "x"}],
)
def test_what_is_no_choice_is_the_usual_one(sent: dict[str, str]) -> None:
    assert read(sent, {"harbour": None}) == Wanted()


def test_an_address_says_only_what_is_unusual() -> None:
    sent = {"domain": "harbour", "days": "7", "of": "up", "page": "3", "language": "ko"}
    wanted = read(sent, {"harbour": None})
    assert dict(item.split("=") for item in wanted.query().split("&")) == sent
    assert wanted.query(domain="", days=PERIODS[0], of="", page=1, language="") == ""


def test_long_periods_are_drawn_by_weeks() -> None:
    first = date(2026, 1, 1)
    assert len(periods(first, first + timedelta(29))) == 30
    weeks = periods(first, first + timedelta(364))
    assert len(weeks) == 53 and weeks[-1] == (date(2026, 12, 31), date(2026, 12, 31))
    counts = {("2026-01-01", "up"): 1, ("2026-01-07", "up"): 2, ("2026-01-08", "up"): 4, ("2026-12-31", "up"): 8}
    found = by_period({**counts, ("2025-12-31", "up"): 9, ("2026-01-01", "sideways"): 9}, {"up": "up"}, weeks)["up"]
    assert (found[0], found[1], found[-1], sum(found)) == (3, 4, 8, 15)


def test_quantiles_are_upper_bounds() -> None:
    counts = {"0.01": 90, "1": 9, "60": 1}
    assert (quantile(counts, 0.5), quantile(counts, 0.95), quantile(counts, 1)) == (0.01, 1, 60)


def test_a_picture_can_be_read_without_seeing_it(running: httpx.Client, ground: Settings) -> None:
    shown = Shown(running.get("/maintain", headers=cookie(ground, "all")).text)
    pictures = [item for item in shown.named("svg") if item.get("aria-hidden") != "true"]
    assert len(pictures) >= 3 and all(item["role"] == "img" and item["aria-label"] for item in pictures)
    assert len(shown.named("details")) >= 3


def test_failed_files_of_the_version_that_serves_stand_open(running: httpx.Client, ground: Settings) -> None:
    shown = Shown(running.get("/maintain/indexes?domain=harbour", headers=cookie(ground, "ann")).text)
    assert "harbour <b>broken.pdf" in shown.text and texts("en")["maintain_serves"] in shown.text
    assert [item for item in shown.named("details") if "open" in item]


def test_every_domain_has_the_commands_that_make_questions(running: httpx.Client, ground: Settings) -> None:
    shown = Shown(running.get("/maintain/feedback", headers=cookie(ground, "ann")).text).text
    assert "python -m evaluation feedback harbour --candidates harbour.jsonl" in shown
    assert "python -m evaluation accept harbour.jsonl harbour" in shown
