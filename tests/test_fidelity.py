import pytest

from rag.fidelity import faithful, verdict

RIGHT = {
    "en": [
        "The primary mirror has 18 hexagonal segments made of beryllium [1].",
        "Students may start the internship once they have 120 credits [2]. The report is due within two weeks [3].",
        "It lasts six weeks [1].",
        "Yes, remote work is allowed for at most two days a week [4].",
        "- application form\n- contract with the company\n- insurance certificate [2]",
    ],
    "hu": [
        "A főtükör 18 hatszögletű, berilliumból készült szegmensből áll [1].",
        "A szakmai gyakorlat 120 kredit után kezdhető meg [2]. A beszámolót két héten belül kell leadni [3].",
        "Hat hétig tart [1].",
        "Igen, hetente legfeljebb két napot lehet otthonról dolgozni [4].",
        "- jelentkezési lap\n- a céggel kötött szerződés\n- biztosítási igazolás [2]",
    ],
    "ko": [
        "주경은 베릴륨으로 만든 육각형 조각 18개로 이루어져 있습니다 [1].",
        "학생은 120학점을 취득한 뒤 현장실습을 시작할 수 있습니다 [2]. 보고서는 2주 안에 제출해야 합니다 [3].",
        "6주 동안 진행됩니다 [1].",
        "네, 재택근무는 일주일에 이틀까지 허용됩니다 [4].",
        "- 신청서\n- 기업과 맺은 협약서\n- 보험 증명서 [2]",
    ],
}
OTHERS = {
    "de": "Der Hauptspiegel besteht aus achtzehn sechseckigen Segmenten, die einzeln ausgerichtet werden können [1].",
    "sk": "Hlavné zrkadlo sa skladá z osemnástich šesťuholníkových častí, ktoré možno samostatne nastaviť [1].",
    "cs": "Hlavní zrcadlo se skládá z osmnácti šestiúhelníkových částí, které lze samostatně nastavit [1].",
    "ro": "Oglinda principală este formată din optsprezece segmente hexagonale care pot fi reglate separat [1].",
    "es": "El espejo principal está formado por dieciocho segmentos hexagonales que se ajustan por separado [1].",
    "fr": "Le miroir principal est composé de dix-huit segments hexagonaux qui sont réglés séparément [1].",
    "pl": "Zwierciadło główne składa się z osiemnastu sześciokątnych części, które można osobno ustawiać [1].",
    "hr": "Glavno zrcalo sastoji se od osamnaest šesterokutnih dijelova koji se mogu zasebno namjestiti [1].",
    "da": "Hovedspejlet består af atten sekskantede stykker, som kan indstilles hver for sig [1].",
    "zh": "主镜由十八块六边形镜片组成，每块镜片都可以单独调整 [1]。",
    "zh-TW": "主鏡由十八塊六邊形鏡片組成，每塊鏡片都可以單獨調整 [1]。",
    "ja": "主鏡は18枚の六角形の鏡で構成されており、それぞれ個別に調整できます [1]。",
    "ru": "Главное зеркало состоит из восемнадцати шестиугольных сегментов, которые настраиваются отдельно [1].",
    "vi": "Gương chính gồm mười tám mảnh hình lục giác có thể được điều chỉnh riêng biệt [1].",
}


def stream(text: str, language: str) -> tuple[bool | None, int]:
    """The first verdict on a text that comes word by word, and after how many words it came."""
    words = text.split(" ")
    for count in range(1, len(words) + 1):
        found = verdict(" ".join(words[:count]), language)
        if found is not None:
            return found, count
    return None, len(words)


@pytest.mark.parametrize(("language", "text"), [(language, text) for language in RIGHT for text in RIGHT[language]])
def test_an_answer_in_the_language_asked_for_is_right(language, text):
    assert faithful(text, language)
    assert stream(text, language)[0] is not False


@pytest.mark.parametrize("asked", RIGHT)
@pytest.mark.parametrize("given", RIGHT)
def test_an_answer_in_another_of_the_three_languages_is_wrong(asked, given):
    for text in RIGHT[given]:
        if asked != given:
            assert not faithful(text, asked), text
            assert stream(text, asked)[0] is not True, text


@pytest.mark.parametrize("asked", RIGHT)
@pytest.mark.parametrize("given", OTHERS)
def test_an_answer_in_a_fourth_language_is_wrong(asked, given):
    assert not faithful(OTHERS[given], asked)
    assert stream(OTHERS[given], asked)[0] is False


@pytest.mark.parametrize("asked", RIGHT)
def test_a_stream_is_told_within_a_few_words(asked):
    long = {language: texts[1] for language, texts in RIGHT.items()}
    for given, text in long.items():
        found, words = stream(text, asked)
        assert found is (given == asked)
        assert words <= (8 if given == asked else 12)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ko", "James Webb Space Telescope(JWST)는 2021년 12월 25일 Ariane 5 로켓으로 발사되었습니다 [1]."),
        ("ko", "탑재체는 NIRCam, NIRSpec, MIRI, FGS/NIRISS이며 질량은 6,200 kg, 지름은 6.5 m입니다 [2]."),
        (
            "ko",
            "이 장치는 Near-Infrared Camera라고 부르며 Lockheed Martin Advanced Technology Center에서 만들었습니다.",
        ),
        ("ko", "이 별은 '적색거성(赤色巨星)'이라고 합니다 [1]. 대한민국(大韓民國)에서 관측했습니다."),
        ("ko", "원문에는 “The mirror has eighteen segments and is made of beryllium.”이라고 적혀 있습니다 [1]."),
        (
            "ko",
            "설정하려면 `python -m rag ask space` 명령을 실행하십시오. 파일은 /usr/share/applications/list에 있습니다.",
        ),
        ("ko", "2015년에 발매된 게임(일본어: ポケットモンスター 金(きん), 영어: Pokémon Gold)은 인기를 끌었습니다."),
        (
            "hu",
            "A szöveg szerint: „The mirror has 18 segments and is made of beryllium.” Ez a főtükörről szól [1].",
        ),
        (
            "hu",
            'A dokumentum címe "A survey of deep learning for the study of galaxies", és a galaxisokról szól [1].',
        ),
        ("hu", "A James Webb Space Telescope, a Hubble Space Telescope és a Spitzer is a NASA távcsöve [2]."),
        ("hu", "A 누리호 (KSLV-II) az első koreai fejlesztésű hordozórakéta [1]."),
        ("en", "The rocket is called 누리호 (Nuri), and it was built by KARI (한국항공우주연구원) [1]."),
        (
            "en",
            "The form „Szakmai gyakorlat jelentkezési lap és igazolás” must be sent to the Tanulmányi Osztály [2].",
        ),
        ("en", "21,150 km, 23,222 km, 19,130 km and 36,000 km [1]"),
        ("en", "The speed is Δv = 3.2 km/s, with σ = 0.1 and λ = 656 nm [3]."),
    ],
)
def test_names_quotations_and_units_do_not_count(language, text):
    assert faithful(text, language)
    assert stream(text, language)[0] is not False


@pytest.mark.parametrize("language", RIGHT)
@pytest.mark.parametrize(
    "text", ["", "42", "6.5 m [1]", "NASA", "2021-12-25 [1]", "James Webb", "https://example.org", "`x`"]
)
def test_what_is_in_no_language_is_not_wrong(language, text):
    assert verdict(text, language) is None
    assert faithful(text, language)


def test_an_answer_that_drifts_into_another_language_is_wrong():
    start = RIGHT["ko"][1]
    assert not faithful(f"{start} 主镜由十八块六边形镜片组成，每块都可以单独调整。", "ko")
    assert not faithful("이 망원경은 红外线 관측을 위해 专门设计된 장비입니다.", "ko")
    assert not faithful(f"{start} The report has to be sent to the office within two weeks.", "ko")
    assert not faithful(f"{RIGHT['hu'][1]} The report has to be sent to the office within two weeks.", "hu")
    assert not faithful(f"{RIGHT['en'][1]} A beszámolót két héten belül el kell küldeni az irodának.", "en")


def test_a_small_part_in_another_language_is_tolerated():
    short = " The mirror is made of beryllium [1]."
    assert faithful(" ".join(RIGHT["hu"][:2] * 3) + short, "hu")
    assert faithful(" ".join(RIGHT["ko"][:2] * 3) + short, "ko")


def test_quotation_marks_around_everything_hide_nothing():
    assert not faithful("“The mirror has eighteen segments and is made of beryllium.”", "hu")
    assert not faithful("“The mirror has eighteen segments and is made of beryllium.”", "ko")
    assert faithful("„A tükör tizennyolc szegmensből áll, és berilliumból készült.”", "hu")


def test_an_open_quotation_is_no_evidence_yet():
    assert verdict("A szöveg szerint: „The mirror has eighteen segments and it is made", "hu") is not False
    assert verdict("원문: “The mirror has eighteen segments and it is made of", "ko") is None


def test_long_words_and_marks_are_no_trap():
    for text in ("a" * 50_000, "(" * 50_000, '"' * 50_001, "_" * 50_000, "a." * 30_000, "한" * 50_000):
        assert faithful(text, "ko") in (True, False)
        assert verdict(text, "hu") in (True, False, None)
