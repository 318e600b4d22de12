import pytest

from evaluation.hangul import composed, english_keys, parted, romanised


def test_syllables_come_apart_and_together() -> None:
    assert parted("닭") == ("ㄷ", "ㅏ", "ㄺ")
    assert parted("가") == ("ㄱ", "ㅏ", " ")
    assert all(composed(*parted(chr(code))) == chr(code) for code in range(ord("가"), ord("힣") + 1))
    with pytest.raises(ValueError):
        composed("ㄳ", "ㅏ")


# The examples of the rules themselves, sections 2 and 3.
@pytest.mark.parametrize(
    ("word", "spelling"),
    [
        line.split()
        for line in """\
구미 gumi
영동 yeongdong
옥천 okcheon
합덕 hapdeok
호법 hobeop
월곶 wolgot
벚꽃 beotkkot
한밭 hanbat
구리 guri
설악 seorak
칠곡 chilgok
임실 imsil
울릉 ulleung
대관령 daegwallyeong
백마 baengma
종로 jongno
왕십리 wangsimni
별내 byeollae
신라 silla
해돋이 haedoji
같이 gachi
맞히다 machida
좋고 joko
놓다 nota
낳지 nachi
묵호 mukho
집현전 jiphyeonjeon
압구정 apgujeong
낙동강 nakdonggang
죽변 jukbyeon
낙성대 nakseongdae
합정 hapjeong
팔당 paldang
샛별 saetbyeol
울산 ulsan
독립문 dongnimmun
광희문 gwanghuimun
없다 eopda
값이 gapsi
많아 mana
않고 anko
닭이 dalgi
놓는 nonneun
닫혀 dachyeo
좋아 joa
""".splitlines()
    ],
)
def test_the_revised_romanization(word: str, spelling: str) -> None:
    assert romanised(word) == spelling


def test_other_text_stays() -> None:
    assert romanised("JWST는 2021년, 달") == "JWSTneun 2021nyeon, dal"
    assert english_keys("안녕 Ada") == "dkssud Ada"
