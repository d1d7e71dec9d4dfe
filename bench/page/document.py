"""The frame of a page: one file that asks the network for nothing, and whose browser would refuse if it did."""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from importlib.resources import files
from typing import Any

# Before anything is drawn: says that scripts run, so that what stands in for them is never seen to vanish.
_MARK = 'document.documentElement.classList.add("scripted");'


def document(title: str, body: str, data: dict[str, Any] | None = None) -> bytes:
    """A whole page; data: what the explorer shows, without which the page has no script."""
    scripts = [] if data is None else [_MARK, resource("view.js") + resource("explorer.js")]
    # Only these scripts run, even if something that should have been escaped was not.
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'"
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}"
    head, tail = "", ""
    if data is not None:
        head = f"<script>{scripts[0]}</script>"
        tail = f'<script type="application/json" id="pictures">{embedded(data)}</script>\n<script>{scripts[1]}</script>'
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{escape(title)}</title>
<style>{resource("style.css")}</style>{head}</head>
<body><main>{body}</main>
{tail}</body></html>
"""
    return page.encode("utf-8", "replace")


def resource(name: str) -> str:
    """A file of this package."""
    return files("bench.page").joinpath(name).read_text(encoding="utf-8")


def embedded(value: Any) -> str:
    """JSON that may stand inside a script element: no text in it can end the element or open a comment."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def section(heading: str, content: str) -> str:
    """A part of the page under its heading, which is HTML already."""
    return f"<section><h2>{heading}</h2>\n{content}</section>\n"


def bullets(sentences: list[str], kind: str = "") -> str:
    """A list of sentences."""
    return f'<ul class="{kind}">' + "".join(f"<li>{escape(text)}</li>" for text in sentences) + "</ul>"


def definitions(facts: dict[str, Any]) -> str:
    """A list of terms and what they are."""
    rows = "".join(f"<dt>{escape(str(key))}</dt><dd>{escape(str(text))}</dd>" for key, text in facts.items())
    return f"<dl>{rows}</dl>"


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
