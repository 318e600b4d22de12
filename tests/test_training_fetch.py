import gzip
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from training.embedder.data import load
from training.embedder.download import Downloads, FetchError
from training.embedder.fetch import Source, fetch, read_sources
from training.embedder.formats import LINES, MESSAGES, PAGES
from training.embedder.texts import align, clean, pair, section

COMMIT = "0123456789abcdef0123456789abcdef01234567"
KOREAN = "강을 따라 오래 걸으면 이른 아침에 왜가리와 황새를 볼 수 있다."
ARCHIVE = f"https://codeload.github.com/birds/atlas/tar.gz/{COMMIT[:12]}"


@dataclass
class Server:
    """Serves `files` by path on loopback; the first `cuts` answers end half-way, the first `failures` are 503."""

    files: dict[str, bytes] = field(default_factory=dict)
    cuts: int = 0
    failures: int = 0
    resumable: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and `Range` of every request."""
    address: str = ""

    def archive(self, files: dict[str, str | bytes], commit: str = COMMIT, top: str = "atlas-0123456") -> str:
        """Puts the archive that GitHub makes of a repository where it would be, and returns its true address."""
        raw = io.BytesIO()
        with tarfile.open(
            fileobj=raw, mode="w:gz", format=tarfile.PAX_FORMAT, pax_headers={"comment": commit}
        ) as archive:
            for path, content in files.items():
                data = content.encode() if isinstance(content, str) else content
                member = tarfile.TarInfo(f"{top}/{path}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        self.files[ARCHIVE.removeprefix("https://")] = raw.getvalue()
        return ARCHIVE


@pytest.fixture
def server() -> Iterator[Server]:
    served = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            served.asked.append((self.path, wanted))
            body = served.files.get(self.path.lstrip("/"))
            if body is None or served.failures:
                served.failures -= body is not None
                self.send_error(404 if body is None else 503)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and served.resumable else 0
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("ETag", '"same"')
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            cut = served.cuts > 0
            served.cuts -= cut
            self.wfile.write(body[start : start + (len(body) - start) // 2] if cut else body[start:])

        def log_message(self, *_: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    served.address = f"http://127.0.0.1:{running.server_port}"
    yield served
    running.shutdown()
    running.server_close()


def source(language: str, *files: str, format: str = "json", name: str = "atlas") -> Source:
    return Source(name, language, "birds/atlas", COMMIT[:12], files, format, "MIT")


def downloads(folder: Path, server: Server, **options: int) -> Downloads:
    return Downloads(folder, server=server.address, pause=0.01, **options)


def rows(path: Path) -> list[dict]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def test_an_archive_becomes_the_four_files_that_training_reads(tmp_path: Path, server: Server) -> None:
    text = "A long walk along the river shows herons, storks and many other birds in the early hours. " * 2
    server.archive(
        {
            "README.md": f"# Birds\n\n{text}\n\nThe heron stands in the water.\n",
            "translations/ko/README.md": f"# 새\n\n{KOREAN}\n\n왜가리가 물에 서 있다.\n",
            "translations/fr/README.md": "# Oiseaux\n",
            "other.bin": b"\xff\xfe",
        }
    )
    raw = "raw.githubusercontent.com/birds/words/0123456789ab"
    server.files[f"{raw}/i18n/en.json"] = b'{"menu": {"open": "Open the nest", "close": "Close"}}'
    server.files[f"{raw}/i18n/hu.json"] = '{"menu": {"open": "A fészek nyitása", "close": "Close"}}'.encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("talks/1945.txt", "The birds came back to the river. They stayed.")
    server.files[f"{raw}/talks.zip"] = packed.getvalue()
    words = {"repository": "birds/words", "commit": "0123456789ab", "licence": "CC0"}
    table = [
        source("en", "**.md", "!translations/**", format="markdown"),
        source("ko", "translations/ko/**.md", format="markdown"),
        *(Source("words", which, files=(f"i18n/{which}.json",), format="json", **words) for which in ("en", "hu")),
        Source("talks", "en", files=("talks.zip",), format="text", **words),
    ]

    failures = fetch(tmp_path, table, held_out=["왜가리가 물에 서 있다."], server=server.address)

    assert failures == []
    assert rows(tmp_path / "pairs.jsonl.gz") == [
        {"src": "atlas", "licence": "MIT", "en": "Birds", "ko": "새"},
        {
            "src": "atlas",
            "licence": "MIT",
            "en": text.strip(),
            "ko": KOREAN,
        },
        {"src": "words", "licence": "CC0", "en": "Open the nest", "hu": "A fészek nyitása"},
    ]
    assert [row["en"][0] for row in rows(tmp_path / "sections.jsonl.gz")] == ["Birds"]
    assert gzip.decompress((tmp_path / "english.txt.gz").read_bytes()) == b"The birds came back to the river.\n"
    assert len(load(tmp_path).pairs) > 996, "the glossary comes along"
    assert json.loads((tmp_path / "fetched.json").read_text())[ARCHIVE]["commit"] == COMMIT

    before, asked = (tmp_path / "pairs.jsonl.gz").read_bytes(), len(server.asked)
    fetch(tmp_path, table, held_out=["왜가리가 물에 서 있다."], server=server.address)
    assert (tmp_path / "pairs.jsonl.gz").read_bytes() == before
    assert len(server.asked) == asked, "what is there is not fetched again"
    fetch(tmp_path, table, only=["words"], server=server.address)
    assert {row["src"] for row in rows(tmp_path / "pairs.jsonl.gz")} == {"words"}


def test_a_source_that_is_gone_does_not_stop_the_others(tmp_path: Path, server: Server) -> None:
    server.archive({"en.json": '{"a": "Open the nest"}', "hu.json": '{"a": "A fészek nyitása"}', "x/hu.json": "{"})
    gone = Source("gone", "en", "no/where", "0123456789ab", ("a.json",), "json", "MIT")
    table = [gone, source("en", "**en.json"), source("hu", "**hu.json")]
    failures = fetch(tmp_path, table, server=server.address)
    assert len(failures) == 1 and "gone" in failures[0] and "put the full commit into sources.tsv" in failures[0]
    assert [row["hu"] for row in rows(tmp_path / "pairs.jsonl.gz")] == ["A fészek nyitása"]
    with pytest.raises(FetchError, match="--only birds"):
        fetch(tmp_path, table, only=["birds"], server=server.address)


@pytest.mark.parametrize("resumable", [True, False])
def test_a_cut_connection_is_continued_or_begun_again(tmp_path: Path, server: Server, resumable: bool) -> None:
    body = bytes(range(256)) * 400
    server.files["raw.githubusercontent.com/a/b/c/d"] = body
    server.cuts, server.failures, server.resumable = 2, 1, resumable
    path = downloads(tmp_path, server).get("https://raw.githubusercontent.com/a/b/c/d")
    assert path.read_bytes() == body
    starts = [int(wanted.strip("bytes=-") or 0) for _, wanted in server.asked]
    assert starts[:3] == [0, 0, len(body) // 2]
    assert (starts[3] > starts[2]) is resumable
    assert [file.name for file in path.parent.iterdir()] == [path.name], "no part is left behind"


def test_another_content_than_the_recorded_one_is_refused(tmp_path: Path, server: Server) -> None:
    url = "https://raw.githubusercontent.com/a/b/c/d"
    server.files["raw.githubusercontent.com/a/b/c/d"] = b"one"
    path = downloads(tmp_path, server).get(url)
    path.write_bytes(b"damaged")
    assert downloads(tmp_path, server).get(url).read_bytes() == b"one", "a damaged copy is fetched again"
    path.unlink()
    server.files["raw.githubusercontent.com/a/b/c/d"] = b"two"
    with pytest.raises(FetchError, match=r"SHA-256 should be 7692.*remove the entry from .*fetched.json"):
        downloads(tmp_path, server).get(url)
    assert not path.exists()


def test_too_large_is_refused(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.archive({"en.json": b"0" * 5000})
    with pytest.raises(FetchError, match="larger than 50 bytes"):
        downloads(tmp_path, server, limit=50).get(ARCHIVE)
    assert not list((tmp_path / "downloads").iterdir())
    monkeypatch.setattr("training.embedder.download.LARGEST_FILE", 4000)
    (failure,) = fetch(tmp_path, [source("en", "**.json")], server=server.address)
    assert "en.json should be at most 4,000 bytes, is 5,000" in failure


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ({"../../../escaped.json": "{}"}, {}, "names a path outside itself"),
        ({"en.json": "{}"}, {"commit": "f" * 40}, "is of commit ffff"),
    ],
)
def test_an_archive_that_is_not_what_was_pinned_is_refused(
    tmp_path: Path, server: Server, content: dict, options: dict, message: str
) -> None:
    server.archive(content, **options)
    (failure,) = fetch(tmp_path / "inner", [source("en", "**.json")], server=server.address)
    assert message in failure
    assert not list(tmp_path.rglob("escaped.json"))


def test_an_archive_that_ends_early_is_refused(tmp_path: Path, server: Server) -> None:
    server.archive({"en.json": json.dumps({"a": "x" * 5000})})
    name = ARCHIVE.removeprefix("https://")
    server.files[name] = server.files[name][:-40]
    (failure,) = fetch(tmp_path, [source("en", "**.json")], server=server.address)
    assert "not a whole archive" in failure


@pytest.mark.parametrize(
    "url",
    [
        "http://codeload.github.com/a",
        "https://example.org/a",
        "https://codeload.github.com@example.org/a",
        "https://codeload.github.com:8443/a",
        "file:///etc/passwd",
    ],
)
def test_only_the_known_hosts_are_asked(tmp_path: Path, server: Server, url: str) -> None:
    with pytest.raises(FetchError, match="should be https on"):
        downloads(tmp_path, server).get(url)
    assert server.asked == []


def test_the_table_is_whole() -> None:
    sources = read_sources()
    assert {"cldr", "wordnet", "tatoeba-en-hu"} <= {one.name for one in sources}
    assert not {"python-docs-ko", "stsb"} & {one.name for one in sources}
    assert all(one.licence and one.language in ("en", "ko", "hu") for one in sources)
    cldr = [one for one in sources if one.name == "cldr" and "subdivisions" in one.files[0]]
    assert cldr[1].files == ("cldr-json/cldr-subdivisions-full/subdivisions/ko/ko.json",)


def test_wildcards_give_translations_the_same_key() -> None:
    english = source("en", "**.md", "!translations/**")
    korean = source("ko", "translations/ko/**.md")
    assert english.key("1-start/README.md") == korean.key("translations/ko/1-start/README.md") == "1-start/README"
    assert english.key("translations/ko/README.md") is None
    assert source("ko", "*/x-*.ko").key("a/b/x-dev.ko") is None, "a single star stays within a folder"
    assert source("en", "**/eng/t.eng").key("eng/t.eng") == "" == source("hu", "**/eng/t.hu").key("eng/t.hu")


@pytest.mark.parametrize(
    ("format", "language", "text", "expected"),
    [
        (
            "po",
            "hu",
            'msgid ""\nmsgstr "header"\n\n#, fuzzy\nmsgid "Old"\nmsgstr "Régi"\n\nmsgid "A \\"bird\\"\\n"\n"flies"\n'
            'msgstr ""\n"Egy „madár” repül"\n\nmsgid "%d egg"\nmsgid_plural "%d eggs"\nmsgstr[0] "%d tojás"\n'
            'msgstr[1] "sok"\n\n#~ msgid "Gone"\n#~ msgstr "Nincs"\n',
            [{"en": 'A "bird"\nflies', "hu": "Egy „madár” repül"}, {"en": "%d egg", "hu": "%d tojás"}],
        ),
        ("json5", "hu", '{\n  // "a": "b",\n  "nest": "fészek",\n}\n', [{"hu": "fészek"}]),
        ("yaml", "ko", "ko:\n  menu:\n    open: 열기\n", [{"ko": "열기"}]),
        (
            "fluent",
            "en",
            "# Note\nopen = Open { -brand-name-firefox }\n    now\n    .title = Help\nn = { $n ->\n    [one] x\n  }\n",
            [{"en": "Open Firefox now"}, {"en": "Help"}],
        ),
        ("android", "en", "<resources><string name='a'>It\\'s <b>here</b></string></resources>", [{"en": "It's here"}]),
        (
            "phet",
            "hu",
            '{"x.leftSide": {"value": "bal oldal", "history": [{"value": "1"}]}}',
            [{"en": "left side", "hu": "bal oldal"}],
        ),
        (
            "celestial",
            "ko",
            '{"sol": {"name": "Sol", "en": "Sun", "ko": "태양"}, "pal": {"name": "Pallas"}}',
            [{"en": "Sun", "ko": "태양"}],
        ),
        (
            "wiktionary",
            "ko",
            "apple {n} (fruit) :: 사과 {n} /sagwa/, 능금\napple tree {n} (tree) SEE: apple ::\ncan {v} (may) :: -hat\n",
            [{"en": "apple", "ko": "사과"}],
        ),
        (
            "wiktionary-gloss",
            "hu",
            "car {n} (vehicle) :: autó, kocsi [informal]\nb {n} :: c\n",
            [{"en": "car: vehicle", "hu": "autó"}],
        ),
        ("omw", "hu", "# x\n1-n\thun:lemma\tkutya\n1-n\thun:lemma\teb\n", [{"hu": "kutya"}]),
        ("columns", "ko", "Go.\t가.\tCC-BY\nalone\n", [{"en": "Go.", "ko": "가."}]),
        ("lines", "hu", "Egy.\nKettő.", [{"hu": "Egy."}, {"hu": "Kettő."}]),
        (
            "verses",
            "hu",
            'var book = {"chapters": {"1": {"2": "<span>2</span> Béke."}}};\nmodule.exports = book;',
            [{"hu": " Béke."}],
        ),
    ],
)
def test_message_formats(format: str, language: str, text: str, expected: list[dict[str, str]]) -> None:
    found = [texts for key, texts in MESSAGES[format](text.encode(), language) if key != "\0"]
    assert found == expected


def test_cldr_keeps_the_names_of_languages_and_drops_the_step_that_names_the_file() -> None:
    text = '{"main": {"ko": {"languages": {"en": "영어", "ko": "한국어"}, "default": ["a", "b"]}}}'
    assert dict(MESSAGES["json"](text.encode(), "ko")) == {
        "main.languages.en": {"ko": "영어"},
        "main.languages.ko": {"ko": "한국어"},
        "main.default": {"ko": "a, b"},
    }


def test_page_formats() -> None:
    page = (
        '---\ntitle: x\n---\n## <a name="two-birds"></a>Két madár\n- egy [gém](x.md) ![kép](y.png)\n\n~~~\ncode\n~~~\n'
    )
    assert list(PAGES["markdown"](page.encode())) == [
        ("anchor", "two birds"),
        ("h2", "Két madár"),
        ("ul li p", "egy gém "),
    ]
    book = b"<document xmlns='http://cnx.rice.edu/cnxml'><title>Nests</title><para>Some <b>birds</b>.</para></document>"
    assert list(PAGES["cnxml"](book)) == [("h2", "Nests"), ("p", "Some birds.")]
    synset = b"1-n:\n  definition:\n  - a bird\n  example:\n  - 'a heron'\n  - text: a stork\n    source: x\n"
    assert list(LINES["wordnet"](synset)) == ["a bird", "a heron", "a stork"]
    with pytest.raises(ValueError, match="document type"):
        list(PAGES["cnxml"](b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"))
    named = {"Country name": {"conventional short form": {"text": "Chad"}}}
    facts = json.dumps({"Government": named, "Land": {"Area": {"text": "big"}}}).encode()
    assert list(PAGES["factbook"](facts))[-2:] == [("h2", "Chad: Area"), ("p", "big")]


def test_pages_are_aligned_by_blocks_and_else_by_headings() -> None:
    english = [("h1", "Birds"), ("p", "One."), ("ul li p", "Two."), ("h2", "Nests"), ("p", "Three.")]
    korean = [("h1", "새"), ("p", "하나."), ("h2", "둥지"), ("p", "셋.")]
    hungarian = [("h2", "Madarak"), ("p", "Egy.")]
    pairs, sections = align({"en": english, "ko": korean, "hu": hungarian})
    assert pairs == [{"en": "Birds", "ko": "새"}, {"en": "Nests", "ko": "둥지"}, {"en": "Three.", "ko": "셋."}]
    assert sections[0] == {"en": ("Birds", "One. Two."), "ko": ("새", "하나.")}
    assert sections[-1] == {"hu": ("Madarak", "Egy.")}
    assert align({"hu": [("anchor", "two birds"), *hungarian]})[0] == [{"en": "two birds", "hu": "Madarak"}]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("  Open <b>{name}</b>\u00a0now&nbsp;&amp; %(count)s ", "Open now &"),
        ("%1$s of %d, 100% done", "of, 100% done"),
        ("[the page](https://example.org/a_b) `code` **bold**", "the page code bold"),
        ("> [!NOTE] See {{x}} https://example.org", "See"),
        ("Ko\u0308nyv", "Könyv"),
    ],
)
def test_clean(raw: str, expected: str) -> None:
    assert clean(raw) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"en": "Close", "hu": "close"}, {}),
        ({"en": "Budapest", "ko": "부다페스트", "hu": "Budapest"}, {"en": "Budapest", "ko": "부다페스트"}),
        ({"en": "Open the nest", "ko": "Open a nest"}, {}),
        ({"en": "둥지를 열다", "hu": "A fészek nyitása"}, {}),
        ({"en": "Nests", "hu": "The birds that were seen in the morning are not in their nests."}, {}),
        ({"en": "{0}", "hu": "{0}"}, {}),
        ({"en": "moon", "ko": "달"}, {"en": "moon", "ko": "달"}),
        ({"en": "It flies and it sings. " * 80, "ko": "난다."}, {}),
    ],
)
def test_pairs_that_are_no_translations_are_dropped(row: dict[str, str], expected: dict[str, str]) -> None:
    assert pair(row) == expected


def test_a_definition_may_be_much_longer_than_its_word() -> None:
    row = {"en": "moon: the body that goes around the Earth", "ko": "달"}
    assert pair(row) == {} and pair(row, may_define=True) == row


def test_sections_have_the_length_of_a_passage() -> None:
    long = "The herons of the river were seen in the morning. " * 30
    kept = section({"en": ("Herons", long), "hu": ("Gémek", "Rövid.")})
    assert set(kept) == {"en"} and 900 < len(kept["en"][1]) <= 1000 and not kept["en"][1].endswith(" ")
