"""Numbers and names as a reader sees them. Every number of a page is written here."""

from __future__ import annotations

import math
import re
from unicodedata import category

from markupsafe import Markup

from analyzer.stats.result import Result, Undefined
from analyzer.verdict import Observed

MINUS, DASH, SPACE = "\N{MINUS SIGN}", "\N{EN DASH}", "\N{NO-BREAK SPACE}"
HIDDEN = {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}
JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"
"""What emoji and Persian are written with."""

LONGEST_NAME = 120
LONGEST_SENTENCE = 800
INSTANT = re.compile(r"\b(\d{4}-\d\d-\d\d)T(\d\d:\d\d(?::\d\d)?)Z")
_PIECES = Markup("{} <span class=ci>({}{}to{}{})</span>")


def shown(text: str, longest: int = LONGEST_NAME) -> str:
    """Text from the logs: what cannot be seen is spelled out, what is too long is cut and says so.

    >>> shown("a\\x1b[31m")
    'a\\\\x1b[31m'
    >>> shown("x" * 200, 5)
    'xxxxx\N{HORIZONTAL ELLIPSIS} (200 characters)'
    """
    kept = text[:longest]
    visible = "".join(c if _seen(c) else c.encode("unicode_escape").decode() for c in kept)
    if len(text) <= longest:
        return visible
    return f"{visible}\N{HORIZONTAL ELLIPSIS} ({len(text):,} characters)"


def clipped(text: str, longest: int) -> str:
    """Text from the logs where there is little room, as on an axis.

    >>> clipped("country = Switzerland", 12)
    'country = S…'
    """
    visible = shown(text, longest + 1)
    whole = len(text) <= longest and len(visible) <= longest
    return visible if whole else f"{visible[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"


def _seen(character: str) -> bool:
    """Not control codes, nor marks that turn the writing direction of what follows."""
    return category(character) not in HIDDEN or character in JOINERS


def name(text: str | None) -> Markup:
    """A name from the logs, kept apart from the writing direction of what surrounds it."""
    if text is None:
        return Markup("<span class=null>NULL</span>")
    if not text.strip():
        return Markup("<span class=null>{}</span>").format(
            f"{len(text)} blanks" if text else "empty"
        )
    return Markup("<bdi>{}</bdi>").format(shown(text))


def code(text: str) -> Markup:
    """A command, an id, a digest."""
    return Markup("<code>{}</code>").format(shown(text, 400))


def prose(text: str) -> str:
    """A sentence of the product that may hold names from the logs.

    Instants are written as elsewhere on the page; units stay with their numbers.

    >>> prose("Since 2013-06-01T05:00Z.")
    'Since 2013-06-01 05:00 UTC.'
    """
    whole = INSTANT.sub(r"\1 \2 UTC", shown(text, LONGEST_SENTENCE))
    for unit in ("%", "ms", "h", "s"):
        whole = re.sub(rf"(\d) {unit}(?!\w)", rf"\1{SPACE}{unit}", whole)
    return whole


def number(value: float | None, digits: int = 3) -> str:
    """Three significant digits, thousands apart, a true minus sign.

    >>> number(28235.4), number(-0.042077), number(0.0000123), number(None)
    ('28,235', '−0.0421', '1.23e−5', '–')
    """
    if value is None or not math.isfinite(value):
        return DASH if value is None or math.isnan(value) else f"{MINUS if value < 0 else ''}∞"
    size = abs(value)
    if size >= 10 ** (digits - 1):
        text = f"{size:,.0f}"
    elif size == 0:
        return "0"
    elif size < 1e-4:
        power, _, exponent = f"{size:.{digits - 1}e}".partition("e")
        text = f"{power}e{MINUS}{abs(int(exponent))}"
    else:
        text = f"{size:.{digits}g}"
    return f"{MINUS}{text}" if value < 0 else text


def count(n: float) -> str:
    """A whole number with its thousands apart."""
    return f"{n:,.0f}"


def percent(share: float | None, digits: int = 3) -> str:
    """A share in percent.

    >>> percent(0.1472), percent(1), percent(0.00001234)
    ('14.7\N{NO-BREAK SPACE}%', '100\N{NO-BREAK SPACE}%', '0.00123\N{NO-BREAK SPACE}%')
    """
    if share is None:
        return DASH
    text = number(share * 100, digits)
    return f"{text}{SPACE}%"


def moment(iso: str) -> str:
    """An instant for people.

    >>> moment("2013-06-01T05:00Z")
    '2013-06-01 05:00 UTC'
    """
    return f"{iso[:10]} {iso[11:].removesuffix('Z')} UTC"


def when(iso: str | None) -> Markup:
    """An instant in a table, without the zone that its column names."""
    return Markup("<span class=when>{}</span>").format(
        moment(iso).removesuffix(" UTC") if iso else DASH
    )


def span(start: str, end: str) -> str:
    """From one instant to another."""
    return f"{moment(start).removesuffix(' UTC')} to {moment(end)}"


def minutes(value: float | None) -> str:
    """A duration.

    >>> minutes(4.5), minutes(61), minutes(3000), minutes(None)
    ('4.5 min', '1 h 1 min', '50 h', 'not recorded')
    """
    if value is None:
        return "not recorded"
    if value < 60:
        return f"{number(value)} min"
    hours, rest = divmod(round(value), 60)
    return f"{hours:,} h {rest} min" if rest and hours < 48 else f"{hours:,} h"


def result(found: Result | Observed | None, unit: str = "number") -> Markup:
    """A value and its interval, or why there is none. unit: number, share or ms."""
    if found is None:
        return quiet(DASH)
    if isinstance(found, Undefined):
        return quiet(shown(found.reason) or DASH)
    if isinstance(found, Observed) and found.value is None:
        return quiet(shown(found.undefined) or DASH)
    write = percent if unit == "share" else number
    suffix = f"{SPACE}ms" if unit == "ms" else ""
    value = f"{write(found.value)}{suffix}"
    if found.method.endswith("no interval") or found.low == found.high:
        return Markup("{}").format(value)
    low, high = (write(x) if x is not None else "unbounded" for x in (found.low, found.high))
    return _PIECES.format(value, low, SPACE, SPACE, high)


def below(text: str, small: str) -> Markup:
    """A number with a smaller one under it."""
    return Markup("{}<small>{}</small>").format(text, small)


def quiet(text: str) -> Markup:
    """Words that step back."""
    return Markup("<span class=quiet>{}</span>").format(text)
