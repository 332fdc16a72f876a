"""A merge request as a person sees it: GitHub's Markdown parser, the Mermaid of the forges, a browser.

The page may load nothing but itself, and every try to is counted.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import cmarkgfm
from cmarkgfm.cmark import Options
from playwright.sync_api import Browser, Route, sync_playwright

MERMAID: Final = Path(__file__).parents[2] / ".venv" / "page" / "mermaid.min.js"
PROGRAMS: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_PAGE: Final = "http://drawn.test/"

# As on a forge: its width, its tables, its grey of code.
_STYLE: Final = """
body {font: 14px/1.5 'Liberation Sans', 'DejaVu Sans', sans-serif; color: #1f2328; background: #fff;
      width: 900px; margin: 24px auto}
h1 {font-size: 24px; border-bottom: 1px solid #d1d9e0; padding-bottom: 8px}
code, pre {font-family: 'Liberation Mono', 'DejaVu Sans Mono', monospace; font-size: 85%}
code {background: #eff1f3; border-radius: 6px; padding: .2em .4em}
pre {background: #f6f8fa; padding: 12px; border-radius: 6px; overflow: auto}
pre code {background: none; padding: 0}
pre.drawn {background: none; padding: 0; text-align: center}
table {border-collapse: collapse; display: block; overflow: auto}
th, td {border: 1px solid #d1d9e0; padding: 6px 13px} tr:nth-child(2n) {background: #f6f8fa}
a {color: #0969da} details {margin: 0 0 16px} ul {padding-left: 2em}
"""
_DRAW: Final = """
async () => {
  const codes = [...document.querySelectorAll('pre[lang=mermaid] > code, pre > code.language-mermaid')];
  for (const details of document.querySelectorAll('details')) details.open = true;
  const errors = [];
  mermaid.initialize({startOnLoad: false, securityLevel: 'strict'});
  for (const [at, code] of codes.entries()) {
    try {
      const {svg} = await mermaid.render('chart' + at, code.textContent);
      const place = code.parentElement;
      place.className = 'drawn';
      place.innerHTML = svg;
    } catch (error) { errors.push(String(error)); }
  }
  return errors;
}
"""
_FOLD: Final = "open => { for (const one of document.querySelectorAll('details')) one.open = open; }"
_COUNT: Final = """
names => Object.fromEntries(names.map(
  name => [name, [...document.querySelectorAll('main ' + name)].filter(one => !one.closest('svg')).length]))
"""


class Seen(NamedTuple):
    """What came of a body in the browser."""

    charts: int  # that became a picture
    wanted: int  # that were in the body
    errors: tuple[str, ...]  # Mermaid's
    asked: tuple[str, ...]  # addresses that the page wanted to load
    ran: bool  # whether a script of the body did
    said: tuple[str, ...]  # the console, and dialogs
    text: str
    marks: dict[str, int]  # elements by name
    width: int  # of what is shown: 900 fit


def browser_program() -> str:
    """ "" where there is none."""
    asked = os.environ.get("RECONCILER_CHROMIUM", "")
    return asked or next((found for name in PROGRAMS if (found := shutil.which(name))), "")


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=browser_program(), args=["--no-sandbox"])
        yield found
        found.close()


def html(body: str) -> str:
    """With every piece of HTML that is in it: what a forge would take out must not be there."""
    told: str = cmarkgfm.github_flavored_markdown_to_html(body, options=Options.CMARK_OPT_UNSAFE)
    return told


def draw(found: Browser, title: str, body: str, picture: Path, *, unfolded: bool = False) -> Seen:
    asked: list[str] = []
    said: list[str] = []
    page = found.new_page(viewport={"width": 980, "height": 800})
    text = (
        f"<!doctype html><meta charset=utf-8><style>{_STYLE}</style><script src=mermaid.js></script>"
        f"<h1></h1><main>{html(body)}</main>"
    )

    def answer(route: Route) -> None:
        url = route.request.url
        if url == _PAGE:
            route.fulfill(body=text, content_type="text/html; charset=utf-8")
        elif url == f"{_PAGE}mermaid.js":
            route.fulfill(body=MERMAID.read_bytes(), content_type="text/javascript")
        else:
            asked.append(url)
            route.abort()

    page.route("**/*", answer)
    page.on("console", lambda line: said.append(line.text))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.goto(_PAGE)
    page.evaluate("title => { document.querySelector('h1').textContent = title; }", title)
    wanted = page.locator("pre[lang=mermaid] > code, pre > code.language-mermaid").count()
    errors = page.evaluate(_DRAW)
    page.evaluate(_FOLD, unfolded)
    page.screenshot(path=picture, full_page=True)
    page.evaluate(_FOLD, True)
    names = ["a", "img", "script", "iframe", "input", "h1", "h2", "h3", "style", "form", "object", "details"]
    seen = Seen(
        page.locator("pre.drawn > svg").count(),
        wanted,
        tuple(errors),
        tuple(asked),
        bool(page.evaluate("window.pwned !== undefined")),
        tuple(said),
        page.locator("main").inner_text(),
        page.evaluate(_COUNT, names),
        page.evaluate("document.documentElement.scrollWidth"),
    )
    page.close()
    return seen
