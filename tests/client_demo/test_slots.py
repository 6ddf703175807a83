"""The busy share comes from the gateway's own numbers."""

from __future__ import annotations

import pytest

from tidegate.client_demo.slots import SlotReading, metrics_url, read_slots


def test_two_numbers_are_found_in_the_page() -> None:
    """Comments, labels and other numbers are passed over."""
    page = "\n".join(
        [
            "# HELP tidegate_compute_slots Models that may run.",
            "tidegate_compute_slots 2.0",
            'tidegate_rows_total{model="a model"} 7.0',
            "tidegate_slot_busy_seconds_total 1.25",
        ]
    )
    assert SlotReading.parse(page) == SlotReading(busy_s=1.25, slots=2.0)


def test_a_page_without_them_is_refused() -> None:
    """Something else may answer at that address."""
    with pytest.raises(ValueError, match="tidegate_slot_busy_seconds_total"):
        SlotReading.parse("<html> hello </html>")


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("ws://127.0.0.1:8000", "http://127.0.0.1:8000/metrics"),
        ("wss://models.example/v1", "https://models.example/metrics"),
        ("ws://[::1]:9/v1", "http://[::1]:9/metrics"),
    ],
)
def test_metrics_are_on_the_port_of_the_websocket(url: str, page: str) -> None:
    """A secure connection stays secure."""
    assert metrics_url(url) == page


async def test_a_running_gateway_can_be_read(gateway_url: str) -> None:
    """It has slots, and its counter never goes back."""
    before, after = await read_slots(gateway_url), await read_slots(gateway_url)
    assert before
    assert after
    assert before.slots >= 1
    assert before.busy_s <= after.busy_s


async def test_where_nothing_answers_nothing_is_known() -> None:
    """The demo goes on without this number."""
    assert await read_slots("ws://127.0.0.1:9/v1") is None
