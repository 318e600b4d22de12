from concurrent.futures import ThreadPoolExecutor

import pytest

from rag import languages
from rag.languages import detect


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("When was the telescope launched?", "en"),
        ("internship deadline", "en"),
        ("JWST", "en"),
        ("GJ 1214 b", "en"),
        ("", "en"),
        ("12.5?", "en"),
        ("Mennyi ideig tart a szakmai gyakorlat?", "hu"),
        ("mennyi ideig tart a szakmai gyakorlat", "hu"),
        ("kulfoldon is lehet gyakorlatot vegezni?", "hu"),
        ("MIKOR KELL LEADNI A BESZÁMOLÓT?", "hu"),
        ("제임스 웹 우주망원경은 언제 발사되었습니까?", "ko"),
        ("JWST NIRSpec 파장 범위는?", "ko"),
        ("Когда был запущен телескоп?", "other"),
        ("いつ打ち上げられましたか", "other"),
        ("何时发射韦伯望远镜", "other"),
        ("Wann wurde das Teleskop gestartet und wie groß ist der Spiegel?", "other"),
        ("¿Cuándo se lanzó el telescopio espacial y cuánto pesa?", "other"),
    ],
)
def test_detect(text: str, language: str) -> None:
    assert detect(text) == language


def test_many_who_ask_first_at_once_read_the_model_once() -> None:
    for cached in (languages._restricted, languages._model):
        cached.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: languages._identifier(("en", "hu")), range(8)))
    assert all(identifier is found[0] for identifier in found)
