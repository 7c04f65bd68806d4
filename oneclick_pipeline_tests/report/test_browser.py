"""The page in a real browser: it asks nobody for anything, fits a telephone, prints, and can be read by everybody."""

import shutil
from itertools import pairwise

import pytest

from oneclick_pipeline.report import page
from oneclick_pipeline_tests.report.months import facts
from oneclick_pipeline_tests.report.test_page import cases, slices

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
READABLE, LARGE = 4.5, 3.0

CONTRAST = """() => {
  const part = c => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4 };
  const parse = s => s.match(/[\\d.]+/g).map(Number);
  const light = c => 0.2126 * part(c[0]) + 0.7152 * part(c[1]) + 0.0722 * part(c[2]);
  const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c } return [255, 255, 255] };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    if (e.closest('svg') && e.tagName !== 'text') continue;
    const style = getComputedStyle(e);
    const [a, b] = [light(parse(e.tagName === 'text' ? style.fill : style.color)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.push([ratio, e.tagName + '.' + e.getAttribute('class') + ' ' + e.textContent.slice(0, 30)]);
  }
  return found.sort((x, y) => x[0] - y[0]).slice(0, 5);
}"""


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=["ru", "en"])
def document(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "page.html"
    changes = cases()["campaigns"] | {"model": cases()["older model"]["model"].__class__(
        **(cases()["older model"]["model"].__dict__ | {"slices": slices()}))}  # fmt: skip
    path.write_text(page.render(facts(**changes), request.param), encoding="utf-8")
    return path


@pytest.fixture
def opened(chromium, document):
    """Open the page at a width; whatever it asks for beside itself, and every word in the console, is an error."""
    contexts, wrong = [], []

    def at(width):
        context = chromium.new_context(viewport={"width": width, "height": 800})
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: wrong.append(message.text))
        tab.on("pageerror", lambda error: wrong.append(str(error)))

        def ask(route):
            if route.request.url != document.as_uri():
                wrong.append(route.request.url)
                route.abort()
            else:
                route.continue_()

        tab.route("**/*", ask)
        tab.goto(document.as_uri())
        return tab

    yield at
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.mark.parametrize("width", [360, 1280])
def test_body_is_not_wider_than_the_screen(opened, width):
    tab = opened(width)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    outside = "e => !e.closest('.scroll') && !e.closest('.skip') && e.getBoundingClientRect().right > innerWidth + 1"
    assert tab.evaluate(f"[...document.querySelectorAll('main *')].filter({outside}).map(e => e.outerHTML.slice(0, 80))") == []


def test_text_of_charts_is_legible_on_a_telephone(opened):
    tab = opened(360)
    sizes = tab.evaluate("[...document.querySelectorAll('svg text')].map(e => e.getBoundingClientRect().height)")
    assert len(sizes) > 20
    assert min(sizes) > 10


def test_every_picture_has_a_name_and_headings_are_in_order(opened):
    tab = opened(1280)
    for picture in tab.get_by_role("img").all():
        assert picture.get_attribute("aria-label") or picture.get_attribute("alt")
    assert tab.get_by_role("img").count() >= 8
    levels = [int(name[1]) for name in tab.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(e => e.tagName)")]
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert tab.get_by_role("main").count() == tab.get_by_role("navigation").count() == tab.get_by_role("banner").count() == 1


def test_text_can_be_told_from_its_background(opened):
    worst = opened(1280).evaluate(CONTRAST)
    assert worst[0][0] >= READABLE, worst


def test_links_lead_to_their_sections(opened):
    tab = opened(1280)
    for link in tab.get_by_role("navigation").get_by_role("link").all():
        link.click()
        heading = tab.locator(link.get_attribute("href") + " h2").bounding_box()
        assert heading is not None
        assert heading["y"] < tab.viewport_size["height"]


def test_page_prints_on_a4_and_nothing_is_cut_off(opened):
    tab = opened(1280)
    pdf = tab.pdf(prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF")
    assert 5 < pdf.count(b"/Type /Page\n") < 25
    tab.emulate_media(media="print")
    tab.set_viewport_size({"width": 695, "height": 1000})  # A4 less its margins at 96 pixels an inch
    assert tab.evaluate("document.documentElement.scrollWidth") <= 695
    outside = "e => !e.closest('.skip') && e.getBoundingClientRect().right > innerWidth + 1"
    assert tab.evaluate(f"[...document.querySelectorAll('main *')].filter({outside}).map(e => e.outerHTML.slice(0, 80))") == []


def test_page_reads_without_scripts(chromium, document):
    context = chromium.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(document.as_uri())
    assert tab.locator("h2").count() == 10
    context.close()
