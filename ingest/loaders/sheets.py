"""Workbooks (xlsx, xlsm, xlsb, xls, ods) through calamine: a page a sheet, a block a record."""

import datetime
import io
import re
import zipfile
from typing import Any

from ingest.blocks import Block, Loaded
from ingest.loaders.archive import open_zip, read_entry
from ingest.loaders.errors import LoadError
from ingest.loaders.markup import Element, attribute, child, descendants, parse_xml
from ingest.loaders.rows import sheet_blocks
from ingest.loaders.word import core_properties, main_part, relations

_CELLS = 5_000_000
# Formats of larger sheets are not looked at: it takes far longer than their values.
_STYLED_BYTES = 20_000_000
_PERCENT = re.compile(r"[0#?](?:\.([0#?]+))?\s*%")
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")


def load_sheets(content: bytes, name: str) -> Loaded:
    """The sheets in order, hidden ones left out; the name of a sheet is its heading where there are several.

    Numbers come with the 15 digits that spreadsheets show at most, percentages as shown (of xlsx), dates as ISO.
    Raises LoadError for what is damaged, protected or holds no values.
    """
    import python_calamine as calamine

    kind, title = "xls", ""
    metadata: dict[str, str] = {}
    percents: dict[str, dict[tuple[int, int], int]] = {}
    if content.startswith(b"PK"):
        with open_zip(content) as archive:
            kind = "ods" if "content.xml" in archive.namelist() else "xlsx"
            title, metadata = core_properties(archive)
            percents = _percents(archive) if kind == "xlsx" else {}
    notes: list[str] = []
    pages: list[tuple[Block, ...]] = []
    try:
        with calamine.load_workbook(io.BytesIO(content)) as workbook:
            sheets = [item for item in workbook.sheets_metadata if item.typ == calamine.SheetTypeEnum.WorkSheet]
            shown = [item.name for item in sheets if item.visible == calamine.SheetVisibleEnum.Visible]
            hidden = [item.name for item in sheets if item.name not in shown]
            if hidden:
                notes.append(f"hidden sheets were left out: unhide them to include them ({', '.join(hidden[:8])})")
            for sheet_name in shown:
                sheet = workbook.get_sheet_by_name(sheet_name)
                if sheet.total_height * sheet.total_width > _CELLS:
                    size = f"{sheet.total_height:,} x {sheet.total_width:,} cells"
                    notes.append(f"sheet {sheet_name} has {size}, at most {_CELLS:,} are read: split it")
                    pages.append(())
                    continue
                blocks = sheet_blocks(_cells(sheet, percents.get(sheet_name, {})))
                heading = [Block(sheet_name, 2)] if blocks and len(shown) > 1 else []
                pages.append((*heading, *blocks))
    except calamine.PasswordError as error:
        raise LoadError("it is protected by a password: save a copy without one") from error
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise LoadError(f"its sheets are damaged ({error}): save it again") from error
    except BaseException as error:
        # A panic of Rust code is no Exception, and can't be imported; it must not end the process that parses.
        if type(error).__name__ != "PanicException":
            raise
        raise LoadError("its sheets are damaged: save it again") from error
    if not any(pages):
        raise LoadError(notes[0] if notes else "its sheets are empty: fill them or remove it")
    return Loaded(kind, title, tuple(pages), metadata, tuple(notes), rows=True)


def _cells(sheet: Any, percents: dict[tuple[int, int], int]) -> list[list[str]]:
    """The cells from the first that is filled to the last, a merged cell repeated in every place it covers."""
    top, left = sheet.start or (0, 0)
    rows = [
        [_shown(value, percents.get((row, column))) for column, value in enumerate(line, left)]
        for row, line in enumerate(sheet.to_python(skip_empty_area=True), top)
    ]
    for (first_row, first_column), (last_row, last_column) in sheet.merged_cell_ranges or ():
        if not (0 <= first_row - top < len(rows) and 0 <= first_column - left < len(rows[0])):
            continue
        text = rows[first_row - top][first_column - left]
        for row in rows[first_row - top : last_row - top + 1]:
            width = len(row[first_column - left : last_column - left + 1])
            row[first_column - left : last_column - left + 1] = [text] * width
    return rows


def _percents(archive: zipfile.ZipFile) -> dict[str, dict[tuple[int, int], int]]:
    """By sheet, the cells (row and column from 0) that show percentages, with their decimals: calamine tells none."""
    main = main_part(archive)
    parts = relations(archive, main)
    names = set(archive.namelist())
    styles = next((part for kind, part in parts.values() if kind == "styles" and part in names), "")
    if not main.endswith(".xml") or main not in names or not styles:
        return {}
    decimals = _percent_styles(parse_xml(read_entry(archive, styles), "styles"))
    if not decimals:
        return {}
    found: dict[str, dict[tuple[int, int], int]] = {}
    for sheet in descendants(parse_xml(read_entry(archive, main), "list of sheets"), "sheet"):
        _, part = parts.get(attribute(sheet, "id"), ("", ""))
        if part in names and archive.getinfo(part).file_size <= _STYLED_BYTES:
            cells = descendants(parse_xml(read_entry(archive, part), "sheet"), "c")
            found[attribute(sheet, "name")] = {
                place: decimals[cell.get("s")]
                for cell in cells
                if cell.get("s") in decimals and (place := _place(cell.get("r", "")))
            }
    return found


def _percent_styles(root: Element) -> dict[str, int]:
    """The decimals of the cell formats that are percentages, by their place in the list."""
    # Formats 9 and 10 are built in (ECMA-376, 18.8.30).
    decimals = {"9": 0, "10": 2}
    for item in descendants(root, "numfmt"):
        if match := _PERCENT.search(attribute(item, "formatCode")):
            decimals[attribute(item, "numFmtId")] = len(match[1] or "")
    formats = child(root, "cellxfs")
    styles = enumerate(formats if formats is not None else ())
    return {str(n): decimals[key] for n, item in styles if (key := attribute(item, "numFmtId")) in decimals}


def _place(reference: str) -> tuple[int, int] | None:
    """`B3` as (2, 1)."""
    match = _REFERENCE.fullmatch(reference)
    if not match:
        return None
    column = 0
    for letter in match[1]:
        column = 26 * column + ord(letter) - ord("A") + 1
    return int(match[2]) - 1, column - 1


def _shown(value: Any, percent: int | None = None) -> str:
    """A value of a cell as text, near to what a spreadsheet shows of it; `percent` is the decimals of a percentage."""
    if isinstance(value, bool):
        return str(value).upper()
    if percent is not None and isinstance(value, float | int):
        return f"{100 * value:.{percent}f}%"
    if isinstance(value, float):
        # Fifteen digits, as spreadsheets do: 0.1 + 0.2 is 0.3.
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time()
        return (
            value.date().isoformat() if midnight else value.isoformat(" ", "minutes" if not value.second else "seconds")
        )
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")
    return str(value)
