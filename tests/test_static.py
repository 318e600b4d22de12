"""The bundled student and what is built on it: vectors, alignment, stored pieces, the balanced embedder."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from rag.align import alignments
from rag.embed import bundled_student, embedding_fingerprint, load_embedder
from rag.embed.static import StaticEncoder
from rag.errors import ModelUnavailable

FOLDER = Path(__file__).parent.parent / "rag" / "embed" / "student"
SAME = {
    "en": "The telescope takes pictures of distant galaxies.",
    "hu": "A távcső távoli galaxisokról készít képeket.",
    "ko": "망원경은 먼 은하의 사진을 찍는다.",
}
OTHER = {
    "en": "Students hand in their report before the end of the semester.",
    "hu": "A hallgatók a félév vége előtt adják be a beszámolójukat.",
    "ko": "학생은 학기가 끝나기 전에 보고서를 제출한다.",
}
PROFILES = ["balanced", "fast"]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("asked", SAME)
@pytest.mark.parametrize("answered", SAME)
def test_the_same_meaning_is_near_in_every_language(profile: str, asked: str, answered: str) -> None:
    embedder = load_embedder(profile)
    near, far = embedder.embed_passages([SAME[answered], OTHER[answered]]) @ embedder.embed_query(SAME[asked])
    assert near > far + 0.2


@pytest.mark.parametrize("profile", PROFILES)
def test_rows_are_float32_of_unit_length_whatever_the_text(profile: str) -> None:
    embedder = load_embedder(profile)
    texts = ["", " \n", "\ud800", "👩🏽‍🚀", "한글" * 500, "ő" * 5000, "漢字", *SAME.values(), "word " * 3000]
    rows = embedder.embed_passages(texts)
    assert rows.shape == (len(texts), embedder.dimension) and rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert embedder.embed_passages([]).shape == (0, embedder.dimension)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_vector_does_not_depend_on_the_batch_or_the_thread(profile: str) -> None:
    embedder = load_embedder(profile)
    texts = [*SAME.values(), *OTHER.values()] * 60
    together = embedder.embed_passages(texts)
    with ThreadPoolExecutor(4) as pool:
        alone = np.stack(list(pool.map(embedder.embed_query, texts[:12])))
    np.testing.assert_allclose(together[:12], alone, atol=1e-3)


def test_a_question_in_capitals_or_without_accents_means_the_same_to_the_student() -> None:
    plain, typed, shouted, other = bundled_student().embed_passages(
        ["szakmai gyakorlat időtartama", "szakmai gyakorlat idotartama", "SZAKMAI GYAKORLAT IDŐTARTAMA", OTHER["hu"]]
    )
    np.testing.assert_array_equal(plain, shouted)
    assert plain @ typed > 0.85 > 0.6 > plain @ other


def test_both_profiles_are_one_space() -> None:
    """An index of one profile is not the other's, but a Korean question means the same to both."""
    balanced, fast = (load_embedder(profile) for profile in PROFILES)
    assert balanced.name != fast.name
    np.testing.assert_array_equal(balanced.embed_query(SAME["ko"]), fast.embed_query(SAME["ko"]))
    assert balanced.embed_query(SAME["en"]) @ fast.embed_query(SAME["en"]) > 0.8


def test_english_sentences_in_a_korean_text_are_read_by_the_english_encoder() -> None:
    english = "The primary mirror of the space telescope is six and a half metres across."
    korean = "망원경에 대한 설명입니다."
    balanced, fast = (load_embedder(profile) for profile in PROFILES)
    np.testing.assert_array_equal(balanced.embed_query(korean), fast.embed_query(korean))
    mixed = f"{korean}\n{english}"
    assert not np.allclose(balanced.embed_query(mixed), fast.embed_query(mixed), atol=0.01)
    assert balanced.embed_query(mixed) @ balanced.embed_query(english) > 0.7


def test_the_checksums_are_those_of_the_files() -> None:
    recorded = json.loads((FOLDER / "model.json").read_text(encoding="utf-8"))["sha256"]
    card = (FOLDER.parent / "MODEL.md").read_text(encoding="utf-8")
    for name, checksum in recorded.items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == checksum
        assert checksum[:12] in card
    assert recorded["rows.npy"][:12] in bundled_student().name
    assert recorded["rows.npy"][:12] in load_embedder("balanced").name


def test_the_fingerprint_names_the_student_once() -> None:
    student = bundled_student().name
    for name in (*PROFILES, "minilm"):
        assert embedding_fingerprint(load_embedder(name)).count(student) == 1


def test_both_encoders_are_small() -> None:
    size = sum(
        path.stat().st_size for path in FOLDER.parent.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
    assert size <= 45_000_000


def test_a_folder_without_a_student_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="git checkout"):
        StaticEncoder(tmp_path)


def test_alignment_finds_partners_in_any_language_and_in_long_passages() -> None:
    student = bundled_student()
    long = " ".join([OTHER["en"]] * 3 + [SAME["en"]] + [OTHER["en"]] * 3)
    passages = [np.unique(some) for some in student.pieces([long, OTHER["en"], OTHER["hu"], SAME["hu"], ""])]
    question = student.pieces(["망원경이 찍는 은하"])[0]
    found = alignments(question, passages, student)
    assert found.shape == (5,) and found.dtype == np.float32
    assert found[0] > found[1] + 0.15 and found[3] > found[2] + 0.15
    assert found[4] == 0


def test_a_text_aligns_with_itself_and_nothing_with_nothing() -> None:
    student = bundled_student()
    question, empty = student.pieces([SAME["hu"], ""])
    np.testing.assert_allclose(alignments(question, [np.unique(question)], student), 1, atol=1e-5)
    assert alignments(empty, [np.unique(question)], student).tolist() == [0]
    assert alignments(question, [], student).shape == (0,)
