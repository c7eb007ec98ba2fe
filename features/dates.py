"""Calendar days: the one place that turns dates into day numbers and back, because engines disagree on day differences."""

from datetime import date, timedelta

EPOCH = date(1970, 1, 1)


def day_number(day: date) -> int:
    """Days from 1970-01-01 to ``day``; a datetime counts as its calendar day.

    >>> day_number(date(1970, 1, 3))
    2
    >>> from datetime import datetime
    >>> day_number(datetime(1970, 1, 3, 23, 59))
    2
    """
    return (date(day.year, day.month, day.day) - EPOCH).days


def day_of(number: int) -> date:
    """The date of a day number.

    >>> day_of(2)
    datetime.date(1970, 1, 3)
    """
    return EPOCH + timedelta(days=int(number))


def parse_day(text: str) -> date:
    """A date written as YYYY-MM-DD. Raises ValueError with what would be right.

    >>> parse_day("2011-11-10")
    datetime.date(2011, 11, 10)
    """
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"a date is written YYYY-MM-DD, got {text!r}") from None
