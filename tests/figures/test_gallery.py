"""Pictures become a strip that any reader of PNG gets back, and a gallery shows them with their numbers."""

import base64
import io

import numpy as np
import pytest

from ticketlab.claims.galleries import MIDDLING, STIMULUS, STRONGEST, pictures, shown_classes
from ticketlab.errors import UserError
from ticketlab.evidence.pictures import CLEAR, size_of, strip
from ticketlab.evidence.tables import Table
from ticketlab.figures.gallery import gallery
from ticketlab.figures.text_tables import shown

IMAGES = np.linspace(0, 1, 3 * 8 * 8).reshape(3, 8, 8, 1)


def read(png):
    image = pytest.importorskip("PIL.Image")
    return image.open(io.BytesIO(base64.b64decode(png)))


def test_images_stand_side_by_side_with_a_clear_gap():
    found = read(strip(IMAGES))
    assert found.size == size_of(strip(IMAGES)) == (3 * 8 + 2, 8)
    assert found.info["transparency"] == CLEAR
    pixels = np.asarray(found.convert("L") if found.mode != "L" else found).astype(int)
    assert (pixels[:, [8, 17]] == CLEAR).all()
    first = np.round(IMAGES[1, :, :, 0] * 253) + 2
    np.testing.assert_array_equal(pixels[:, 9:17], first)


def test_colours_stay_and_other_channels_are_averaged():
    colours = np.random.default_rng(0).random((2, 4, 4, 3))
    assert read(strip(colours)).mode == "RGB"
    assert read(strip(np.concatenate([colours, colours], axis=3))).mode == "L"


def test_zero_is_the_middle_grey_of_signed_pictures():
    pixels = np.asarray(
        read(strip(np.array([0.0, 1.0, -0.25, 0.0]).reshape(1, 2, 2, 1), signed=True))
    ).ravel()
    assert pixels[0] == pixels[3] == round(253 / 2) + 2
    assert pixels[1] == 255
    assert pixels[2] > 2
    for dtype in (float, np.float32):
        dead = np.asarray(read(strip(np.zeros((1, 2, 2, 1), dtype), signed=True)))
        assert (dead == pixels[0]).all()


def test_what_is_no_picture_is_refused():
    with pytest.raises(UserError, match="at least one image"):
        strip(np.zeros((0, 8, 8, 1)))
    with pytest.raises(UserError, match="finite"):
        strip(np.full((1, 8, 8, 1), np.nan))
    with pytest.raises(UserError, match="PNG"):
        size_of(base64.b64encode(bytes(40)).decode())
    for text in ("words", "", strip(IMAGES)[:20]):
        with pytest.raises(UserError, match="PNG"):
            size_of(text)


def rows():
    images = np.arange(100.0).reshape(100, 1, 1, 1) + np.zeros((100, 4, 4, 1))
    return [
        row
        for unit in (1, 2)
        for row in pictures(images, np.arange(100.0) * unit, images[7], 250.0 * unit, unit=unit)
    ]


def test_the_strongest_images_and_those_between_the_middle_and_the_top_tenth():
    found = Table.from_rows("pictures", rows())
    spread = np.std(np.arange(100.0))
    expected = {STIMULUS: 250, STRONGEST: 95, MIDDLING: np.mean(np.round(np.linspace(0.5, 0.9, 9) * 99))}
    for column, value in expected.items():
        for unit in (1, 2):
            response = found.where(column=column, unit=unit)["response"][0]
            assert response == pytest.approx((value - 49.5) / spread)


def test_a_gallery_has_a_row_for_each_unit_and_its_numbers():
    chart = gallery(Table.from_rows("pictures", rows()), "unit", lambda of: f"{len(of)} pictures")
    assert chart.heads == (STIMULUS, STRONGEST, MIDDLING)
    assert [shelf.label for shelf in chart.shelves] == ["unit 1", "unit 2"]
    assert len(list(chart.points())) == 6
    html = chart.html("what units like", "caption")
    assert html.count("data:image/png;base64,") == 6
    assert html.count("3 pictures") == 2
    assert list(chart.marks()) == []


def test_a_unit_without_a_picture_has_an_empty_cell():
    chart = gallery(Table.from_rows("pictures", rows()[:-1]), "unit")
    assert chart.shelves[1].pictures[-1] is None
    _, body = chart.html("what", "caption").split("<tbody>")
    assert body.count("<td></td>") == 1


def test_raw_tables_leave_pictures_to_the_run_folder():
    long = strip(np.random.default_rng(0).random((9, 8, 8, 1)))
    text = shown(Table.from_rows("pictures", [{"unit": 1, "png": long}]))
    assert "in the run folder" in text.rows[0][1]
    assert long not in text.full


def test_some_classes_are_shown():
    assert shown_classes(3) == [0, 1, 2]
    assert shown_classes(10) == [0, 2, 4, 7, 9]
