"""From a page's blocks to one HTML file: no script, no request, nothing but its own style."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from analyzer.report.blocks import Page

TEMPLATES = Path(__file__).parent / "templates"


DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?(?: UTC)?")


def dates(text: str) -> Markup:
    """Text in which no line breaks inside an instant."""
    # as plain text: on Markup, `sub` would escape what it puts in
    return Markup(DATE.sub(r"<span class=when>\g<0></span>", str(escape(text))))


def render(page: Page) -> bytes:
    """The page as a file; equal pages give equal bytes.

    Its policy forbids everything but the one style sheet, which it names by its hash: whatever
    a name in the logs smuggles in can neither run nor load nor send anything.
    """
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    seal = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    jinja = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters["dates"] = dates
    template = jinja.get_template("page.html")
    return template.render(page=page, style=Markup(style), seal=seal).encode()
