"""Contrast in light and dark, and signs that are what they say (WCAG 2.2)."""

from __future__ import annotations

import pytest

from carnet.ui.look import DARK, LIGHT, Palette, contrast, palette_on, rgb, shape_png, sign_png
from support.display import pixels_of


@pytest.mark.parametrize("look", [LIGHT, DARK], ids=["light", "dark"])
def test_wcag_1_4_3_every_text_can_be_read_on_its_ground(look: Palette) -> None:
    pairs = [
        (look.text, look.ground),
        (look.quiet, look.ground),
        (look.on_main, look.main),
        (look.on_main, look.main_hover),
        (look.text, look.plain),
        (look.text, look.plain_hover),
        *((ink, ground) for ink, soft in look.tones.values() for ground in (soft, look.ground)),
    ]
    assert {pair: round(contrast(*pair), 2) for pair in pairs if contrast(*pair) < 4.5} == {}


@pytest.mark.parametrize("look", [LIGHT, DARK], ids=["light", "dark"])
def test_wcag_1_4_11_the_main_button_and_its_ring_stand_out(look: Palette) -> None:
    assert contrast(look.main, look.ground) >= 3
    assert contrast(look.focus, look.ground) >= 2  # beside the button's own 3 : 1; the ring is also a change of shape


def test_contrast_is_the_standards() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#ffffff", "#ffffff") == pytest.approx(1)


def test_the_palette_is_that_of_the_hosts_ground() -> None:
    assert palette_on((255, 255, 255)) is palette_on(rgb("#d9d9d9")) is LIGHT
    assert palette_on((0, 0, 0)) is palette_on(rgb("#2b2b2b")) is DARK


@pytest.mark.parametrize("tone", LIGHT.tones)
@pytest.mark.parametrize("size", [20, 44, 96])
def test_signs_are_pictures_of_their_size_with_ink_in_them(tone: str, size: int) -> None:
    for on_tile in (True, False):
        width, height, colors = pixels_of(sign_png(tone, "dark", size, on_tile=on_tile))
        assert (width, height) == (size, size)
        assert bytes(rgb(DARK.tones[tone][0])) in colors  # type: ignore[index]


def test_the_signs_differ_without_their_colours() -> None:
    shapes = {sign_png(tone, "light", 32, on_tile=False)[-400:] for tone in LIGHT.tones}
    assert len(shapes) == len(LIGHT.tones)


def test_boxes_have_an_edge_and_a_ring_on_demand() -> None:
    plain = pixels_of(shape_png(18, 6, "#2456c9", "#2456c9"))
    ringed = pixels_of(shape_png(18, 6, "#2456c9", "#2456c9", "#86a8f5"))
    assert plain[:2] == ringed[:2] == (18, 18)
    assert bytes(rgb("#86a8f5")) in ringed[2] - plain[2]
