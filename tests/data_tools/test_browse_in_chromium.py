"""A browser shows the page: quietly, at any width, with a search that works and names as text."""

import http.server
import io
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data_tools import browse_tfrecords, build_tfrecords
from data_tools.config import BrowseConfig, BuildConfig

EVIL = "<img src=x onerror=alert(1)>.jpg"
NAMES = (EVIL, "y" * 200 + ".jpg", "</script><script>alert(2)</script>.jpg", "\u202eturned.jpg")

# The contract of the fixture in tests/conftest.py; a type there cannot be imported from here.
Browser = Any


def jpeg(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


def written(source: Path, folder: Path, **changes: Any) -> str:
    """The URL of the page about the pictures in `source`."""
    build_tfrecords.main(
        BuildConfig(source=str(source), output_dir=str(folder / "data"), workers=1)
    )
    page = folder / "page.html"
    browse_tfrecords.main(
        BrowseConfig(
            data_dir=str(folder / "data"), output_file=str(page), source=str(source), **changes
        )
    )
    return page.as_uri()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    for number in range(80):
        path = folder / "pictures" / ("cat", "dog")[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(number))
    for number, name in enumerate(NAMES):
        path = folder / "pictures/cat" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(100 + number))
    (folder / "pictures/dog/<u>broken.jpg").write_bytes(b"<html>")
    return written(folder / "pictures", folder)


@pytest.fixture
def quiet(browser: Browser) -> Iterator[Browser]:
    """The browser; at the end of the test it has asked for nothing and complained of nothing."""
    yield browser
    assert browser.requests == []
    assert browser.complaints == []


def results(browser: Browser) -> list[str]:
    found = browser.evaluate(
        "[...document.querySelectorAll('#results .key')].map(key => key.textContent)"
    )
    return list(found)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 768, 1440])
def test_nothing_sticks_out_sideways_or_is_asked_for(
    quiet: Browser, page: str, width: int, dark: bool
) -> None:
    quiet.open(page + "#q=.jpg", width=width, dark=dark)
    assert quiet.evaluate("innerWidth") == width
    assert len(results(quiet)) == 48
    assert quiet.evaluate("document.documentElement.scrollWidth") <= width
    broad = quiet.evaluate(
        "[...document.querySelectorAll('body *')].filter(e => "
        "e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 200))"
    )
    assert broad == []
    ground = quiet.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(20, 23, 27)" if dark else "rgb(255, 255, 255)")


def test_names_are_shown_as_text(quiet: Browser, page: str) -> None:
    quiet.open(page + "#q=onerror")
    assert results(quiet) == [f"cat/{EVIL}"]
    assert quiet.evaluate("document.querySelectorAll('[onerror], script').length") == 2
    shown = quiet.evaluate("document.body.innerText")
    assert EVIL in shown and "<u>broken.jpg" in shown
    assert "\u202e" not in quiet.evaluate("document.body.textContent")
    quiet.evaluate("location.hash = 'q=alert(2)'")
    quiet.evaluate("new Promise(done => setTimeout(done, 50))")
    assert results(quiet) == ["cat/</script><script>alert(2)</script>.jpg"]


def test_search_finds_by_key_class_and_split(quiet: Browser, page: str) -> None:
    quiet.open(page)
    assert results(quiet) == []
    assert quiet.evaluate("document.getElementById('found').textContent") == "85 to search"
    quiet.evaluate("document.getElementById('q').focus()")
    quiet.press("DOG 1")
    # Both words, in any case: dog/1.jpg, dog/11.jpg … and dog/21.jpg …
    expected = sorted(f"dog/{n}.jpg" for n in range(1, 80, 2) if "1" in str(n))
    assert results(quiet) == expected
    assert quiet.evaluate("location.hash") == "#q=DOG+1"
    first = quiet.evaluate("document.querySelector('#results li').innerText")
    assert "dog" in first and "record" in first and ".tfrecord-0000" in first
    pictures = quiet.evaluate("[...document.querySelectorAll('#results img')].map(i => i.width)")
    assert pictures == [56] * len(expected)
    quiet.open(page + "#split=rejected")
    assert results(quiet) == ["dog/<u>broken.jpg"]
    assert "rejected: not a JPEG" in quiet.evaluate("document.querySelector('#results').innerText")
    train, validation = [], []
    for split, found in (("train", train), ("validation", validation)):
        quiet.open(page + f"#class=cat&split={split}")
        found += results(quiet)
    assert len(train) + len(validation) == 44 and not set(train) & set(validation)


def test_more_results_come_at_the_press_of_a_button_that_the_keyboard_reaches(
    quiet: Browser, page: str
) -> None:
    quiet.open(page + "#q=jpg")
    assert quiet.evaluate("document.getElementById('found').textContent") == "85 of 85 found"
    assert len(results(quiet)) == 48
    quiet.evaluate("document.getElementById('more').click()")
    assert len(results(quiet)) == 85
    assert quiet.evaluate("document.getElementById('more').hidden")
    # The first of the new ones has the focus: the next Tab goes on from there.
    assert quiet.evaluate(
        "document.activeElement === document.querySelector('#results').children[48]"
    )
    order = quiet.evaluate(
        "[...document.querySelectorAll('a, input, select, summary')].map(e => e.tabIndex)"
    )
    assert set(order) == {0}


def test_the_page_is_whole_without_javascript(browser: Browser, page: str) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
        document = browser.call("DOM.getDocument")["root"]["nodeId"]
        seen = {}
        for part in ("noscript p", "#fields", ".pictures img", "svg rect", "#rejects td"):
            node = browser.call("DOM.querySelector", nodeId=document, selector=part)["nodeId"]
            try:
                browser.call("DOM.getBoxModel", nodeId=node)
                seen[part] = True
            except AssertionError:
                seen[part] = False
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
    assert seen.pop("#fields") is False  # it could do nothing
    assert set(seen.values()) == {True}


class Counter(http.server.BaseHTTPRequestHandler):
    """Counts what it is asked for."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def test_whatever_ran_on_the_page_could_reach_no_server(browser: Browser, page: str) -> None:
    # Chromium may open a connection ahead of a request that the policy then refuses, and keep it
    # for a minute: with threads nobody waits for it.
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Counter)
    server.daemon_threads, server.block_on_close = True, False
    url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        browser.open(page)
        browser.evaluate(
            f"""new Promise(done => {{
                new Image().src = "{url}/image";
                document.body.insertAdjacentHTML("beforeend", '<img src="{url}/tag">' +
                  '<iframe src="{url}/frame"></iframe><link rel=stylesheet href="{url}/style">');
                fetch("{url}/fetch").catch(() => 0);
                navigator.sendBeacon("{url}/beacon");
                setTimeout(done, 300);
            }})"""
        )
        assert Counter.asked == []
        refused = [said for said in browser.complaints if "Content Security Policy" in said]
        assert len(refused) >= 5
    finally:
        server.shutdown()
        server.server_close()


def test_page_of_the_1000_originals(real_data: Path, browser: Browser, tmp_path: Path) -> None:
    url = written(real_data / "petimages-1000.zip", tmp_path)
    assert (tmp_path / "page.html").stat().st_size < 10_000_000
    for width in (390, 1440):
        browser.open(url + "#q=PetImages/Dog/1", width=width)
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        assert all(key.startswith("PetImages/Dog/1") for key in results(browser))
        assert browser.requests == browser.complaints == []
    browser.open(url + "#q=cat/666.jpg")
    assert results(browser) == ["PetImages/Cat/666.jpg"]
    assert "rejected: empty file" in browser.evaluate("document.querySelector('main').innerText")
