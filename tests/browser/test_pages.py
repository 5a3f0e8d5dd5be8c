"""The pages in a real browser: quiet, alone, readable light and dark, wide and narrow, by pointer, finger and keys."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from checked import checked
from compared import compared
from judged import METRICS, judged
from monitored import monitored
from previewed import previewed
from tunesmith.pages.check import check_page
from tunesmith.pages.compare import compare_page
from tunesmith.pages.monitor import monitor_page
from tunesmith.pages.preview import preview_page
from tunesmith.pages.verdict import verdict_page

PAGES: dict[str, Callable[[], str]] = {
    "verdict": lambda: verdict_page(judged(hostile=True)),
    "preview": lambda: preview_page(previewed(hostile=True)),
    "compare": lambda: compare_page(compared(hostile=True), METRICS),
    "check": lambda: check_page(checked(hostile=True, ok=False)),
    "monitor": lambda: monitor_page(monitored(hostile=True)),
}
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, headless; the tests are skipped where there is none."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium was found; on Debian: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        try:
            opened = started.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        except playwright.Error as error:  # Ubuntu's `chromium-browser` without its snap, for one
            pytest.skip(f"{found} does not start: {str(error).splitlines()[0]}")
        yield opened
        opened.close()


@dataclass
class Opened:
    """A page as it stands in the browser, and everything it complained of or asked for."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def count(self, selector: str) -> int:
        return self.page.locator(f"{selector}:visible").count()


@pytest.fixture
def look(browser, tmp_path) -> Iterator[Callable[..., Opened]]:
    """Opens a page by its name, as a file; keywords are the browser context's."""
    contexts = []

    def open_page(name: str, **wanted: Any) -> Opened:
        file: Path = tmp_path / f"{name}.html"
        file.write_text(PAGES[name](), encoding="utf-8")
        context = browser.new_context(**{"viewport": WIDE, **wanted})
        contexts.append(context)
        opened = Opened(context.new_page())
        opened.page.on("console", lambda message: opened.said.append(f"{message.type}: {message.text}"))
        opened.page.on("pageerror", lambda error: opened.said.append(str(error)))
        opened.page.on("request", lambda request: opened.asked.append(request.url))
        opened.page.goto(file.as_uri())
        return opened

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_full_of_hostile_text_is_quiet_alone_accessible_and_fits(look, name, scheme, viewport) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    opened = look(name, color_scheme=scheme, viewport=viewport)
    wide = opened.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide[0] <= wide[1], "the page can be scrolled sideways"
    assert opened.page.title() != "pwned"
    assert opened.page.evaluate("document.querySelectorAll('img, iframe, object, embed').length") == 0
    opened.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    found = axe.Axe().run(opened.page).response["violations"]
    assert not [(each["id"], each["nodes"][0]["html"][:200]) for each in found
                if each["impact"] in ("serious", "critical")]
    assert opened.said == []
    assert [url.split(":")[0] for url in opened.asked if not url.startswith("data:")] == ["file"]


def test_the_policy_stops_a_script_and_a_request_that_are_put_in_later(look) -> None:
    opened = look("verdict")
    opened.page.evaluate("""() => {
        const script = document.createElement('script');
        script.textContent = "document.title = 'pwned'";
        document.body.append(script);
        const image = new Image();
        image.src = 'https://example.invalid/x.png';
        document.body.append(image);
    }""")
    opened.page.wait_for_timeout(100)
    assert opened.page.title() != "pwned"
    assert len(opened.said) >= 2 and all("Content Security Policy" in line for line in opened.said)


def test_the_button_turns_light_to_dark_and_back(look) -> None:
    opened = look("verdict", color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = opened.page.evaluate(paper)
    opened.page.get_by_role("button", name="Dark").click()
    assert opened.page.evaluate(paper) != light
    opened.page.get_by_role("button", name="Light").click()
    assert opened.page.evaluate(paper) == light


def test_the_curves_are_drawn_and_tell_the_loss_under_the_pointer(look) -> None:
    opened = look("verdict")
    assert opened.count("figure.curves canvas") == 1
    assert opened.count(".still") == 0
    opened.page.locator(".u-over").hover()
    assert " at " in opened.page.locator(".legend .at").first.inner_text()


def test_without_scripts_all_but_the_controls_is_there(look) -> None:
    opened = look("verdict", java_script_enabled=False)
    assert opened.count(".still svg") == 1
    assert opened.count(".answer") == 40
    assert opened.count(".controls") == opened.count("button.theme") == 0


def test_answers_are_filtered_and_searched(look) -> None:
    opened = look("verdict")
    lost = opened.page.get_by_role("button", name="lost")
    lost.focus()
    opened.page.keyboard.press("Enter")
    assert lost.get_attribute("aria-pressed") == "true"
    assert 0 < opened.count(".answer") == opened.count(".answer.lost") < 40
    opened.page.get_by_role("button", name="all").click()
    opened.page.get_by_role("searchbox").fill("after 17?")
    assert opened.count(".answer") == 1
    assert opened.page.get_by_role("status").first.inner_text() == "1 of 40"
    opened.page.get_by_role("searchbox").fill("nobody says this")
    assert opened.count(".nothing") == 1


def test_the_first_tab_stops_are_those_that_are_seen(look) -> None:
    opened = look("verdict")
    reached = []
    for _ in range(8):
        opened.page.keyboard.press("Tab")
        reached.append(opened.page.evaluate("document.activeElement.tagName"))
    assert reached[0] == "BUTTON" and "SUMMARY" in reached and "INPUT" in reached


def test_a_token_tells_its_id_text_and_weight_to_pointer_and_keys(look) -> None:
    opened = look("preview")
    opened.page.locator(".tokens > .c").first.hover()
    told = opened.page.locator(".picked")
    assert "<|im_start|>" in told.inner_text() and "control token" in told.inner_text()
    opened.page.locator(".tokens").nth(1).focus()
    for _ in range(4):
        opened.page.keyboard.press("ArrowRight")
    assert "Ã" in told.inner_text()
    for _ in range(4):
        opened.page.keyboard.press("ArrowDown")
    assert "0.5" in told.inner_text() and "learnt" in told.inner_text()
    opened.page.keyboard.press("Escape")
    assert not told.is_visible()


def test_a_token_tells_itself_to_a_finger(look) -> None:
    opened = look("preview", viewport=PHONE, has_touch=True, is_mobile=True)
    opened.page.locator(".tokens > b").first.tap()
    assert "learnt" in opened.page.locator(".picked").inner_text()


def test_on_paper_there_is_nothing_to_press_and_the_curves_are_still(look) -> None:
    opened = look("verdict", color_scheme="dark")
    opened.page.emulate_media(media="print", color_scheme="dark")
    assert opened.count("button") == 0
    assert opened.count(".still svg") == 1 and opened.count(".uplot") == 0
    assert opened.page.evaluate("getComputedStyle(document.body).color") == "rgb(29, 28, 26)"


def test_nothing_moves_for_who_wants_no_motion(look) -> None:
    opened = look("verdict", reduced_motion="reduce")
    assert opened.page.evaluate(
        "[...document.querySelectorAll('*')].every(each => getComputedStyle(each).transitionDuration === '0s'"
        " && getComputedStyle(each).animationName === 'none')")


def test_a_check_is_reached_from_the_overview_by_keys_and_its_commands_are_copied(look) -> None:
    opened = look("check", permissions=["clipboard-read", "clipboard-write"])
    link = opened.page.get_by_role("link", name="Copies")
    link.focus()
    opened.page.keyboard.press("Enter")
    opened.page.wait_for_url("**#check-copies")
    assert opened.page.locator("#check-copies").evaluate("each => Math.abs(each.getBoundingClientRect().top) < 120")
    button = opened.page.locator("#check-copies button.copy").first
    button.focus()
    opened.page.keyboard.press("Enter")
    opened.page.get_by_role("button", name="Copied").wait_for()
    assert opened.page.evaluate("navigator.clipboard.readText()").startswith("tunesmith clean data/cards.csv")


def test_without_scripts_a_check_lacks_nothing_but_its_buttons(look) -> None:
    with_scripts, without = look("check"), look("check", java_script_enabled=False)
    assert with_scripts.count("button.copy") > 0 == without.count("button")
    for part in (".noticed > li", ".bars tbody tr", ".panel rect", ".rows tr"):
        assert without.count(part) == with_scripts.count(part) > 0


def test_the_limit_stands_where_it_belongs_between_the_bars(look) -> None:
    opened = look("check")
    panel = opened.page.locator(".panel").first
    [box, mark] = [panel.bounding_box(), panel.locator(".mark").bounding_box()]
    # 300 lies in the sixth of seven bins, which goes from 256 to 512
    assert (mark["x"] - box["x"]) / box["width"] == pytest.approx((5 + 44 / 256) / 7, abs=0.005)


def test_fifty_labels_scroll_inside_their_frame_and_are_all_there_on_paper(look) -> None:
    opened = look("check", viewport=PHONE)
    frame = "document.querySelector('.tall:has(.bars)')"
    assert opened.page.evaluate(f"{frame}.scrollHeight > {frame}.clientHeight")
    assert opened.count(".bars tbody tr") == 50
    opened.page.emulate_media(media="print")
    assert opened.page.evaluate(f"{frame}.scrollHeight <= {frame}.clientHeight + 1")


def test_arabic_runs_from_the_right_on_a_checks_page(look) -> None:
    cell = look("check").page.locator(".rows td", has_text="أين").first
    assert cell.evaluate("each => getComputedStyle(each).direction") == "rtl"
