import pytest

from ingest.loaders import LoadError
from ingest.loaders.encoding import decode
from ingest.loaders.table import detect_delimiter, load_table

HUNGARIAN = "név;élőhely;hossz\nszürke gém;nádas és tó;95,5\nfehér gólya;rét, mező és falu;110\nőszi lúd;hűvös tó;80\n"
KOREAN = "이름,서식지,길이\n왜가리,강과 호수,95\n황새,논과 습지,110\n두루미,습지와 들판,140\n"
FRENCH = "nom;lieu;taille\nhéron cendré;forêt à côté;95\ncigogne;là-bas, près du lac;110\nouette d'Égypte;île;70\n"


def records(text: str | bytes) -> list[str]:
    content = text.encode() if isinstance(text, str) else text
    return [block.text for block in load_table(content, "a.csv").pages[0]]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *((text, name) for text in (HUNGARIAN, KOREAN, FRENCH) for name in ("utf-8", "utf-8-sig", "utf-16")),
        (HUNGARIAN, "cp1250"),
        (FRENCH, "cp1252"),
        (KOREAN, "cp949"),
        (HUNGARIAN, "utf-16-le"),
        (FRENCH, "utf-16-be"),
        (KOREAN, "utf-16-le"),
    ],
)
def test_encodings_are_told_apart(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_signs_of_cp1252_that_were_taken_for_latin_1_are_mended() -> None:
    assert decode("the heron\x92s nest \x97 \x93wet\x94".encode()) == "the heron’s nest — “wet”"


def test_what_is_no_text_is_refused() -> None:
    for content in (bytes(range(256)) * 50, b"\0\1\2\3" * 1000, b"\x7fELF\2\1\1\0" * 500, b"heron\0" * 50):
        with pytest.raises(LoadError, match="neither text"):
            decode(content)


def test_decimal_commas_and_semicolons() -> None:
    assert records(HUNGARIAN)[0] == "név: szürke gém; élőhely: nádas és tó; hossz: 95,5"
    assert records("1,5;2,5\n3,5;4,5\n") == ["1,5; 2,5", "3,5; 4,5"]
    assert records("name;wing, cm\nheron;1,5\nstork;2,5\n")[0] == "name: heron; wing, cm: 1,5"
    assert records('name,wing\n"heron; grey",1\n"stork; white",2\n')[1] == "name: stork; white; wing: 2"


@pytest.mark.parametrize("delimiter", list(",;\t|"))
def test_delimiters(delimiter: str) -> None:
    rows = [["name", "wing", "food"], ["heron", "95", "fish, frogs"], ["stork", "110", "mice"], ["ibis", "60", "worms"]]
    text = "\n".join(delimiter.join(f'"{cell}"' if delimiter in cell else cell for cell in row) for row in rows)
    assert detect_delimiter(text) == delimiter
    assert records(text)[0] == "name: heron; wing: 95; food: fish, frogs"


def test_a_delimiter_that_is_stated_is_taken() -> None:
    assert records("sep=;\r\nname;a,b,c\r\nheron;1,2,3\r\n") == ["name: heron; a,b,c: 1,2,3"]


def test_title_rows_above_the_header() -> None:
    document = load_table(b"Birds of the lake,,,\n2024,,,\n,,,\nname,wing,mass,food\nheron,95,2,fish\n", "a.csv")
    assert document.title == "Birds of the lake"
    texts = [block.text for block in document.pages[0]]
    assert texts == ["Birds of the lake", "2024", "name: heron; wing: 95; mass: 2; food: fish"]


def test_a_header_in_two_rows_is_joined() -> None:
    text = "bird,wing,,mass,\n,min,max,min,max\nheron,85,95,1.5,2\nstork,100,115,3,4.5\n"
    assert records(text)[0] == "bird: heron; wing min: 85; wing max: 95; mass min: 1.5; mass max: 2"
    plain = "bird,,wing\nheron,grey,95\nstork,white,110\n"
    assert records(plain)[0] == "bird: heron; grey; wing: 95"


def test_names_that_are_twice_or_missing() -> None:
    assert records("name,wing,wing,,\nheron,1,2,3,\n") == ["name: heron; wing: 1; wing (2): 2; 3"]


def test_cells_of_several_lines_and_numbers_as_written() -> None:
    text = 'name,notes,number\nheron,"grey\nand ""tall""",007\nstork,,1 234.50\nibis,"-",+1.20e-03\n'
    assert records(text) == [
        'name: heron; notes: grey and "tall"; number: 007',
        "name: stork; number: 1 234.50",
        "name: ibis; notes: -; number: +1.20e-03",
    ]


def test_a_quotation_mark_that_is_no_opening_one_swallows_nothing() -> None:
    text = "size,name,wing\n" + '"5 inch,heron,95\n' + "6 inch,stork,110\n" * 200
    assert len(records(text)) == 201
    assert records(text)[1] == "size: 6 inch; name: stork; wing: 110"


def test_what_is_no_table_says_why() -> None:
    for text, reason in (("name,wing\n", "no rows"), (",,\n,,\n", "empty")):
        with pytest.raises(LoadError, match=reason):
            records(text)
