"""The view Browse in a real browser: a run is filtered, paged and looked at item by item.

The model is `PointingModel`, which finds directions by intensity. Needs playwright and the system's Chromium; run with `pytest -m browser`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from page_steps import until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_a_run_is_filtered_paged_and_looked_at_item_by_item(open_page: "Callable[..., Page]") -> None:
    page = open_page("browse")
    page.locator(".sets a", has_text="run").click()
    page.locator(".items tbody tr").first.wait_for()
    every = page.locator(".pager [role=status]").inner_text()
    page.locator("[data-filter=level]").select_option("L3")
    page.locator("[data-filter=system]").select_option("oracle")
    until(page, f"document.querySelector('.pager [role=status]').textContent !== '{every}' && !document.querySelector('.items.stale')")
    assert set(page.locator(".items tbody tr td:first-child").all_inner_texts()) == {"L3"}
    assert page.locator(".items tbody .mark-right").count() == page.locator(".items tbody tr").count()  # the oracle is never wrong
    page.locator("[data-filter=outcome]").select_option("wrong")
    page.get_by_text("No item fits these filters.").wait_for()
    page.locator("[data-filter=system]").select_option("")
    page.locator(".items tbody tr").first.wait_for()
    question = page.locator(".items tbody a").first.inner_text()
    page.locator(".items tbody a").first.click()
    page.get_by_role("heading", name=question, exact=True).wait_for()
    assert page.locator(".replies tr[data-system=oracle] .mark-right").count() == 1
    assert page.locator(".replies .mark-wrong").count() >= 1
    page.locator("#browse .stage button.primary:not([disabled])").wait_for()
    assert page.locator("#browse .objects tr[data-kind=truth]").count() == 3
    page.get_by_role("link", name="Next").click()
    page.go_back()
    page.go_back()
    page.locator(".items tbody tr").first.wait_for()
    assert page.locator("[data-filter=outcome]").input_value() == "wrong"  # the filters are as they were left
