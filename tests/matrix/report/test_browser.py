"""The report in a headless browser: nothing is fetched, and the keyboard reaches everything."""

import itertools
import shutil

import pytest

from invprior.matrix.report.write import write

from .conftest import HOSTILE, filled

playwright = pytest.importorskip("playwright.sync_api")
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"no browser: none of {', '.join(NAMES)}")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    store = filled(tmp_path_factory.mktemp("matrix") / "out")
    return write(store)[0].as_uri()


@pytest.fixture(scope="module")
def browser():
    # As root, which CI is, Chromium's sandbox does not start.
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=BROWSER, args=quiet)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    """The page, opened; at the end it must have fetched nothing and made no error."""
    page = browser.new_page(viewport={"width": 1200, "height": 800}, color_scheme="light")
    faults = []
    page.on("console", lambda m: faults.append(m.text))
    page.on("pageerror", lambda e: faults.append(str(e)))
    page.on("request", lambda r: r.url.startswith(("data:", address)) or faults.append(r.url))
    page.goto(address)
    yield page
    page.close()
    assert faults == []


def column(page, table, index):
    cells = page.locator(f"#{table} tbody tr > :nth-child({index})")
    return [text.strip() for text in cells.all_inner_texts()]


def test_no_text_of_a_record_runs(page):
    assert page.title() == "Cats & <dogs>"
    assert page.locator("#table-missing").get_by_text("owned").count() == 1


def test_a_table_is_sorted_by_keyboard(page):
    table = "table-task-1-methods"
    head = page.locator(f"#{table} thead th").nth(1)
    assert head.get_attribute("aria-sort") == "none"
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(page, table, 1) == ["no prior", HOSTILE, "tv", "DIP"]  # what has none stays last
    assert "sorted by PSNR [dB], ascending" in page.locator("#spoken").inner_text()
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "descending"
    assert column(page, table, 1) == ["tv", HOSTILE, "no prior", "DIP"]
    page.locator(f"#{table} thead th").first.locator("button").click()
    assert head.get_attribute("aria-sort") == "none"
    assert column(page, table, 1)[1] == "DIP"


def test_the_slider_moves_by_keyboard_and_names_both_sides(page):
    strip = page.locator(".strip").first
    slider = strip.get_by_label("Boundary")
    assert slider.get_attribute("aria-valuetext") == "50 % measurement, 50 % tv"
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "51 % measurement, 49 % tv"
    stage = strip.locator(".stage")
    assert stage.evaluate("e => e.style.getPropertyValue('--at')") == "51%"
    strip.get_by_label("Left").select_option("truth")
    assert slider.get_attribute("aria-valuetext").startswith("51 % truth")
    tile = strip.get_by_role("button", name="Show no prior on the right of the slider")
    tile.press("Enter")
    after = strip.locator("img.after")
    assert after.get_attribute("src") == tile.locator("img").get_attribute("src")
    assert after.get_attribute("alt") == "sample:camera:24: no prior"
    box, other = stage.bounding_box(), after.bounding_box()
    assert (box["width"], box["height"]) == pytest.approx((other["width"], other["height"]))


def test_cells_are_filtered_and_a_link_to_one_finds_it(page):
    page.locator("#cells").scroll_into_view_if_needed()
    counted = page.locator("#filter-count")
    assert counted.inner_text() == "16 of 16 rows"
    page.get_by_label("Status").select_option("crashed")
    assert counted.inner_text() == "1 of 16 rows"
    page.get_by_label("Status").select_option("")
    page.get_by_label("Rows that contain").fill("TV")
    assert counted.inner_text() == "4 of 16 rows"
    assert page.locator("#table-cells tbody tr:visible").count() == 4
    choice = page.locator("#choice")
    choice.get_by_label("image").select_option("sample:coins:24")
    assert counted.inner_text() == "2 of 16 rows"
    assert page.locator(".strip:visible").count() == 1
    choice.get_by_label("method").select_option(HOSTILE)
    assert page.locator(".strip:visible .tile:visible").count() == 3  # truth and measurement stay
    assert page.locator("#table-task-1-methods tbody tr:visible").count() == 1
    page.locator(".strip:visible").get_by_role("link", name=HOSTILE).click()
    page.locator("tr:target:visible").wait_for()
    assert counted.inner_text() == "16 of 16 rows"
    row = page.locator("tr:target")
    assert row.get_attribute("data-image") == "sample:coins:24"
    assert row.get_attribute("data-method") == HOSTILE


def test_a_part_is_enlarged_for_all_images_and_errors_share_a_scale(page):
    strip = page.locator(".strip").first
    image = strip.locator(".pick img").nth(2)
    image.scroll_into_view_if_needed()
    box = image.bounding_box()
    at = [(box["x"] + f * box["width"], box["y"] + f * box["height"]) for f in (0.3, 0.7)]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1], steps=4)
    page.mouse.up()
    part = strip.locator(".part")
    values = [int(part.get_by_label(n, exact=True).input_value()) for n in ("x", "width")]
    assert values == pytest.approx([7, 10], abs=1)
    assert strip.locator("canvas.inset").count() == 5  # all but DIP, which has no image
    assert strip.locator(".right").input_value() == "2"  # a drag chooses no image
    part.get_by_label("width").fill("24")
    part.get_by_label("height").fill("2")
    part.get_by_label("height").press("Enter")
    assert part.get_by_label("x", exact=True).input_value() == "0"  # moved to where it fits
    page.wait_for_function(
        """() => [...document.querySelectorAll("canvas.inset")].filter(
            (c) => c.width === 24 && c.height === 4).length === 5"""
    )
    part.get_by_label("Show the errors").press("Space")
    strip.locator(".error-note:visible").wait_for()
    note = strip.locator(".error-note").inner_text()
    white = int(note.partition("white is ")[2].split()[0])
    # The fixture's restorations are the truth with noise of 0.3 * 0.2 in places where it is not cut off.
    assert 20 <= white <= 80
    part.get_by_role("button", name="Where the methods differ most").click()
    part.get_by_label("Show the errors").press("Space")
    strip.locator("img.inset").first.wait_for()
    assert strip.locator("canvas.inset").count() == 0


def test_curves_of_runs_are_read_by_keyboard_and_pointer(page):
    runs = page.locator(".runs")
    assert runs.locator("polyline").count() == 12
    runs.locator(".plot").focus()
    page.keyboard.press("ArrowDown")
    said = runs.locator("output")
    assert said.inner_text() == "tv, sample:camera:24, seed 0: step 4, 2 s, PSNR [dB] 25"
    page.keyboard.press("ArrowLeft")
    assert "step 3, 1.5 s" in said.inner_text()
    runs.get_by_label("Score").select_option("SSIM")
    runs.locator(".plot").hover()
    assert "SSIM 0." in said.inner_text()
    runs.get_by_role("button", name=HOSTILE).click()
    assert runs.locator("polyline").count() == 8
    runs.get_by_label("Image").select_option("sample:coins:24")
    assert runs.locator("polyline").count() == 4


def test_the_keyboard_gets_everywhere_in_order(page):
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to the results"
    page.keyboard.press("Enter")
    assert page.locator(":focus").get_attribute("id") == "main"
    places = []
    for _ in range(400):
        page.keyboard.press("Tab")
        place = page.evaluate(
            """() => {
                const e = document.activeElement, style = getComputedStyle(e);
                if (e === document.body) return null;
                return [e.getBoundingClientRect().top + scrollY, parseFloat(style.outlineWidth), e.id];
            }"""
        )
        if place is None:
            break
        places.append(place)
    assert len(places) > 60
    assert places[-1] is not None
    assert all(width >= 1 for _, width, _ in places)  # the focus can be seen
    tops = [top for top, *_ in places]
    assert sum(b < a - 400 for a, b in itertools.pairwise(tops)) == 0  # down the page


def test_every_control_and_image_has_a_name(page):
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, img, [role=img], [role=region]")]
            .filter((e) => !(e.getAttribute("aria-label") || e.alt || e.labels?.length || e.innerText?.trim())
                && e.checkVisibility())
            .map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert unnamed == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_both_schemes(browser, address, scheme):
    """WCAG AA: 4.5 to 1 for text."""
    page = browser.new_page(color_scheme=scheme)
    page.goto(address)
    poor = page.evaluate(
        """() => {
            const parts = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
            const light = (c) => {
                const [r, g, b] = parts(c).map((v) => v / 255).map(
                    (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const ground = (e) => {
                for (; e; e = e.parentElement) {
                    const c = getComputedStyle(e).backgroundColor;
                    if (parts(c)[3] !== 0) return c;
                }
                return getComputedStyle(document.documentElement).backgroundColor;
            };
            const found = new Set();
            const kinds = "p, td, th, a, li, dt, dd, label, h1, h2, h3, .chip, button, b";
            for (const e of document.querySelectorAll(kinds)) {
                if (!e.innerText?.trim() || !e.checkVisibility()) continue;
                const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
                if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5) found.add(e.outerHTML.slice(0, 90));
            }
            return [...found];
        }"""
    )
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Light colours" if scheme == "dark" else "Dark colours").click()
    after = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.close()
    assert poor == []
    assert before != after


def test_a_narrow_page_does_not_scroll_sideways(browser, address):
    page = browser.new_page(viewport={"width": 380, "height": 700})
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    page.close()
