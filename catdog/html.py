"""Pages that are one file: escaped by construction, with no request to anywhere, same bytes always.

    body = html.tag("p", {"class": "quiet"}, "from ", html.tag("b", {}, "<img src=x>.jpg"))
    files.write_whole(path, html.page("Pictures", body))

Only `Html` stands in a page as it is; every plain string is text and gets escaped. The page's
content security policy allows pictures that are in it, its one style and its one script, by their
hashes, and nothing else.
"""

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from typing import Any

_VOID = frozenset(("br", "img", "input", "link", "meta"))

# Colours of text have a contrast of at least 4.5 : 1 (WCAG 2.2, AA) on paper and on panel, in both
# schemes; tests/catdog/test_html.py computes it.
STYLE = """\
:root { color-scheme: light dark; --paper: #ffffff; --panel: #f4f5f7; --ink: #1b1f24;
  --quiet: #57606a; --line: #d5d9de; --link: #0b5cad; --bad: #b3261e; --good: #1a6b34;
  --series-0: #2f6db5; --series-1: #b3570c; --series-2: #2b7a4b; --series-3: #8a3fa0; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --panel: #1e2228; --ink: #e6e9ec;
  --quiet: #a3abb5; --line: #3a4149; --link: #7cb7ff; --bad: #ff9a91; --good: #7fd49a;
  --series-0: #6ea8ec; --series-1: #f0a15c; --series-2: #6cc48f; --series-3: #cf92e0; } }
*, *::before, *::after { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.25rem 1rem 4rem; max-width: 84rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1, h2, h3, p, dd, dt, li, td, th, figcaption, summary { overflow-wrap: anywhere; min-width: 0; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 3rem 0 .5rem; padding-top: .75rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p { margin: .5rem 0; max-width: 70ch; }
a { color: var(--link); }
.quiet { color: var(--quiet); }
.bad { color: var(--bad); }
code, .key { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .875em;
  overflow-wrap: anywhere; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: .375rem;
  padding: .75rem; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .875rem; }
table { border-collapse: collapse; margin: .5rem 0; font-size: .9375rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem 1.25rem .3rem 0;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--quiet); }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 2px; }
summary { cursor: pointer; padding: .25rem 0; }
img { max-width: 100%; height: auto; }
"""


class Html(str):
    """Markup that stands in a page as it is; only this module makes it of plain text."""

    __slots__ = ()


def visible(content: str) -> str:
    """The content with letters that do not show spelled out, such as \\u202e.

    A lone surrogate, a control or an order to turn the direction of writing round cannot do
    anything then, and can be seen.
    """
    if content.isprintable():
        return content
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in content
    )


def text(content: str) -> Html:
    """The content as `visible` text with <, >, & and quotes escaped."""
    return Html(html.escape(visible(content), quote=True))


def joined(*children: str) -> Html:
    """The children one after the other; those that are no `Html` are text."""
    return Html("".join(c if isinstance(c, Html) else text(c) for c in children))


def tag(name: str, attributes: Mapping[str, str | int | float | None], *children: str) -> Html:
    """The element of this name.

    Args:
      name: as the caller spells it; never from data.
      attributes: values are escaped; the value "" writes the name alone, None nothing at all.
      children: those that are no `Html` are text.
    """
    written = "".join(
        f" {key}" if value == "" else f' {key}="{text(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{joined(*children)}</{name}>")


def table(header: tuple[str, ...], rows: list[tuple[str | int, ...]]) -> Html:
    """A table; whole numbers stand to the right, with a comma between thousands."""
    numbers = [bool(rows) and all(isinstance(r[i], int) for r in rows) for i in range(len(header))]
    kinds = [{"class": "number" if is_number else None} for is_number in numbers]
    head = (
        tag("th", {"scope": "col", **kind}, name) for name, kind in zip(header, kinds, strict=True)
    )
    body = (
        tag("tr", {}, *(tag("td", kind, _cell(v)) for v, kind in zip(row, kinds, strict=True)))
        for row in rows
    )
    return tag("table", {}, tag("thead", {}, tag("tr", {}, *head)), tag("tbody", {}, *body))


def _cell(value: str | int) -> str:
    return f"{value:,}" if isinstance(value, int) else value


def jpeg_uri(jpeg: bytes) -> str:
    """The picture as the value of an img's src."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def data_block(identifier: str, value: Any) -> Html:
    """The JSON of `value`, for a script to find by its id; no text in it can end the element."""
    encoded = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for mark in "<>&":
        encoded = encoded.replace(mark, f"\\u{ord(mark):04x}")
    return Html(f'<script type="application/json" id="{text(identifier)}">{encoded}</script>')


def _hash_source(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def page(title: str, *body: str, style: str = "", script: str = "") -> str:
    """The whole page, to be written as UTF-8; equal arguments give equal bytes.

    Args:
      title: of the window.
      body: its elements; those that are no `Html` are text.
      style: rules after those of `STYLE`.
      script: run once the body is there; the page has to be of use without it.
    """
    rules = STYLE + style
    policy = ["default-src 'none'", "img-src data:", f"style-src {_hash_source(rules)}"]
    if script:
        policy.append(f"script-src {_hash_source(script)}")
    policy += ["base-uri 'none'", "form-action 'none'"]
    # ' is safe inside of " and the policy has to stand as it is: it holds nothing from outside.
    content = Html("; ".join(policy))
    head = joined(
        tag("meta", {"charset": "utf-8"}),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{content}">'),
        tag("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        tag("meta", {"name": "color-scheme", "content": "light dark"}),
        tag("meta", {"name": "referrer", "content": "no-referrer"}),
        tag("link", {"rel": "icon", "href": "data:,"}),  # else a browser asks the server for one
        tag("title", {}, title),
        tag("style", {}, Html(rules)),
    )
    end = tag("script", {}, Html(script)) if script else Html("")
    whole = tag("html", {"lang": "en"}, tag("head", {}, head), tag("body", {}, *body, end))
    return f"<!doctype html>\n{whole}\n"
