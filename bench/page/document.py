"""The frame of a page: a single file that loads nothing from the network, and a policy that forbids it to."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

# Runs before the page is drawn, and marks that scripts run, so that the static figure does not appear and vanish.
_MARK = 'document.documentElement.classList.add("scripted");'
# Templates escape every text except `Markup`, which is a template's result or a file of this package.
_TEMPLATES = Environment(
    loader=PackageLoader("bench.page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_TEMPLATES.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}


def document(template: str, title: str, values: dict[str, Any], data: dict[str, Any] | None = None) -> bytes:
    """Make a whole page.

    Args:
        template: file of the template.
        title: title of the page.
        values: values of the template.
        data: content of the explorer, or None for a page without scripts.

    Returns:
        The page in UTF-8.
    """
    scripts = [] if data is None else [Markup(_MARK), resource("view.js") + resource("explorer.js")]
    # The policy allows these scripts alone, even if a text was not escaped by mistake.
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'"
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}"
    frame = {"title": title, "policy": policy, "style": resource("style.css"), "scripts": scripts, "data": data}
    return rendered(template, **frame, **values).encode("utf-8", "replace")


def rendered(template: str, **values: Any) -> Markup:
    """Fill a template of this package with values."""
    return Markup(_TEMPLATES.get_template(template).render(values))


def resource(name: str) -> Markup:
    """Read a file of this package that is HTML or a part of HTML."""
    return Markup(files("bench.page").joinpath(name).read_text(encoding="utf-8"))


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
