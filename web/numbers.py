"""Numbers as they are written in a language of the interface (Unicode CLDR)."""

_MARKS = {"en": (",", "."), "hu": ("\u00a0", ","), "ko": (",", ".")}


def number(value: float, places: int, language: str) -> str:
    """A number with so many decimal places, its thousands apart."""
    thousands, decimal = _MARKS[language]
    return f"{value:,.{places}f}".translate({ord(","): thousands, ord("."): decimal})
