"""A page shows every name as text, lets nothing in or out, and has the same bytes each time."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from catdog import html

EVIL = "<img src=x onerror=alert(1)>.jpg"


class Reader(HTMLParser):
    """What a browser's parser finds: elements with their attributes, and the text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(markup: str) -> Reader:
    reader = Reader()
    reader.feed(markup)
    reader.close()
    return reader


@pytest.mark.parametrize("name", [EVIL, "</script><b>", "a&amp;b", "\"' onload=x", "--><x>"])
def test_a_name_is_text_and_an_attribute_value_whatever_it_holds(name: str) -> None:
    found = read(html.tag("p", {"title": name}, "see ", name))
    assert found.elements == [("p", {"title": name})]
    assert "".join(found.texts) == f"see {name}"


def test_html_stands_as_it_is_and_joins_escape_the_rest() -> None:
    inner = html.tag("b", {}, "1 < 2")
    assert html.joined(inner, "<") == "<b>1 &lt; 2</b>&lt;"
    assert html.tag("div", {"hidden": "", "id": None}, inner) == f"<div hidden>{inner}</div>"


@pytest.mark.parametrize("letter", ["\u202e", "\ud800", "\x00", "\n", "\u2066", "\x7f"])
def test_letters_that_do_not_show_are_spelled_out(letter: str) -> None:
    assert html.text(f"a{letter}b") == f"a{letter.encode('unicode_escape').decode()}b"


def test_letters_of_all_languages_stay() -> None:
    assert html.text("猫 ñ Ж 🐈") == "猫 ñ Ж 🐈"


@pytest.mark.parametrize("key", [EVIL, "</script><script>alert(1)//", "<!--<script>", "\u2028&"])
def test_data_cannot_end_its_element_and_is_read_back_equal(key: str) -> None:
    block = html.data_block("index", {"keys": [key]})
    content = block.removeprefix('<script type="application/json" id="index">')
    content = content.removesuffix("</script>")
    assert not set("<>&") & set(content)
    assert json.loads(content) == {"keys": [key]}


def test_the_policy_allows_the_style_and_the_script_of_the_page_alone() -> None:
    page = html.page("t", style=".a { color: red; }", script="let a = 1 < 2;")
    reader = read(page)
    (policy,) = [
        attributes["content"]
        for tag, attributes in reader.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.split(" ", 1) for rule in str(policy).split("; "))
    for kind in ("style", "script"):
        (content,) = re.findall(f"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    assert "script-src" not in html.page("t")


def test_the_policy_stands_before_all_that_it_governs() -> None:
    order = [tag for tag, _ in read(html.page("t", html.tag("img", {"src": "data:,"}))).elements]
    assert order[:4] == ["html", "head", "meta", "meta"]
    assert order.index("style") > 3 and order.index("img") > 3


def test_nothing_on_a_page_leads_out_of_it() -> None:
    page = html.page("t", html.tag("a", {"href": "#x"}, "x"), script="1;")
    for _, attributes in read(page).elements:
        for name in ("src", "href"):
            assert str(attributes.get(name) or "#").startswith(("#", "data:"))
    assert "http://" not in page and "https://" not in page and "url(" not in page


def test_numbers_of_a_table_stand_to_the_right_and_have_commas() -> None:
    found = read(html.table(("class", "pictures"), [("<b>", 1234), ("dog", 5)]))
    assert found.texts == ["class", "pictures", "<b>", "1,234", "dog", "5"]
    assert [a.get("class") for tag, a in found.elements if tag == "td"] == [None, "number"] * 2


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, by the definition in WCAG 2.2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read_in_both_schemes(scheme: int) -> None:
    colours = dict(
        re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", html.STYLE.split("@media")[scheme])
    )
    for ground in ("paper", "panel"):
        for name in ("ink", "quiet", "link", "bad", "good"):
            light, dark = sorted((luminance(colours[ground]), luminance(colours[name])))[::-1]
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, ground)
        for name in ("series-0", "series-1", "series-2", "series-3"):
            light, dark = sorted((luminance(colours[ground]), luminance(colours[name])))[::-1]
            assert (light + 0.05) / (dark + 0.05) >= 3, (name, ground)
