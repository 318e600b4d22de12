import pytest

from rag.extractive.boilerplate import is_boilerplate


@pytest.mark.parametrize(
    "line",
    [
        "Figure 3: The orbiter before its launch.",
        "2. ábra. A szonda pályája.",
        "그림 2. 다누리의 궤도",
        "Source: NASA",
        "Forrás: MTA",
        "출처: 한국항공우주연구원",
        "© 2024 The observatory",
        "All rights reserved.",
        "Introduction .............. 4",
        "Smith, J., Kovacs, A. B., 2010, ApJ, 711, 50",
        "For other uses, see Orbit.",
        "12 3.4 5.6 | 7.8 9.10",
    ],
)
def test_what_says_nothing(line):
    assert is_boilerplate(line, row=False)


@pytest.mark.parametrize(
    "line",
    [
        "Figure 3 shows that the orbit is polar.",
        "Sources of light disturb the telescope.",
        "A forrás a hegy lábánál ered.",
        "표면 온도는 약 5,800 K이다.",
        "In 1962 John Glenn orbited the Earth three times.",
        "Copying is allowed for students.",
    ],
)
def test_what_says_something(line):
    assert not is_boilerplate(line, row=False)


def test_a_row_may_be_all_numbers():
    assert not is_boilerplate("2021: 4; 2022: 5; 2023: 61", row=True)
