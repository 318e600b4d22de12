"""Lines that stand in a document without saying anything: captions, references, notices, navigation, contents.

Knows English, Hungarian and Korean, and nothing of what is asked.
"""

import re

from rag.text import fold

# What says where something stands, is from or belongs, not what it says (folded text).
_NOTICE = re.compile(
    r"(?:sources?|forras(?:ok)?|출처|references|irodalom|참고 ?문헌|keywords|kulcsszavak|credits?|photo)\s*:"
    r"|(?:fig(?:ure|\.)?|tables?|abra|tablazat|listing|그림|표|사진)\s*\d+\s*[.:|]|\d+\. (?:abra|tablazat)\b"
    r"|©|\(c\) ?\d|copyright\b|all rights reserved|minden jog fenntartva|무단 ?전재|skip to |back to top|click here"
    r"|(?:for .{1,60}, see|main article|see also|lasd meg)\b"
    r"|(?:read more|learn more|tovabb|더 ?보기|목차|table of contents|tartalomjegyzek)\W*$"
    r"|(?:doi|arxiv|isbn|issn|https?)\s?[:/]|(?:page|oldal)\s\d+"
)
# "Smith, J., 2010, ApJ, 711, 50"; "A. Jones, B. Brown et al."
_REFERENCE = re.compile(
    r"[A-Z][\w'’-]{1,40},? (?:[A-Z]\. ?-?){1,3}(?:[,;]| ?and | ?& |et al).{0,200}?\b(?:19|20)\d\d\b"
)
# Dots or dashes that lead to a page number.
_LEADERS = re.compile(r"(?:\. ?){4,}|_{4,}|-{5,}|…{2,}")
_LETTERS = 0.5


def is_boilerplate(text: str, row: bool) -> bool:
    """Whether a line says nothing that answers a question; `row` tells that it is one of a table."""
    if _NOTICE.match(fold(text)) or _LEADERS.search(text):
        return True
    if row:
        return False
    letters = sum(map(str.isalpha, text))
    return letters < _LETTERS * len(text.replace(" ", "")) or bool(_REFERENCE.match(text))
