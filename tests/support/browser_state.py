"""When a page of the app has settled: by its state in the browser, never by the clock."""

from __future__ import annotations

import sys
from typing import Any

import pytest

# Streamlit runs no script, nothing that ends is animated, and nothing has changed in the document for some frames.
SETTLED = """async () => {
  const app = () => document.querySelector("[data-testid=stApp]");
  const animated = () => document.getAnimations().some(
    (one) => one.playState === "running" && one.effect.getComputedTiming().iterations !== Infinity);
  let quiet = 0;
  const watch = new MutationObserver(() => { quiet = 0; });
  watch.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
  while (quiet < 15) {
    await new Promise(requestAnimationFrame);
    quiet = app()?.dataset.testScriptState === "notRunning" && !animated() ? quiet + 1 : 0;
  }
  watch.disconnect();
}"""
# A step back in the history has arrived when Streamlit has run for it, or when the address is the one wanted.
COUNT_RUNS = """() => {
  window.brivlRuns = 0;
  new MutationObserver(() => { window.brivlRuns += 1; }).observe(
    document.querySelector("[data-testid=stApp]"), { attributeFilter: ["data-test-script-state"] });
}"""
ARRIVED = "(address) => new RegExp(address).test(location.href) || window.brivlRuns > 0"


def skip_without_chromium(path: str | None) -> None:
    """Skip tests of the browser where there is none, with a line that says so."""
    if not path:
        reason = "Chromium is missing, so the browser tests are skipped; install it (apt-get install chromium)."
        print(reason, file=sys.__stderr__)
        pytest.skip(reason)


def settled(page: Any) -> None:
    """Wait until the page is drawn."""
    page.evaluate(SETTLED)


def step_back(page: Any, address: str) -> None:
    """Go back once by the browser's button, and wait until the app has answered."""
    page.evaluate(COUNT_RUNS)
    page.go_back()
    page.wait_for_function(ARRIVED, arg=address)
    settled(page)
