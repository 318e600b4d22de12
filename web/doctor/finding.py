"""One thing that was looked at, for people and for programs."""

from dataclasses import dataclass

FINE, NOTE, BROKEN = "fine", "note", "broken"
"""`note`: worth knowing, and it works without; `broken`: what the settings ask for can't be had."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of `name`; `mend` is the exact command or change that helps, empty where nothing is to be done."""

    section: str
    name: str
    state: str
    text: str
    mend: str = ""
