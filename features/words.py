"""Text of products becomes words that match across case, accents and plurals."""

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import snowballstemmer

_WORD = re.compile(r"[^\W_]+")
BETWEEN = r"[^0-9a-z\x{80}-\x{10FFFF}]+"
"""What lies between the words of a ``spaced`` text, as RE2 reads it."""
_LETTERS = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ß": "ss", "đ": "d", "ł": "l"})


def plain(text: str) -> str:
    """The text in lower case without accents.

    >>> plain("Crème BRÛLÉE, Løbesko")
    'creme brulee, lobesko'
    """
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return "".join(letter for letter in folded if not unicodedata.combining(letter))


def words(text: str) -> list[str]:
    """The words of a text, plain, in order.

    >>> words("Running-shoes, men's 42")
    ['running', 'shoes', 'men', 's', '42']
    """
    return _WORD.findall(plain(text))


def spaced(text: str) -> str:
    """The text, plain, whose ``words`` lie between characters of ASCII that are neither letters nor digits.

    >>> spaced("Running-shoes"), spaced("北京—上海")
    ('running-shoes', '北京 上海')
    """
    found = plain(text)
    return found if found.isascii() else " ".join(_WORD.findall(found))


def same_word(left: str, right: str, *, language: str = "english") -> bool:
    """Whether two plain words are the same but for a plural of the language (one that snowballstemmer knows).

    >>> same_word("bikes", "bike"), same_word("bike", "biker"), same_word("telte", "telt", language="danish")
    (True, False, True)
    """
    if left == right:
        return True
    shorter, longer = sorted((left, right), key=len)
    alike = len(shorter) > 2 and len(longer) - len(shorter) <= 3 and longer.startswith(shorter[:-1])
    return alike and _stem(left, language) == _stem(right, language)


@cache
def _stem(word: str, language: str) -> str:
    return str(_stemmer(language).stemWord(word))


@cache
def _stemmer(language: str) -> "snowballstemmer.stemmer":
    import snowballstemmer

    return snowballstemmer.stemmer(language)
