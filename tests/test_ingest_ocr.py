import io
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont
from pypdf import PdfReader, PdfWriter

from ingest import pulse
from ingest.blocks import Block
from ingest.loaders import ocr
from ingest.loaders.errors import LoadError
from ingest.loaders.ocr import Word, blocks_of, load_image, merged
from ingest.loaders.pdf import load_pdf
from tests.files import make_pdf, prose

needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed")


def picture(*lines: str, size: tuple[int, int] = (1600, 600)) -> Image.Image:
    image = Image.new("L", size, 255)
    font = ImageFont.load_default(size=48)
    for row, line in enumerate(lines):
        ImageDraw.Draw(image).text((60, 60 + 70 * row), line, font=font, fill=0)
    return image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def words(line: tuple[int, int, int], *placed: tuple[int, str, float]) -> list[Word]:
    """Words of 20 pixels a letter and 30 high: left edge, text, confidence."""
    return [Word(line, left, left + 20 * len(text), 30, confidence, text) for left, text, confidence in placed]


@pytest.fixture
def no_tesseract(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def test_without_the_program_a_picture_waits_and_the_reason_says_what_to_install(no_tesseract: None) -> None:
    assert ocr.fingerprint() == ""
    with pytest.raises(LoadError, match="waits for text recognition.*apt install tesseract-ocr tesseract-ocr-hun"):
        load_image(encoded(picture("A heron"), "PNG"), "a.png")


def test_without_the_program_scanned_pages_wait(no_tesseract: None) -> None:
    scan = encoded(picture("A heron waits in the reeds."), "PDF")
    with pytest.raises(LoadError, match=r"no text layer on page 1 .*apt install tesseract-ocr"):
        load_pdf(scan, "a.pdf")
    document = load_pdf(joined(make_pdf([prose(["A heron."])]), scan), "a.pdf")
    assert [len(page) for page in document.pages] == [1, 0]
    assert "no text layer on page 2" in document.notes[0] and "apt install tesseract-ocr" in document.notes[0]


def joined(*documents: bytes) -> bytes:
    writer = PdfWriter()
    for document in documents:
        writer.append(PdfReader(io.BytesIO(document)))
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def test_a_missing_language_is_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "tesseract"
    header = "level\\tpage_num\\tblock_num\\tpar_num\\tline_num\\tword_num\\tleft\\ttop\\twidth\\theight\\tconf\\ttext"
    program.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        "--version) echo tesseract 5.9.9;;\n"
        '--list-langs) printf "List of available languages (2):\\neng\\nhun\\n";;\n'
        f'*) printf "{header}\\n5\\t1\\t1\\t1\\t1\\t1\\t10\\t10\\t90\\t30\\t96\\theron\\n";;\n'
        "esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ocr.fingerprint() == "tesseract 5.9.9 eng+hun"
    # The shell's own commands do for the script.
    document = load_image(encoded(picture("A heron"), "PNG"), "a.png")
    assert document.pages == ((Block("heron"),),)
    assert document.notes == ("text recognition lacks kor: apt install tesseract-ocr-kor",)


def test_a_program_without_languages_is_no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tesseract").write_text("#!/bin/sh\necho none\n")
    (tmp_path / "tesseract").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LoadError, match="apt install"):
        load_image(encoded(picture("A heron"), "PNG"), "a.png")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n rubbish", "damaged picture|no picture"),
        (encoded(picture("A heron"), "PNG")[:900], "damaged picture"),
        (b"GIF8rubbish", "no picture|damaged"),
    ],
)
@needs_tesseract
def test_damaged_pictures_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(LoadError, match=reason):
        load_image(content, "a.png")


@needs_tesseract
def test_a_picture_that_unpacks_to_too_many_dots_is_refused_before_it_is_unpacked() -> None:
    for side in (13_000, 30_000):
        bomb = encoded(Image.new("1", (side, side)), "PNG")
        with pytest.raises(LoadError, match="million pixels"):
            load_image(bomb, "a.png")


@needs_tesseract
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP"])
def test_pictures_of_every_kind_are_read(kind: str) -> None:
    document = load_image(encoded(picture("The grey heron waits in", "the reeds of the lake."), kind), "a")
    assert document.kind == "image"
    assert document.pages == ((Block("The grey heron waits in the reeds of the lake."),),)


@needs_tesseract
def test_transparent_and_deep_pictures_are_read() -> None:
    text = picture("The grey heron waits.")
    clear = Image.new("RGBA", text.size, (0, 0, 0, 0))
    clear.paste((0, 0, 0, 255), mask=text.point(lambda value: 255 - value))
    deep = text.convert("I").point(lambda value: value * 257).convert("I;16")
    for image in (clear, deep):
        assert load_image(encoded(image, "PNG"), "a.png").pages == ((Block("The grey heron waits."),),)


@needs_tesseract
def test_each_page_of_a_tiff_is_a_page_and_the_same_picture_gives_the_same_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    beats: list[str] = []
    monkeypatch.setattr(pulse, "_listeners", [lambda: beats.append("page")])
    pages = [picture("The first page tells of herons."), picture("The second page tells of storks.")]
    content = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    document = load_image(content, "a.tiff")
    assert [page[0].text for page in document.pages] == [
        "The first page tells of herons.",
        "The second page tells of storks.",
    ]
    # Slow work that goes on is told from a hang by them.
    assert len(beats) == 2
    assert load_image(content, "b.tiff") == document


@needs_tesseract
def test_a_picture_without_text_is_refused() -> None:
    with pytest.raises(LoadError, match="no text was recognised"):
        load_image(encoded(picture(), "PNG"), "a.png")


@needs_tesseract
def test_scanned_pages_of_a_pdf_are_read_in_their_place() -> None:
    scan = encoded(picture("The heron waits in the reeds."), "PDF", resolution=150)
    content = joined(make_pdf([prose(["A page with text, enough of it to count."])]), scan)
    document = load_pdf(content, "a.pdf")
    assert [page[0].text for page in document.pages] == [
        "A page with text, enough of it to count.",
        "The heron waits in the reeds.",
    ]
    assert not document.notes


def test_words_become_paragraphs_and_rows_without_noise() -> None:
    found = [
        *words((1, 1, 1), (0, "The", 95), (80, "heron's", 90), (240, "pa-", 91)),
        *words((1, 1, 2), (0, "tience", 95), (140, "~", 12), (180, "lasts.", 90)),
        *words((1, 2, 1), (0, "Size", 95), (400, "95", 90), (460, "cm", 90)),
        *words((2, 1, 1), (0, "f;'", 41), (80, "Ii|", 38)),
    ]
    assert blocks_of(found) == (Block("The heron's patience lasts."), Block("Size | 95 cm", row=True))


def test_syllables_of_a_korean_word_are_joined_and_words_kept_apart() -> None:
    syllables = [(0, "한"), (24, "국"), (62, "최"), (86, "초"), (110, "의"), (148, "달")]
    found = words((1, 1, 1), *((left, text, 93.0) for left, text in syllables))
    assert blocks_of(found) == (Block("한국 최초의 달"),)


def test_the_surer_of_two_readings_is_kept_where_they_differ_in_script() -> None:
    line = (1, 1, 1)
    mixed = words(line, (0, "KPLO", 96), (120, "AES", 55), (220, "달", 93))
    korean = words(line, (0, "666", 40), (120, "연료를", 92), (220, "달", 93))
    assert [word.text for word in merged(mixed, korean)] == ["KPLO", "연료를", "달"]
