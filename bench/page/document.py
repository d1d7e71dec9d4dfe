"""The frame of a page: one file that asks the network for nothing, and whose browser would refuse if it did."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

# Before anything is drawn: says that scripts run, so that what stands in for them is never seen to vanish.
_MARK = 'document.documentElement.classList.add("scripted");'
# Every text is escaped, unless it is `Markup`: a template's result or a file of this package.
_TEMPLATES = Environment(
    loader=PackageLoader("bench.page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_TEMPLATES.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}


def document(template: str, title: str, values: dict[str, Any], data: dict[str, Any] | None = None) -> bytes:
    """A whole page; data: what the explorer shows, without which the page has no script."""
    scripts = [] if data is None else [Markup(_MARK), resource("view.js") + resource("explorer.js")]
    # Only these scripts run, even if something that should have been escaped was not.
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'"
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}"
    frame = {"title": title, "policy": policy, "style": resource("style.css"), "scripts": scripts, "data": data}
    return rendered(template, **frame, **values).encode("utf-8", "replace")


def rendered(template: str, **values: Any) -> Markup:
    """A template of this package with its values."""
    return Markup(_TEMPLATES.get_template(template).render(values))


def resource(name: str) -> Markup:
    """A file of this package, which is HTML or may stand in it."""
    return Markup(files("bench.page").joinpath(name).read_text(encoding="utf-8"))


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
