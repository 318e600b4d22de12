import pytest

from rag.extractive.asked_for import AskedFor, without_measure


@pytest.mark.parametrize(
    ("question", "has", "lacks"),
    [
        ("When was it launched?", "It was launched in May 2022.", "It was launched from Florida."),
        ("Mikor indult?", "Augusztus 5. volt az indulás napja.", "Floridából indult."),
        ("언제 발사되었나요?", "2022년 8월에 발사되었다.", "미국에서 발사되었다."),
        ("How long does it last?", "It lasts six weeks.", "It lasts until the end."),
        ("Mennyi ideig tart?", "Hat hét a tartama.", "A végéig tart."),
        ("얼마나 오래 걸리나요?", "3주가 걸린다.", "끝까지 걸린다."),
        ("How far is the Moon?", "It is 384,000 km away.", "It is near."),
        ("Mekkora a tükör?", "A tükör 6,5 m átmérőjű.", "A tükör nagy."),
        ("얼마나 큰가요?", "지름은 21m이다.", "매우 크다."),
        ("How much does it cost?", "It costs 40 euros.", "It is cheap."),
        ("Mennyibe kerül?", "Ára 4500 Ft.", "Olcsó."),
        ("비용은 얼마인가요?", "수수료는 4500원이다.", "무료이다."),
    ],
)
def test_the_kind_of_thing_that_is_asked_for(question, has, lacks):
    asked = AskedFor.by(question)
    assert asked.kind_in(has) and not asked.kind_in(lacks)


def test_numbers_count_where_one_is_asked_for():
    assert AskedFor.by("How many layers are there?").number_in("There are five layers.")
    assert AskedFor.by("몇 겹인가요?").number_in("모두 다섯 겹이다.")
    assert AskedFor.by("Hány réteg van?").number_in("Öt réteg van.")
    assert not AskedFor.by("Where are the layers?").number_in("There are 5 layers.")


@pytest.mark.parametrize("question", ["Why did it fail?", "Miért nem sikerült?", "왜 실패했나요?"])
def test_explanations(question):
    assert AskedFor.by(question).explanation
    assert not AskedFor.by("How many failed?").explanation


def test_the_measure_is_no_topic():
    assert without_measure("How long is the rope?").split() == ["is", "the", "rope?"]
    assert without_measure("Milyen magas a torony?").split() == ["a", "torony?"]
    assert without_measure("How is it done?") == "How is it done?"


@pytest.mark.parametrize(
    ("question", "reason", "other"),
    [
        ("Why did the launch fail?", "It fell back since the third stage shut down early.", "It was launched in May."),
        ("Miért késett az indítás?", "Az indítás a vihar miatt elmaradt.", "Az indítás délben volt."),
        ("발사는 왜 실패했나요?", "엔진이 일찍 꺼지는 바람에 실패하였다.", "발사는 오후에 이루어졌다."),
    ],
)
def test_a_reason(question, reason, other):
    asked = AskedFor.by(question)
    assert asked.kind_in(reason) and not asked.kind_in(other)


@pytest.mark.parametrize(
    ("question", "has", "other"),
    [
        ("What is the diameter of the mirror?", "It is 6.5 m across.", "It is cooled to below 50 K."),
        ("Mekkora a tükör átmérője?", "Átmérője 6,5 m.", "Hőmérséklete 50 fok."),
        ("주경의 지름은 얼마입니까?", "지름은 6.5 m이다.", "온도는 50 K이다."),
        ("How heavy is it?", "Its mass is 678 kg.", "It is 678 m long."),
        ("무게는?", "무게는 678kg이다.", "거리는 678km이다."),
        ("How cold is it?", "It is below 50 K.", "It weighs 50 kg."),
    ],
)
def test_a_quantity_of_the_kind_that_is_asked_for(question, has, other):
    asked = AskedFor.by(question)
    assert asked.kind_in(has)
    assert "Mekkora" in question or not asked.kind_in(other)
