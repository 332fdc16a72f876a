"""Merge requests as people see them, in a real browser: what is drawn, and what is not let through."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from body_world import LAST, MI, change, keep, memory, proposal, used

from reconciler.model import ChangeClass, ContainerRef, Field, OomKill, Proof, Proposal, Reason

if TYPE_CHECKING:
    from drawn import Seen
    from playwright.sync_api import Browser

NASTY = (
    "web@team #1 !2 <script>window.pwned=1</script> [x](http://evil.test) | `a` ![i](http://evil.test/i.png) "
    "--> <img src=x onerror=window.pwned=1> %%{init}%% \u202e\u200b - [ ] www.evil.test ``` \n# head"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Where something is missing: skipped, loudly; failed on CI."""
    drawn = pytest.importorskip("drawn") if not os.environ.get("CI") else __import__("drawn")
    missing = [] if drawn.browser_program() else ["Chromium (Debian: chromium-headless-shell)"]
    missing += [] if drawn.MERMAID.is_file() else ["Mermaid (.ci/page)"]
    if missing:
        text = f"to look at merge requests: {' and '.join(missing)} not found"
        if os.environ.get("CI"):
            pytest.fail(f"{text} (needed on CI)", pytrace=False)
        pytest.skip(text)
    with drawn.browser() as found:
        yield found


def seen(browser: Browser, one: Proposal, folder: Path) -> Seen:
    from drawn import draw

    found = draw(browser, one.title, one.body, folder / "seen.png")
    assert (folder / "seen.png").stat().st_size > 10_000
    assert not found.errors
    assert found.charts == found.wanted
    assert not found.asked, "the page must load nothing"
    assert not found.said
    assert not found.ran
    assert found.width <= 980, "wider than the page"
    for name in ("img", "script", "iframe", "style", "form", "object", "h1", "h2", "h3"):
        assert not found.marks[name], name
    assert found.marks["input"] == 3, "the three boxes, and no other"
    return found


def small() -> Proposal:
    proof = Proof("web (prod)", "helm 3.14.4", ("shop/Deployment/web/app requests.cpu",), (), (), (), 2)
    api = ContainerRef("", "shop", "Deployment", "api", "server")
    second = change(api, Field.MEMORY_REQUEST, "1Gi", "768Mi", usage=used(memory=600 * MI))
    held = keep(field=Field.MEMORY_LIMIT, value="1Gi", reason=Reason.ONLY_RAISED, detail="lowerLimit: false")
    return proposal([change(proofs=[proof]), second], near=[keep(), held])


def test_a_small_one(browser: Browser, tmp_path: Path) -> None:
    found = seen(browser, small(), tmp_path)
    assert found.charts == 2
    assert found.marks["a"] == 2, "each value leads to its line"
    assert found.text.startswith("Frees 300m and 768Mi of requests over all replicas, saves $")
    for words in ("500m → 400m", "51 % above p95", "Why not more", "it is never lowered", "Rebase", "main"):
        assert words in found.text.replace("\u00a0", " "), words


def test_a_safety_one_over_many_days(browser: Browser, tmp_path: Path) -> None:
    raised = change(klass=ChangeClass.SAFETY, old=None, new="300m", usage=used(days=40))
    killed = memory(usage=used(memory=430 * MI, days=5, oom_kills=(OomKill(LAST, 3, 384 * MI),)))
    found = seen(browser, proposal([killed, raised]), tmp_path)
    assert found.charts == 2
    assert "confidence: low (5 days, 100 % of samples)" in found.text
    assert "3 OOM kills" in found.text


def test_a_huge_one(browser: Browser, tmp_path: Path) -> None:
    refs = [ContainerRef("", f"team-{n % 40}", "Deployment", f"service-{n:04}", "app") for n in range(1500)]
    one = proposal([change(ref, usage=used(cpu=200 + n)) for n, ref in enumerate(refs)])
    found = seen(browser, one, tmp_path)
    assert found.charts == 3
    assert "… and 1,440 more, in the diff" in found.text


def test_a_hostile_one(browser: Browser, tmp_path: Path) -> None:
    ref = ContainerRef(NASTY, NASTY, "Deployment", NASTY, NASTY)
    told = (NASTY, NASTY)
    proof = Proof(NASTY, NASTY, told, told, told, told, 1)
    hostile = change(ref, because=NASTY, path=f"a/](http://evil.test)/{NASTY}.yaml", proofs=[proof])
    one = proposal([hostile], near=[keep(ref, detail=NASTY)], name=NASTY, base="main`<img src=x>`")
    found = seen(browser, one, tmp_path)
    assert found.charts == 1
    assert found.marks["a"] == 0 or "evil" not in "".join(found.asked)
