import asyncio
import hashlib
import io
import os
import signal
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from pypdf import PdfReader, PdfWriter

from tests.files import make_pdf, prose
from web.entrance import Refused
from web.sources import pictures as pictures_module
from web.sources.limits import LONGEST, PIXELS, TIRED_BYTES, WAITING, WIDTHS
from web.sources.pictures import PdfFile, Pictures
from web.sources.process import PageFailed, Process

TEXT = "The keeper of the lighthouse counts every ship that passes the cape."


def stored(folder: Path, content: bytes, name: str = "a.pdf", passwords: tuple[str, ...] = ()) -> PdfFile:
    path = folder / name
    path.write_bytes(content)
    return PdfFile(path, hashlib.sha256(content).hexdigest(), passwords)


def sized(box: str, content: bytes = b"0 0 m 9 9 l S", more: str = "") -> bytes:
    """A PDF of one page with that box and what is drawn on it."""
    filtered = zlib.compress(content)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox {box} /Contents 4 0 R {more} >>".encode(),
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(filtered), filtered),
    ]
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % (number, item) for number, item in enumerate(objects, 1))
    return b"%PDF-1.4\n" + body + b"trailer << /Root 1 0 R /Size 5 >>\n%%EOF"


@pytest.fixture(scope="module")
def pictures() -> Iterator[Pictures]:
    made = Pictures()
    yield made
    made.close()


def draw(pictures: Pictures, file: PdfFile, page: int = 1, width: int = 800) -> Image.Image:
    return Image.open(io.BytesIO(asyncio.run(pictures.picture(file, page, width))))


def failure(pictures: Pictures, file: PdfFile, page: int = 1) -> str:
    with pytest.raises(PageFailed) as drawn:
        draw(pictures, file, page)
    with pytest.raises(PageFailed) as laid:
        asyncio.run(pictures.lay(file, page, TEXT, [(0, 20)]))
    assert drawn.value.code == laid.value.code
    return drawn.value.code


def test_a_page_and_its_marks(pictures: Pictures, tmp_path: Path) -> None:
    file = stored(tmp_path, make_pdf([[], prose([TEXT])]))
    assert draw(pictures, file, 2).size == (800, 1133)
    laid = asyncio.run(pictures.lay(file, 2, TEXT, [(0, len(TEXT))]))
    assert (laid.width, laid.height, len(laid.marks)) == (595, 842, 1)
    assert asyncio.run(pictures.lay(file, 1, TEXT, [(0, len(TEXT))])).marks == []


@pytest.mark.parametrize(
    ("box", "most"),
    [
        ("[0 0 14400 14400]", 2400), ("[0 0 1 14400]", LONGEST), ("[0 0 14400 1]", 2400), ("[0 0 0.01 0.01]", 2400),
        ("[500 500 0 0]", 2400), ("[0 0 1 100000000]", LONGEST),
    ],
)  # fmt: skip
def test_pages_of_any_size_become_pictures_that_have_a_bound(
    pictures: Pictures, tmp_path: Path, box: str, most: int
) -> None:
    for width in (WIDTHS[0], WIDTHS[-1]):
        picture = draw(pictures, stored(tmp_path, sized(box)), width=width)
        assert max(picture.size) <= most and picture.width <= width
        assert picture.width * picture.height <= PIXELS + max(picture.size) * 2


@pytest.mark.parametrize("box", ["[0 0 0 0]", "[]", "[(a) 0 0 0]", "[nan nan nan nan]", "[-1e9 -1e9 1e9 1e9]"])
def test_a_page_without_a_size_of_its_own_has_the_usual_one(pictures: Pictures, tmp_path: Path, box: str) -> None:
    picture = draw(pictures, stored(tmp_path, sized(box)))
    assert picture.height / picture.width == pytest.approx(792 / 612, abs=0.01)


@pytest.mark.parametrize(
    "content",
    [b"%PDF-1.7\n%%EOF", b"no pdf at all", b"\0" * 1000, make_pdf([prose([TEXT])])[:300], sized("[0 0 9 9]")[:-200]],
)
def test_damaged_files_fail_alone(pictures: Pictures, tmp_path: Path, content: bytes) -> None:
    assert failure(pictures, stored(tmp_path, content)) == "unreadable_page"
    assert draw(pictures, stored(tmp_path, make_pdf([prose([TEXT])]), "b.pdf")).width == 800


def test_a_page_beyond_the_last(pictures: Pictures, tmp_path: Path) -> None:
    assert failure(pictures, stored(tmp_path, make_pdf([prose([TEXT])])), 2) == "unreadable_page"


def test_what_changes_between_the_check_and_the_reading(pictures: Pictures, tmp_path: Path) -> None:
    file = stored(tmp_path, make_pdf([prose(["One thing that stood here before it was read."])]))
    file.path.write_bytes(make_pdf([prose(["Another thing, which is not what was indexed."])]))
    assert failure(pictures, file) == "source_changed"
    file.path.unlink()
    assert failure(pictures, file) == "source_gone"
    (tmp_path / "target.pdf").write_bytes(b"a")
    file.path.symlink_to(tmp_path / "target.pdf")
    assert failure(pictures, file) == "source_gone"


def test_protected_files_open_with_the_domain_s_password(pictures: Pictures, tmp_path: Path) -> None:
    writer = PdfWriter(PdfReader(io.BytesIO(make_pdf([prose([TEXT])]))))
    writer.encrypt("seagull", algorithm="RC4-128")
    target = io.BytesIO()
    writer.write(target)
    assert failure(pictures, stored(tmp_path, target.getvalue(), passwords=("gull",))) == "unreadable_page"
    with_password = Pictures()
    try:
        known = stored(tmp_path, target.getvalue(), passwords=("gull", "seagull"))
        assert len(asyncio.run(with_password.lay(known, 1, TEXT, [(0, len(TEXT))])).marks) == 1
    finally:
        with_password.close()


def test_a_page_that_takes_too_long_takes_it_once(tmp_path: Path) -> None:
    # Every line is drawn over all of the page, with dashes.
    lines = b"[0.001 0.001] 0 d 0.001 w " + b"0 0 m 14400 14400 l S 0 14400 m 14400 0 l S " * 200_000
    slow = stored(tmp_path, sized("[0 0 14400 14400]", lines))
    good = stored(tmp_path, make_pdf([prose([TEXT])]), "b.pdf")
    process = Process(seconds=1.0)
    pictures = Pictures(process)
    try:
        assert draw(pictures, good).width == 800
        for width in (800, 1200):
            with pytest.raises(PageFailed, match="unreadable_page"):
                draw(pictures, slow, width=width)
            # It was ended, and not started again for a page that is known.
            assert process.process_id is None
        assert draw(pictures, good, width=480).width == 480
    finally:
        pictures.close()


def test_a_child_that_is_killed_is_started_again(tmp_path: Path) -> None:
    file = stored(tmp_path, make_pdf([prose([TEXT])]))
    pictures = Pictures(process := Process())
    try:
        for width in WIDTHS[:3]:
            assert draw(pictures, file, width=width).width == width
            assert process.process_id is not None
            os.kill(process.process_id, signal.SIGKILL)
    finally:
        pictures.close()
    assert process.process_id is None


def test_a_child_sees_no_secrets_and_ends_with_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sesame")
    process = Process()
    process.start()
    try:
        environment = Path(f"/proc/{process.process_id}/environ")
        if environment.exists():
            assert b"sesame" not in environment.read_bytes()
    finally:
        process.close()


def test_few_pictures_are_kept(tmp_path: Path) -> None:
    file = stored(tmp_path, make_pdf([prose([f"{TEXT} {number}"]) for number in range(6)]))
    pictures = Pictures(most_bytes=5_000)
    try:
        made = [asyncio.run(pictures.picture(file, page, 480)) for page in range(1, 7)]
        assert len(made[5]) < 4_000 < sum(map(len, made[1:])) - 1_000
        # What is kept is given out although the file is gone; what is not must be drawn, which fails then.
        file.path.unlink()
        pictures.close()
        assert asyncio.run(pictures.picture(file, 6, 480)) == made[5]
        with pytest.raises(PageFailed, match="source_gone"):
            asyncio.run(pictures.picture(file, 1, 480))
    finally:
        pictures.close()


def test_who_waits_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures_module, "WAIT_SECONDS", -1.0)
    pictures = Pictures()
    with pytest.raises(Refused) as refused:
        draw(pictures, stored(tmp_path, make_pdf([prose([TEXT])])))
    assert refused.value.code == "overloaded"
    pictures.close()


def test_only_so_many_wait(tmp_path: Path) -> None:
    file = stored(tmp_path, make_pdf([prose([TEXT])]))
    pictures = Pictures()

    async def ask() -> list[bytes | BaseException]:
        # Each of another page, so that none is kept yet.
        asked = (pictures.picture(file, page, 480) for page in range(1, WAITING + 6))
        return await asyncio.gather(*asked, return_exceptions=True)

    try:
        answers = asyncio.run(ask())
        assert isinstance(answers[0], bytes)
        assert [isinstance(answer, Refused) for answer in answers] == [False] * WAITING + [True] * 5
        assert asyncio.run(pictures.picture(file, 1, 800))
    finally:
        pictures.close()


def test_a_large_parent_makes_no_tired_child(tmp_path: Path) -> None:
    file = stored(tmp_path, make_pdf([prose([TEXT])]))
    large = bytearray(TIRED_BYTES + 50_000_000)
    large[::4096] = b"\1" * len(range(0, len(large), 4096))
    made = Pictures()
    try:
        draw(made, file)
        first = made._process.process_id
        draw(made, file, width=480)
        assert made._process.process_id == first
    finally:
        made.close()
        del large
