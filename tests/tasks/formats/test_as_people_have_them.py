"""Files as people have them: what other programs leave, read with the right values or refused with their place."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ticketlab.errors import UserError
from ticketlab.tasks.dataset import Dataset
from ticketlab.tasks.formats.images import image_folder


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_infinite_halves_are_refused_and_finite_ones_read_without_warnings(bad: float) -> None:
    x = np.linspace(-60000, 60000, 12).astype(np.float16).reshape(6, 2)
    labels = np.array([0, 1] * 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Dataset("half", x, ("a", "b"), labels).summary()
        x[3, 1] = bad
        with pytest.raises(UserError, match=r"1 of 12 inputs that are NaN, infinite .* row 3"):
            Dataset("half", x, ("a", "b"), labels)


def test_images_in_subfolders_and_classes_with_underscores_are_read(tmp_path: Path) -> None:
    for i, place in enumerate(["__background__", "cup/more/deep", "cup", "__MACOSX"]):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2), i).save(tmp_path / place / "a.png")
    (tmp_path / "cup" / "round").symlink_to(tmp_path / "cup", target_is_directory=True)
    data = image_folder(tmp_path)
    assert data.classes == ("__background__", "cup")
    assert len(data) == 3
    assert any(note.startswith("1 files") for note in data.notes)


@pytest.mark.parametrize("side", [0, -3])
def test_a_side_of_no_pixels_is_the_sides_fault(tmp_path: Path, side: int) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.new("L", (2, 2)).save(tmp_path / name / "a.png")
    with pytest.raises(UserError, match=f"side={side}"):
        image_folder(tmp_path, side)
