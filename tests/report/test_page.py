"""The page as a reader has it: in a browser, without a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emucluster import report
from emucluster.experiment.assembly import run_result, trial_result
from emucluster.experiment.history import History
from emucluster.experiment.plan import expand
from emucluster.experiment.rig import Environment
from tests.experiment.build import experiment, fault, history, steady, topology
from tests.report.browser import CHROMIUM, Browser, chromium
from tests.report.synthetic import run

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium"),
    pytest.mark.slow,
]

HOSTILE = "</script><script>boom()</script><img src=http://192.0.2.1/x onerror=boom()>\"'&{{7*7}}"

CONTRAST = """element => {
  const luminance = colour => {
    const parts = colour.match(/\\d+/g).slice(0, 3).map(value => value / 255);
    const [r, g, b] = parts.map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const style = getComputedStyle(element);
  const both = [luminance(style.color), luminance(style.backgroundColor)];
  return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
}"""
"""Of text and its background, after WCAG 2.2; 7 is its stricter level."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("run")
    report.write(directory, *run())
    return directory / "report.html"


@pytest.fixture(scope="module")
def page_of_trials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("trials")
    report.write(directory, *run(trials=3))
    return directory / "report.html"


def write(directory: Path, records: History, *hypotheses: dict[str, Any], **fields: Any) -> Path:
    """The page of a run with these records."""
    asked = experiment(hypotheses=list(hypotheses), **fields)
    plan = expand(asked, topology(), 0)
    trial = trial_result(asked, plan, records, Environment(), clean=None)
    result = run_result(asked, [trial], Environment(), seed=0)
    report.write(directory, result, [report.Recording(history=records, topology=topology())])
    return directory / "report.html"


def text(browser: Browser, selector: str) -> str:
    return str(browser.evaluate(f"document.querySelector({selector!r}).innerText"))


def assert_quiet(browser: Browser, page: Path) -> None:
    """Nothing was complained of, and nothing was asked for but the page itself."""
    assert browser.complaints == []
    asked = [url for url in browser.requests if not url.startswith("data:")]
    assert asked == [page.resolve().as_uri()]


@pytest.mark.parametrize("dark", [False, True])
def test_it_opens_with_the_verdict_and_its_reason(browser: Browser, page: Path, dark: bool) -> None:
    browser.open(page, dark=dark)
    assert_quiet(browser, page)
    assert "Fail" in text(browser, "#verdict h1")
    assert "availability at least 99 %" in text(browser, "#verdict .why")
    top = browser.evaluate("document.querySelector('#verdict h1').getBoundingClientRect().bottom")
    assert 0 < top < 300
    assert browser.screenshot().startswith(b"\x89PNG")


def test_each_group_has_a_chart_of_rate_and_one_of_latency(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.evaluate("document.documentElement.dataset.drawn") == "6"
    assert browser.evaluate("document.querySelectorAll('.chart canvas').length") == 6
    painted = browser.evaluate(
        "[...document.querySelectorAll('.chart canvas')].map(c => {"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "return new Set(new Uint32Array(d.buffer)).size})"
    )
    assert all(colours > 10 for colours in painted)


def test_faults_that_overlap_are_named_one_above_the_other(browser: Browser, page: Path) -> None:
    browser.open(page)
    faults = [
        {"name": name, "from": start_s, "to": 30}
        for name, start_s in [("lying", 5), ("slow", 5.1), ("freeze", 20), ("lying", 20.1)]
    ]
    head = browser.evaluate(f"charts.heading({{end: 40, faults: {faults}}}, 800)")
    assert [(one["name"], one["row"]) for one in head["names"]] == [
        ("lying", 0),
        ("slow", 1),
        ("freeze", 0),
        ("lying", 1),
    ]
    assert head["more"] > 0


def test_dark_and_light_are_both_legible_and_can_be_switched(browser: Browser, page: Path) -> None:
    def contrast() -> float:
        return float(browser.evaluate(f"({CONTRAST})(document.querySelector('.card'))"))

    def background() -> str:
        return str(browser.evaluate("getComputedStyle(document.body).backgroundColor"))

    browser.open(page, dark=True)
    dark = background()
    assert contrast() > 7
    browser.evaluate("document.getElementById('theme').click()")
    assert background() != dark
    assert contrast() > 7
    assert browser.evaluate("document.querySelectorAll('.chart canvas').length") == 6
    assert browser.complaints == []


@pytest.mark.parametrize("width", [1400, 700])
def test_nothing_is_cut_off_at_the_side(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width=width)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_one_trial_is_shown_at_a_time_and_can_be_chosen(
    browser: Browser, page_of_trials: Path
) -> None:
    def visible() -> Any:
        return browser.evaluate(
            "[...document.querySelectorAll('.trial')].filter(t => !t.hidden).map(t => t.id)"
        )

    browser.open(page_of_trials)
    assert_quiet(browser, page_of_trials)
    assert visible() == ["trial-0"]
    browser.evaluate(
        "(() => { const c = document.getElementById('chooser'); c.value = '2';"
        "c.dispatchEvent(new Event('change')) })()"
    )
    assert visible() == ["trial-2"]
    assert browser.evaluate("document.querySelectorAll('#trial-2 canvas').length") == 6
    browser.evaluate("document.querySelector('a[data-trial=\"1\"]').click()")
    assert visible() == ["trial-1"]


def test_names_and_errors_are_shown_as_text_whatever_they_contain(
    browser: Browser, tmp_path: Path
) -> None:
    calls = [
        *steady(0, 12),
        *steady(12, 20, outcome="failed", error=HOSTILE, connection=HOSTILE, group=HOSTILE),
    ]
    words = {"observed_what": HOSTILE, "fault": HOSTILE, "error": HOSTILE}
    records = history(calls, faults=[fault(**words, peers=(HOSTILE,))])
    asked = {"kind": "availability", "atLeast": "99%", "name": HOSTILE}
    page = write(tmp_path, records, asked, story=HOSTILE)
    browser.open(page)
    assert_quiet(browser, page)
    assert browser.evaluate("document.querySelectorAll('img').length") == 0
    assert text(browser, "#verdict .story") == HOSTILE
    assert HOSTILE in text(browser, "#trial-0")
    assert f"from {HOSTILE}" in text(browser, "#trial-0")


@pytest.mark.parametrize(
    ("records", "told"),
    [
        (history(), "No calls were recorded."),
        (history(steady(), faults=[]), "No fault took effect."),
        (history(steady(outcome="unknown", taken_s=None)), "there is no latency"),
        (history(steady(0, 5), faults=[fault(end_s=None)]), "not seen"),
    ],
    ids=["no calls", "no faults", "nothing answered", "unfinished"],
)
def test_what_is_missing_is_told(
    browser: Browser, tmp_path: Path, records: History, told: str
) -> None:
    page = write(tmp_path, records)
    browser.open(page)
    assert_quiet(browser, page)
    assert told in text(browser, "main")
    assert "Unknown" in text(browser, "#verdict h1")


def test_a_run_without_a_trial_says_so(browser: Browser, tmp_path: Path) -> None:
    result = run_result(experiment(), [], Environment(), seed=0)
    report.write(tmp_path, result, [])
    browser.open(tmp_path / "report.html")
    assert_quiet(browser, tmp_path / "report.html")
    assert "No trial was run." in text(browser, "#verdict .why")


def test_the_charts_of_a_trial_are_kept_in_bins_not_in_calls(tmp_path: Path) -> None:
    sizes = []
    for scale in (1.0, 8.0):
        result, recordings = run(scale=scale)
        report.write(tmp_path, result, recordings)
        sizes.append((tmp_path / "report.html").stat().st_size)
    assert sizes[1] < sizes[0] * 1.2
