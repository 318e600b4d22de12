"""Counts, shares, durations and times as one writes them in the interface's language."""

from datetime import date

from web.numbers import number

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def count(value: int, language: str) -> str:
    return number(value, 0, language)


def share(part: int, whole: int) -> str:
    """In percent."""
    return f"{round(100 * part / whole)}%" if whole else "–"


def duration(seconds: float, language: str) -> str:
    """Milliseconds below a second."""
    value, unit = (seconds, "s") if seconds >= 1 else (seconds * 1000, "ms")
    return f"{number(value, 0 if value == int(value) else 1, language)}\N{NO-BREAK SPACE}{unit}"


def day(value: date, language: str) -> str:
    if language == "en":
        return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"
    return f"{value.year}. {value.month:02}. {value.day:02}."


def moment(iso: str, language: str) -> str:
    """Day and time of an ISO 8601 time; the text itself where it is none."""
    try:
        known = date.fromisoformat(iso[:10])
    except ValueError:
        return iso
    return f"{day(known, language)} {iso[11:16]}".strip()
