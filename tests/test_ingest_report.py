import json

from ingest.report import Problem, Report

TESSERACT = "install Tesseract (apt install tesseract-ocr) and ingest again"


def test_names_and_reasons_stand_in_columns() -> None:
    failures = (Problem("왜가리.pdf", "it is damaged: save it again"), Problem("heron-and-stork.pdf", "it is empty"))
    table = Report("birds", failed=2, failures=failures, changes=(("removed", "b"), ("added", "c"), ("added", "a")))
    assert table.table().splitlines()[:-1] == [
        "  added     c",
        "  added     a",
        "  removed   b",
        # Each Korean letter takes two columns.
        "  failed    왜가리.pdf           it is damaged: save it again",
        "  failed    heron-and-stork.pdf  it is empty",
    ]


def test_one_long_name_does_not_push_all_reasons_away() -> None:
    failures = (Problem("a.pdf", "it is empty"), Problem("x" * 90, "it is damaged"))
    lines = Report("birds", failed=2, failures=failures).table().splitlines()
    assert lines[0] == "  failed    a.pdf" + " " * 37 + "it is empty"
    assert lines[1] == f"  failed    {'x' * 90}  it is damaged"


def test_long_lists_are_begun_and_counted_and_whole_in_json() -> None:
    changes = tuple(("added", f"{number}.txt") for number in range(5000)) + (("removed", "old.txt"),)
    failures = tuple(Problem(f"{number}.pdf", "it is empty") for number in range(21))
    report = Report("birds", added=5000, removed=1, failed=21, failures=failures, changes=changes)
    lines = report.table().splitlines()
    assert lines[19:22] == ["  added     19.txt", "  added     and 4980 more (--json names all)", "  removed   old.txt"]
    # A line that says "and 1 more" would say less than the one it stands for.
    assert lines[22:-1] == [f"  failed    {number}.pdf{' ' * (number < 10)}  it is empty" for number in range(21)]
    assert len(report.to_json()["changes"]) == 5001
    json.dumps(report.to_json())


def test_documents_that_wait_for_text_recognition_are_counted_with_what_to_do() -> None:
    failures = (
        Problem("a.png", f"it is a picture and waits for text recognition: {TESSERACT}"),
        Problem("b.pdf", f"it waits for text recognition: {TESSERACT}"),
        Problem("c.docx", "it holds no text (pictures only?): save it as PDF, so that text recognition can read it"),
    )
    note = Problem("d.pdf", f"no text layer on page 3 (a scan or a drawing): for text recognition, {TESSERACT}")
    lines = Report("birds", failed=3, failures=failures, warnings=(note,)).table().splitlines()
    assert lines[:2] == ["  waiting   a.png", "  waiting   b.pdf"]
    assert lines[2].startswith("  failed    c.docx  it holds no text")
    assert lines[3].startswith("  note      d.pdf  no text layer on page 3")
    assert lines[4] == f"  3 documents wait for text recognition: {TESSERACT}"
    assert lines[5].startswith("birds: 0 added")
    alone = Report("birds", failed=1, failures=failures[:1]).table()
    assert f"1 document waits for text recognition: {TESSERACT}" in alone
