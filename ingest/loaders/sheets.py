"""Workbooks (xlsx, xlsm, xlsb, xls, ods) through calamine: a page a sheet, a block a record. Knows no styles."""

import datetime
import io
from typing import Any

from ingest.blocks import Block, Loaded
from ingest.loaders.archive import open_zip
from ingest.loaders.errors import LoadError
from ingest.loaders.rows import sheet_blocks
from ingest.loaders.word import core_properties

_CELLS = 5_000_000


def load_sheets(content: bytes, name: str) -> Loaded:
    """The sheets in order, hidden ones left out; the name of a sheet is its heading where there are several.

    Values are those that the workbook holds, numbers with the 15 digits that spreadsheets show at most, dates as ISO.
    Raises LoadError for what is damaged, protected or holds no values.
    """
    import python_calamine as calamine

    kind, title = "xls", ""
    metadata: dict[str, str] = {}
    if content.startswith(b"PK"):
        with open_zip(content) as archive:
            kind = "ods" if "content.xml" in archive.namelist() else "xlsx"
            title, metadata = core_properties(archive)
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
                blocks = sheet_blocks(_cells(sheet))
                heading = [Block(sheet_name, 2)] if blocks and len(shown) > 1 else []
                pages.append((*heading, *blocks))
    except calamine.PasswordError as error:
        raise LoadError("it is protected by a password: save a copy without one") from error
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise LoadError(f"its sheets are damaged ({error}): save it again") from error
    if not any(pages):
        raise LoadError(notes[0] if notes else "its sheets are empty: fill them or remove it")
    return Loaded(kind, title, tuple(pages), metadata, tuple(notes), rows=True)


def _cells(sheet: Any) -> list[list[str]]:
    """The cells from the first that is filled to the last, a merged cell repeated in every place it covers."""
    rows = [[_shown(value) for value in row] for row in sheet.to_python(skip_empty_area=True)]
    top, left = sheet.start or (0, 0)
    for (first_row, first_column), (last_row, last_column) in sheet.merged_cell_ranges or ():
        if not (0 <= first_row - top < len(rows) and 0 <= first_column - left < len(rows[0])):
            continue
        text = rows[first_row - top][first_column - left]
        for row in rows[first_row - top : last_row - top + 1]:
            width = len(row[first_column - left : last_column - left + 1])
            row[first_column - left : last_column - left + 1] = [text] * width
    return rows


def _shown(value: Any) -> str:
    """A value of a cell as text, near to what a spreadsheet shows of it."""
    if isinstance(value, bool):
        return str(value).upper()
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
