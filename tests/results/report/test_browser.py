"""The report from disk in headless Chromium: find, open, compare, by mouse, keys and link; hostile text stays text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from results.report.write import write_report
from tests.support.chromium import chromium
from tests.support.reports import HOSTILE, finished_run, source

pytestmark = pytest.mark.slow
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its address on disk. The first run is right but for two samples, the second says "yes" to everything."""
    root = tmp_path_factory.mktemp("report")
    data = source(root / "data")
    finished_run(root / "runs" / "first", data, {"00000": HOSTILE, "00001": None})
    finished_run(root / "runs" / "second", data, {}, otherwise="yes")
    write_report([root / "runs"], root / "report")
    return (root / "report" / "index.html").as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Whatever the page complains about fails the test."""
    context = browser.new_context(offline=True)
    shown = context.new_page()
    faults: list[str] = []
    shown.on("console", lambda message: faults.append(message.text))
    shown.on("pageerror", lambda error: faults.append(str(error)))
    yield shown
    assert faults == []
    context.close()


def show(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_selector('#list[aria-busy="false"]')


def ids(page: Page) -> list[str]:
    found: list[str] = page.eval_on_selector_all(".line", "lines => lines.map(line => line.dataset.id)")
    return found


def test_the_overview_is_there_at_once_and_loads_no_data(page: Page, report: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report)
    assert page.locator("#overview h1").is_visible()
    assert page.locator("#overview td", has_text="first").first.is_visible()
    assert page.locator("#overview circle.dot").count() >= 2
    assert not [url for url in asked if "/data/" in url]
    assert all(url.startswith("file://") for url in asked)


def test_states_and_words_filter(page: Page, report: str) -> None:
    show(page, f"{report}#samples?task=gqa")
    total = page.inner_text("#count")
    page.select_option("#state", "wrong")
    expect(page.locator(".line")).to_have_count(1)
    assert ids(page) == ["00000"]
    page.select_option("#state", "missing")
    expect(page.locator(".line")).to_have_attribute("data-id", "00001")
    page.select_option("#state", "")
    expect(page.locator("#count")).to_have_text(total)
    page.fill("#search", "HOW many triangles")
    questions = page.eval_on_selector_all(".question", "all => all.map(one => one.textContent)")
    assert questions
    assert all(text.startswith("How many triangles") for text in questions)


def test_a_link_opens_a_sample_with_its_picture_answer_and_why(page: Page, report: str) -> None:
    show(page, f"{report}#samples?task=gqa&id=00002")
    page.wait_for_selector("#detail h2")
    assert page.inner_text("#detail h2") == "00002"
    assert page.eval_on_selector("#detail img", "one => one.decode().then(() => one.naturalWidth)") > 0
    words = page.inner_text("#detail")
    assert "Answer the question using a single word or phrase." in words
    assert "accuracy" in words


def test_keys_go_through_the_list_search_and_close(page: Page, report: str) -> None:
    show(page, f"{report}#samples?task=gqa")
    page.keyboard.press("j")
    page.wait_for_selector("#detail h2")
    assert "id=00000" in page.url
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    expect(page.locator("#detail h2")).to_have_text("00001")
    page.keyboard.press("Escape")
    expect(page.locator("#detail h2")).to_have_count(0)
    page.keyboard.press("/")
    page.keyboard.type("jjj")
    assert page.input_value("#search") == "jjj"
    assert page.inner_text("#list") == "No sample fits."
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.tagName") == "BODY"


def test_keys_turn_the_page_of_the_list(page: Page, report: str) -> None:
    show(page, f"{report}#samples?task=gqa")
    last = ids(page)[-1]
    page.locator(".line").last.click()
    page.wait_for_selector("#detail h2")
    assert f"id={last}" in page.url
    page.keyboard.press("j")
    expect(page.locator(f".line[data-id='{last}']")).to_have_count(0)
    assert page.locator(".line[aria-current]").count() == 1
    page.click("#previous")
    assert last in ids(page)


def test_two_runs_stand_side_by_side_where_they_differ(page: Page, report: str) -> None:
    show(page, f"{report}#samples?task=gqa&state=disagreement&vs=1&id=00002")
    page.wait_for_selector("#detail h2")
    assert page.locator("#detail .answer").count() == 2
    assert page.locator(".line").first.locator(".state").count() == 2
    for line in page.locator(".line").all()[:10]:
        assert len({badge.inner_text() for badge in line.locator(".state").all()}) == 2


def test_what_only_one_run_was_asked_stands_beside_its_answer(page: Page, tmp_path: Path) -> None:
    data = source(tmp_path / "data")
    finished_run(tmp_path / "runs" / "first", data, {}, names=("mlvu",))
    finished_run(tmp_path / "runs" / "second", data, {}, names=("mlvu",), prompt="lmms-eval")
    write_report([tmp_path / "runs"], tmp_path / "report", most_media=0)
    show(page, (tmp_path / "report" / "index.html").as_uri() + "#samples?task=mlvu&vs=1")
    page.locator(".line").first.click()
    page.wait_for_selector("#detail h2")
    first, second = (page.locator("#detail .answer").nth(n) for n in (0, 1))
    assert "Asked otherwise" not in first.inner_text()
    assert "Asked otherwise" in second.inner_text()


def test_a_clip_shows_its_frames(page: Page, report: str) -> None:
    show(page, f"{report}#samples?task=mlvu")
    page.locator(".line").first.click()
    page.wait_for_selector("#detail figcaption")
    assert "sampled frames" in page.inner_text("#detail figcaption")


def test_a_hostile_answer_does_nothing(page: Page, report: str) -> None:
    show(page, f"{report}#samples?task=gqa&id=00000")
    page.wait_for_selector("#detail .answer pre")
    assert "window.taken = 1" in page.inner_text("#detail .answer pre")
    assert page.evaluate("window.taken") is None
    assert page.locator("#detail script, #list script, #detail img[src='x']").count() == 0


def test_a_hostile_link_does_nothing(page: Page, report: str) -> None:
    show(page, f"{report}#samples?task=<img src=x onerror=window.taken=1>&run=9&state=zzz&id=nobody")
    assert page.evaluate("window.taken") is None
    assert page.input_value("#run") == "0"


def test_a_script_that_came_into_the_page_would_not_run(browser: Browser, report: str) -> None:
    shown = browser.new_context(offline=True).new_page()
    show(shown, f"{report}#samples")
    refused = shown.evaluate(
        """() => new Promise(done => {
             document.addEventListener('securitypolicyviolation', event => done(event.violatedDirective));
             const script = document.createElement('script');
             script.textContent = 'window.taken = 2';
             document.body.append(script);
           })"""
    )
    assert refused.startswith("script-src")
    assert shown.evaluate("window.taken") is None
    shown.context.close()


def test_going_back_closes_the_sample(page: Page, report: str) -> None:
    show(page, f"{report}#samples?task=gqa")
    page.locator(".line").nth(3).click()
    page.keyboard.press("j")
    expect(page.locator("#detail h2")).to_have_text("00004")
    page.go_back()
    expect(page.locator("#detail h2")).to_have_count(0)
    assert page.locator(".line[aria-current]").count() == 0


def test_the_search_looks_at_what_the_second_run_said_too(page: Page, report: str) -> None:
    show(page, f"{report}#samples?task=gqa&state=wrong")
    page.fill("#search", "window.taken")
    assert ids(page) == ["00000"]
    show(page, f"{report}#samples?task=gqa&run=1&state=wrong")
    page.fill("#search", "window.taken")
    assert ids(page) == []
    page.select_option("#vs", "0")
    expect(page.locator(".line")).to_have_count(1)
    assert ids(page) == ["00000"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_themes(browser: Browser, report: str, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme)  # type: ignore[arg-type]
    shown = context.new_page()
    show(shown, f"{report}#samples?task=gqa&id=00002")
    ink, paper = (
        sum(int(part) for part in shown.evaluate(f"getComputedStyle(document.body).{name}").strip("rgb()").split(","))
        for name in ("color", "backgroundColor")
    )
    assert (ink < paper) == (scheme == "light")
    assert abs(ink - paper) > 3 * 150
    context.close()


@pytest.mark.parametrize("width", [800, 1000, 1600])
def test_list_and_sample_scroll_on_their_own_and_the_page_does_not(page: Page, report: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 500})
    show(page, f"{report}#samples?task=gqa&vs=1&id=00002")
    page.wait_for_selector("#detail .answer")
    assert page.evaluate("document.documentElement.scrollHeight") <= 500
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for box in ("list", "detail"):
        low = page.evaluate(f"document.getElementById('{box}').getBoundingClientRect().bottom")
        assert low <= 500
        assert page.evaluate(f"(one => one.scrollHeight > one.clientHeight)(document.getElementById('{box}'))")


@pytest.mark.parametrize("view", ["overview", "samples?task=gqa", "samples?task=gqa&id=00002&vs=1"])
def test_a_phone_needs_no_sideways_scrolling(browser: Browser, report: str, view: str) -> None:
    context = browser.new_context(viewport=PHONE)  # type: ignore[arg-type]
    shown = context.new_page()
    shown.goto(f"{report}#{view}")
    shown.wait_for_timeout(500)
    assert shown.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    if "id=" in view:
        assert shown.locator("#detail").is_visible()
        assert not shown.locator("#list").is_visible()
        shown.click("#close")
        assert shown.locator("#list").is_visible()
    context.close()
