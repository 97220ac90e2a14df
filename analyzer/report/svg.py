"""A drawn chart, cut down to what a page needs: a few elements and attributes, nothing else.

The list of what may stay is short on purpose: no ids that could clash on a page of many charts,
no fonts but the page's own, no styles, no links, no scripts.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from markupsafe import Markup, escape

ELEMENTS = {"svg", "g", "path", "line", "rect", "text", "circle"}
ATTRIBUTES = (
    "viewBox",
    "d",
    "x",
    "y",
    "x1",
    "x2",
    "y1",
    "y2",
    "cx",
    "cy",
    "r",
    "width",
    "height",
    "transform",
    "fill",
    "stroke",
    "stroke-width",
    "stroke-dasharray",
    "stroke-linecap",
    "stroke-linejoin",
    "opacity",
    "fill-opacity",
    "stroke-opacity",
    "text-anchor",
    "font-size",
    "font-weight",
)
LONG = re.compile(r"\d+\.\d{2,}")
NEUTRAL = {
    ("opacity", "1"),
    ("font-weight", "normal"),
    ("stroke-width", "1"),
    ("x2", "0"),
    ("y2", "0"),
    ("text-anchor", "start"),
    ("font-size", "11px"),
}
"""What a browser assumes, or the style sheet says of every chart."""


def clean(drawing: str) -> Markup:
    """The drawing without what browsers do not need; its text still is text."""
    root = ElementTree.fromstring(drawing)
    kept = _element(root)
    width, height = root.get("viewBox", "0 0 0 0").split()[2:]
    # the size in CSS pixels; the style sheet lets it shrink but not grow
    return Markup('<svg width="{}" height="{}"{}').format(width, height, Markup(kept[4:]))


def _element(node: ElementTree.Element) -> str:
    tag = node.tag.rpartition("}")[2]
    if tag not in ELEMENTS or _invisible(tag, node):
        return ""
    inner = "".join(_element(child) for child in node)
    if tag == "text":
        inner = str(escape(node.text or "")) + inner
    attributes = "".join(
        f' {name}="{escape(LONG.sub(_rounded, node.attrib[name]))}"'
        for name in ATTRIBUTES
        if name in node.attrib and (name, node.attrib[name]) not in NEUTRAL
        if not (tag == "svg" and name in ("width", "height"))
    )
    if tag == "g" and not inner:
        return ""
    if tag == "g" and not attributes:
        return inner
    return f"<{tag}{attributes}>{inner}</{tag}>" if inner else f"<{tag}{attributes}/>"


def _rounded(found: re.Match[str]) -> str:
    """A tenth of a pixel is enough, and the same on every machine."""
    return f"{float(found[0]):.1f}".removesuffix(".0")


def _invisible(tag: str, node: ElementTree.Element) -> bool:
    if node.get("opacity") == "0" or node.get("display") == "none":
        return True
    painted = node.get("fill", "none") != "none" or node.get("stroke", "none") != "none"
    return tag == "path" and node.get("class") in ("background", "foreground") and not painted
