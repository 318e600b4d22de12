import base64
import hashlib
import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import html

from evaluation.answers import measured
from evaluation.changes import changes
from evaluation.outcome import Ranked, Run
from evaluation.report import MARKDOWN, Section, markdown, plots, write
from evaluation.report.columns import columns
from evaluation.report.drill import drilled, excerpt
from evaluation.report.faults import FAULTS, faults
from tests import reported

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==")
FOREIGN_SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> html.HtmlElement:
    return parsed(write(tmp_path_factory.mktemp("report"), [reported.many()]))


def parsed(path: Path) -> html.HtmlElement:
    return html.document_fromstring(path.read_text(encoding="utf-8"))


def words(element: html.HtmlElement) -> str:
    return " ".join(" ".join(element.itertext()).split())


def question(page: html.HtmlElement, name: str) -> html.HtmlElement:
    found = [one for one in page.find_class("question") if one.get("data-id").startswith(f"birds/{name}")]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("kind", FAULTS)
def test_each_kind_of_fault_is_told_from_the_others(kind: str) -> None:
    outcomes = {outcome.question.id: outcome for outcome in reported.many().outcomes}
    # What was not found can't be cited: one fault brings the others.
    assert faults(outcomes[kind], measured(outcomes[kind])) == (kind,)


def test_what_went_well_has_no_fault() -> None:
    outcomes = {outcome.question.id: outcome for outcome in reported.many().outcomes}
    for name in ("good", "refused", "korean"):
        wrong_language = ("wrong language",) if name == "korean" else ()
        assert faults(outcomes[name], measured(outcomes[name])) == wrong_language
    sixth = (*[Ranked("owl.md", 1, 1)] * 5, Ranked("stork.md", 2, 2))
    late = reported.outcome(found=sixth)
    assert faults(late, measured(late)) == ("not found",)
    passages_alone = replace(late, said=None)
    assert faults(passages_alone, measured(passages_alone)) == ("not found",)


def test_nothing_remote_and_no_script_but_its_own(page: html.HtmlElement) -> None:
    (script,) = page.iter("script")
    policy = page.xpath('//meta[@http-equiv="Content-Security-Policy"]/@content')[0]
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    assert "default-src 'none'" in policy and f"script-src 'sha256-{digest}'" in policy
    assert not [*page.iter("link", "iframe", "object", "embed", "base", "img")]
    for element in page.iter():
        for name, value in element.attrib.items():
            assert not name.startswith("on"), (element.tag, name)
            if name in ("href", "src", "action", "{http://www.w3.org/1999/xlink}href", "xlink:href"):
                assert value.startswith("#"), value
    style = "".join(one.text for one in page.iter("style"))
    assert "url(" not in style and "@import" not in style


def test_hostile_texts_are_shown_and_nothing_else(page: html.HtmlElement) -> None:
    one = question(page, "hostile")
    shown = words(one)
    assert '</script><script>document.title="broken"</script><img src=x onerror=' in shown
    assert "{{ 7 * 7 }}" in shown and "javascript:alert(1)//" in shown and "한국어 árvíztűrő" in shown
    assert not [*one.iter("script", "img", "svg", "a")]
    assert {element.get("lang") for element in one.iter()} <= {None, "en"}
    assert not re.search("[\x00\u202a-\u202e\u2066-\u2069\u200b\u2028\u2029]", html.tostring(page, encoding="unicode"))


def test_a_question_is_told_whole(page: html.HtmlElement) -> None:
    one = question(page, "good")
    assert one.get("data-faults") == ""
    shown = words(one)
    assert "When do white storks leave? (good)" in shown and "stork.md p. 2" in shown
    assert "confidence 0.90, threshold 0.2" in shown and "p. 2–3 ✓ labelled page" in shown
    assert [(mark.get("class"), mark.text) for mark in one.xpath('.//ol[@class="passages"]//mark')] == [
        ("quote", "White storks leave for Africa in "),
        ("gold", "August"),
        ("quote", "."),
    ]
    assert [mark.text for mark in one.xpath('.//blockquote[contains(@class, "answer")]//mark[@class="gold"]')] == [
        "August"
    ]
    assert [cell.text for cell in one.xpath(".//table//td")] == ["1", "1", "1", "1", "1", "1"]
    missed = words(question(page, "wrong page"))
    assert "dense 1 beyond 10" in missed and "✓ labelled document" in missed


def test_languages_are_named(page: html.HtmlElement) -> None:
    summary = question(page, "korean").find("summary")
    assert summary.find("bdi").get("lang") == "ko"
    assert question(page, "korean").get("data-language") == "ko"
    assert page.get("lang") == "en"


def test_the_worst_comes_first(page: html.HtmlElement) -> None:
    order = [one.get("data-faults").split("|")[0] for one in page.find_class("question")]
    kinds = [*FAULTS, ""]
    assert order == sorted(order, key=kinds.index) and order[0] == "failed" and order[-1] == ""


def test_tables_and_plots_can_be_read_without_looking(page: html.HtmlElement) -> None:
    assert page.xpath("//th[not(@scope)]") == []
    assert page.xpath('//table[not(caption)][not(contains(@class, "small"))]') == []
    assert (
        page.xpath('//figure//*[local-name()="svg"][not(ancestor::*[@role="img"][string-length(@aria-label) > 20])]')
        == []
    )
    assert len(page.xpath("//figure")) == 4
    identifiers = page.xpath("//@id")
    assert len(identifiers) == len({*identifiers})
    for target in page.xpath("//a/@href"):
        assert target[1:] in identifiers


def test_plots_have_letters_and_the_colours_of_the_page(page: html.HtmlElement) -> None:
    drawn = [html.tostring(one, encoding="unicode") for one in page.find_class("plot")]
    assert all("<text" in one and "var(--series-1)" in one and "DejaVu" not in one for one in drawn)
    assert not [
        one for one in drawn for colour in (*plots.SERIES, plots.INK, plots.MUTED, plots.LINES) if colour in one
    ]


def test_a_label_of_a_plot_may_be_anything() -> None:
    nothing = plots.Estimate(float("nan"), float("nan"), float("nan"), 0)
    half = plots.Estimate(0.5, 0.4, 0.6, 9)
    rows = ["한국어 $x_{", '<b>& id="#010101', 'style="font-family: x']
    drawn = plots.within(plots.forest(rows, {"a$": [half, None, half], "b": [nothing, half, None]}), "one")
    found = [element.text for element in html.fragment_fromstring(drawn).iter("text")]
    assert {*rows, "a$", "b"} <= {*found}
    assert 'id="one-' in drawn and not re.search(r'<[^>]* id="(?!one-)', drawn)


def test_without_a_baseline_it_says_so(page: html.HtmlElement) -> None:
    assert words(page.find_class("verdict")[0]) == "There is no earlier run to compare with."


def pair() -> tuple[Run, Run]:
    """The second finds ten of twenty documents no more."""
    names = [f"question-{number:02}" for number in range(20)]
    lost = (Ranked("owl.md", 1, 1),)
    before = reported.run(*(reported.outcome(name) for name in names))
    after = [reported.outcome(name, lost) if name < "question-10" else reported.outcome(name) for name in names]
    return before, replace(before, outcomes=tuple(after), settings={**before.settings, "embedder": "other"})


def test_drops_come_first_with_their_intervals(tmp_path: Path) -> None:
    before, after = pair()
    page = parsed(write(tmp_path, [after], changes(before, after)))
    verdict = page.get_element_by_id("verdict")
    assert "worse" in verdict.find_class("verdict")[0].get("class")
    assert "got worse significantly" in words(verdict)
    table = verdict.xpath(".//table")[0]
    assert words(table.find("caption")) == "Got worse, significantly"
    first = [words(cell) for cell in table.xpath(".//tbody/tr[1]/*")]
    assert first[0].startswith("Recall@1 (document,")
    assert re.fullmatch(r"−50\.0 −\d\d\.\d to −\d\d\.\d", first[1])
    assert (float(first[2]), *first[3:]) == (pytest.approx(2 / 2**10, abs=5e-4), "100", "50.0", "20")
    text = (tmp_path / MARKDOWN).read_text(encoding="utf-8")
    assert "| Recall@1 (document, dense) | `all` | 100 | 50.0 | −50.0" in text


def test_the_same_run_twice_changes_nothing(tmp_path: Path) -> None:
    before, _ = pair()
    page = parsed(write(tmp_path, [before], changes(before, before)))
    assert "same" in page.find_class("verdict")[0].get("class")
    assert words(page.find_class("verdict")[0]) == "No figure differs from those before."
    assert page.xpath('//section[@id="verdict"]//figure') == []
    assert page.xpath("//thead//th[not(text())]") == []


def test_what_chance_alone_can_do_is_no_verdict(tmp_path: Path) -> None:
    before, after = pair()
    once = replace(after, outcomes=(after.outcomes[0], *before.outcomes[1:]))
    page = parsed(write(tmp_path, [once], changes(before, once)))
    assert "same" in page.find_class("verdict")[0].get("class")
    assert "none changed significantly" in words(page.find_class("verdict")[0])
    assert page.xpath('//section[@id="verdict"]//figure')


def test_runs_of_the_same_questions_stand_side_by_side(tmp_path: Path) -> None:
    before, after = pair()
    other = replace(reported.run(reported.outcome()), set="fish")
    fish = replace(
        other, outcomes=tuple(replace(one, question=replace(one.question, set="fish")) for one in other.outcomes)
    )
    found = columns([before, fish, after])
    assert [(one.name, one.label, [run.set for run in one.runs]) for one in found] == [
        ("A", "embedder balanced", ["birds", "fish"]),
        ("B", "embedder other", ["birds"]),
    ]
    page = parsed(write(tmp_path, [before, fish, after]))
    headline = [words(cell) for cell in page.xpath('//section[@id="headline"]//tr[1]/*')]
    assert headline == ["Figure", "A", "B"] or headline[:1] == ["Figure"]
    rows = {words(row[0]): words(row) for row in page.xpath('//section[@id="headline"]//tbody/tr')}
    assert rows["Recall@5 (document, fused)"].startswith("Recall@5 (document, fused) 100 100–100 50.0")
    lost = question(page, "question-00")
    assert lost.get("data-differ") == "1" and lost.get("data-faults") == "not found"
    assert "the same as A" in words(question(page, "question-19"))
    assert page.xpath('//select[@name="runs"]') and page.xpath('//select[@name="set"]')


def test_runs_that_differ_in_nothing_but_time_are_told_apart() -> None:
    before, _ = pair()
    labels = [one.label for one in columns([before, replace(before, time="2026-01-02T00:00:00+00:00")])]
    assert labels == ["2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"]


def test_other_sections(tmp_path: Path) -> None:
    titles, rows = ("Variant", "Recall@5"), (("typo <b>", 0.91234), ("keywords", 7))
    own = plots.forest(["typo"], {"drop": [plots.Estimate(0.1, 0.0, 0.2, 9)]})
    sections = [
        Section("Robustness & more", ("Typed <i>differently</i>.",), titles, rows, own, "The drop of each variant"),
        Section("Needle", figure=PNG, alternative='By depth "and" size'),
        Section("Foreign", figure=FOREIGN_SVG),
    ]
    page = parsed(write(tmp_path, [reported.run(reported.outcome())], sections=sections))
    first = page.get_element_by_id("section-1")
    assert "Typed <i>differently</i>." in words(first) and "typo <b> 0.912 keywords 7" in words(first)
    assert first.xpath('.//div[@aria-label="The drop of each variant"]/*[local-name()="svg"]')
    second, third = (page.get_element_by_id(name).xpath(".//img")[0] for name in ("section-2", "section-3"))
    assert second.get("src").startswith("data:image/png;base64,") and second.get("alt") == 'By depth "and" size'
    assert third.get("src").startswith("data:image/svg+xml;base64,") and third.get("alt") == "Foreign"
    assert len([*page.iter("script")]) == 1


def test_what_a_gate_says_comes_first_and_into_the_comment(tmp_path: Path) -> None:
    titles, rows = ("figure", "now", ""), (("retrieval/page/fused/recall@5", "96.7", "<b>fails"),)
    gate = Section("Held", ("The gate fails: www.example.org @somebody (p 0.0123).",), titles, rows, first=True)
    page = parsed(write(tmp_path, [reported.run(reported.outcome())], sections=[Section("Later"), gate]))
    order = [one.get("id") for one in page.xpath("//main/section")]
    assert order[:3] == ["verdict", "first-1", "headline"] and order[-3:] == ["section-1", "settings", "definitions"]
    assert "retrieval/page/fused/recall@5 96.7 <b>fails" in words(page.get_element_by_id("first-1"))
    text = (tmp_path / MARKDOWN).read_text(encoding="utf-8")
    assert "\nThe gate fails: `www.example.org` `@somebody` (p 0.0123).\n" in text
    assert "| `retrieval/page/fused/recall@5` | 96.7 | `<b>fails` |" in text
    assert "Later" not in text


def test_passages_alone(tmp_path: Path) -> None:
    found = reported.run(replace(reported.outcome(), said=None), replace(reported.unanswerable("nothing"), said=None))
    page = parsed(write(tmp_path, [found]))
    assert "Answers were not asked for." in words(page)
    assert page.xpath('//section[@id="answers"]') == []
    assert "Recall@5" in words(page.get_element_by_id("headline"))


def test_questions_without_a_source(tmp_path: Path) -> None:
    page = parsed(write(tmp_path, [reported.run(reported.unanswerable("nothing"))]))
    assert page.xpath('//section[@id="retrieval"]') == []
    assert "Unanswerable refused" in words(page.get_element_by_id("headline"))


def test_no_question_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one question"):
        write(tmp_path, [reported.run()])


def test_excerpts_are_cut_around_what_matters() -> None:
    text = "word " * 400 + "the gold   answer stands here " + "more " * 400
    cut = str(excerpt(text, ["gold answer"], limit=200))
    assert '<mark class="gold">gold   answer</mark>' in cut
    assert cut.startswith("… word ") and cut.endswith("more …") and len(cut) < 260
    assert str(excerpt("x" * 5000, limit=100)) == "x" * 100 + " …"
    assert str(excerpt("5 a <b>", ["5", "<b>"])) == '5 a <mark class="gold">&lt;b&gt;</mark>'


def test_a_large_set_makes_no_large_page() -> None:
    long = reported.said(passages=reported.said().passages * 6)
    long = replace(long, passages=tuple(replace(one, text="text " * 400) for one in long.passages))
    (column,) = columns([reported.run(reported.outcome())])
    questions = reported.run(*(reported.outcome(f"q{number}", said=long) for number in range(700)))
    asked = drilled([replace(column, runs=(questions,))])
    assert len(asked) == 600
    assert sum(len(one.text) for asked_ in asked for tried in asked_.attempts for one in tried.passages) < 2_000_000


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> html.HtmlElement:
    from markdown_it import MarkdownIt

    folder = tmp_path_factory.mktemp("markdown")
    hostile = replace(reported.many(), set=reported.HOSTILE, revision=reported.HOSTILE)
    write(folder, [hostile])
    text = (folder / MARKDOWN).read_text(encoding="utf-8")
    assert len(text) < 20_000
    return html.document_fromstring(MarkdownIt("commonmark").enable("table").render(text))


def test_nothing_of_a_document_becomes_markup_of_a_comment(rendered: html.HtmlElement) -> None:
    assert {element.tag for element in rendered.iter()} <= set(
        "html body h2 p strong table thead tbody tr th td ul li code details summary sub".split()
    )
    rendered = deepcopy(rendered)
    for code in rendered.xpath("//code"):
        code.getparent().remove(code) if not code.tail else code.clear(keep_tail=True)
    left = rendered.text_content()
    for part in ("somebody", "example.invalid", "script", "javascript", "turned", "{{"):
        assert part not in left


def test_a_comment_names_the_worst_of_each_kind(rendered: html.HtmlElement) -> None:
    worst = [words(one) for one in rendered.xpath("//li//strong")]
    assert [one.split(", ")[0] for one in worst] == [*FAULTS][:5]
    assert words(rendered.find(".//h2")).startswith("Evaluation: </script>")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "`plain`"),
        ("a `b` c", "``a `b` c``"),
        ("```", "```` ``` ````"),
        ("two\nlines | bar", "`two lines ¦ bar`"),
        ("", "` `"),
        ("\u202eturned", "`turned`"),
    ],
)
def test_code_spans_hold_anything(text: str, expected: str) -> None:
    assert markdown.code(text) == expected
    assert len(markdown.code("x" * 999)) < 250


def test_a_comment_fits() -> None:
    runs = [
        reported.run(
            *(
                replace(one, question=replace(one.question, set=f"set {name}"))
                for one in (reported.outcome(), reported.hostile())
            ),
            name=f"{name} {reported.HOSTILE}",
            settings={**reported.run().settings, "embedder": f"{number} {reported.HOSTILE}"},
        )
        for number in range(9)
        for name in ("one", "two")
    ]
    found = columns(runs)
    text = markdown.text(found, drilled(found), ())
    assert len(text) < markdown.LIMIT and "The worst 2 questions" in text
