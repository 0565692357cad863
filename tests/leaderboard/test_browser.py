"""The page in a real browser: it sorts, filters, compares and switches its theme, and loads nothing."""

import json
import os
import shutil

import pytest
from linkbert.leaderboard.board import leaderboard
from linkbert.leaderboard.comparison_formats import short_verdict
from linkbert.leaderboard.page import to_html

from .simulated import store_simulated

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
HOSTILE = "<b onmouseover=alert(1)>"
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; install it, or name it in CHROMIUM")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield started
        started.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    store_simulated(folder / "results", "simulated-a", seeds=(1, 2), skill=0.9)
    store_simulated(folder / "results", "simulated-b", seeds=(1, 2), skill=0.7)
    store_simulated(folder / "results", HOSTILE.replace("/", ""), tasks=["gad"], skill=0.7)
    output = folder / "leaderboard.html"
    output.write_text(to_html(leaderboard(folder / "results", published="all"), output))
    return output


@pytest.fixture(params=[1280, 390], ids=["desktop", "phone"])
def page(request, browser, file):
    opened = browser.new_page(viewport={"width": request.param, "height": 900}, color_scheme="light")
    complaints, requests = [], []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: complaints.append("a dialog opened"))
    opened.on("request", lambda sent: requests.append(sent.url))
    opened.goto(file.as_uri())
    yield opened
    opened.close()
    assert complaints == [] and requests == [file.as_uri()]


def column(page, index):
    script = "index => [...document.querySelectorAll('#board tbody tr:not([hidden])')].map(row => row.cells[index].firstChild?.textContent ?? '')"
    return page.evaluate(script, index)


def test_it_fits_the_window(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_headers_sort_both_ways(page):
    page.get_by_role("button", name="BLURB").click()
    scores = [float(text) for text in column(page, 3) if text and "of" not in text]
    assert scores == sorted(scores, reverse=True)
    page.get_by_role("button", name="BLURB").press("Enter")
    scores = [float(text) for text in column(page, 3) if text and "of" not in text]
    assert scores == sorted(scores)
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"


def test_rows_are_filtered_by_name_and_source(page):
    page.get_by_label("Model").fill("pubmedbert")
    assert set(column(page, 1)) == {"pubmedbert-base", "pubmedbert-fulltext"}
    page.get_by_role("checkbox", name="gu").uncheck()
    assert column(page, 1) == ["pubmedbert-base"] * 2
    assert page.locator("#count").inner_text().startswith("2 of ")


def test_datasets_replace_task_types(page):
    assert not page.get_by_role("button", name="gad").is_visible()
    page.get_by_role("radio", name="datasets").check()
    assert page.locator("#board").get_by_role("button", name="gad").is_visible()


def test_any_two_rows_are_compared(page, file):
    page.get_by_label("First").select_option(label="simulated-a (measured)")
    page.get_by_label("minus second").select_option(label="simulated-b (measured)")
    found = leaderboard(file.parent / "results", published="all").compare("simulated-a", "simulated-b")
    lines = page.locator("#differences tbody tr")
    assert lines.filter(has_text="BLURB score").locator("td").first.inner_text() == f"{found.blurb.difference:+.2f}"
    assert lines.filter(has_text="BLURB score").locator("td").last.inner_text() == short_verdict(found.blurb.verdict)
    page.get_by_label("First").select_option(label="simulated-b (measured)")
    page.get_by_label("minus second").select_option(label="simulated-a (measured)")
    assert lines.filter(has_text="BLURB score").locator("td").first.inner_text() == f"{-found.blurb.difference:+.2f}"
    page.get_by_label("minus second").select_option(label="simulated-b (measured)")
    assert page.locator("#outcome").inner_text() == "Choose two different rows."


def test_a_panel_opens_with_its_plot_and_runs(page):
    panel = page.locator("#dataset-gad")
    panel.locator("summary").press("Enter")
    assert panel.get_by_role("img", name="Scores on gad").is_visible()
    assert panel.locator("table").first.locator("tbody tr").count() == 5


def test_the_theme_changes_and_names_stay_text(page):
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Dark theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    assert page.locator("#board tbody b").count() == 0
    assert HOSTILE in column(page, 1)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_fault(page, theme):
    from axe_playwright_python.sync_playwright import Axe

    if theme == "dark":
        page.get_by_role("button", name="Dark theme").click()
    page.locator("#dataset-gad summary").click()
    violations = Axe().run(page).response["violations"]
    serious = [found for found in violations if found["impact"] in ("serious", "critical")]
    assert serious == [], json.dumps(serious, indent=1)[:3000]


def test_links_lead_to_result_files(page, file):
    page.locator("#reproduce summary").first.click()
    link = page.locator("#reproduce a").first.get_attribute("href")
    assert (file.parent / link).is_file()
