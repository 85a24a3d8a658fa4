"""Simple stimuli: gratings, Gabors, edges, bars, corners, discs, rings and blobs, on s × s pixels.

A *family* is a kind of shape. A *member* of it has fixed parameters (orientation, frequency, size, polarity); its
*places* differ only in position, or in phase for a grating. Every stimulus has mean 0 and root mean square 1, so that
neither brightness nor contrast tells one from another. Coordinates are pixels from the centre of the frame, x to the
right and y downwards; angles are radians.

The nuisance control of a stimulus is its phase-scrambled twin: the same amplitude spectrum, other phases. A unit that
only reads power at some frequency and orientation does not tell the two apart.

Sources: Gabor's bandwidth of one octave, σ = 0.56/f, and aspect γ = 0.5: Petkov & Kruizinga 1997,
doi:10.1007/s004220050323. Phase scrambling: Thomson 1999, doi:10.1088/0954-898X/10/2/304.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from jaxtyping import Float, Int
from scipy.special import erf, expit

from ticketlab.errors import UserError

__all__ = ["FAMILIES", "Gratings", "Stimuli", "battery", "gratings", "ideal_filters", "scrambled"]

FAMILIES = ("edge", "bar", "corner", "disc", "ring", "blob", "Gabor", "grating")
Image = Float[np.ndarray, "size size"]
Shape = Callable[[np.ndarray, np.ndarray], np.ndarray]
WIDTH = 0.5  # pixels, of an edge
PLACES = 5  # along each axis, in steps of s/8
PHASES = 8
IDEAL = 2  # filters for each member
NEAR = 0.4  # of the window: the standard deviation of the narrower of the two


@dataclass(frozen=True, eq=False)
class Stimuli:
    """Images with what they show.

    Arguments:
        images: `[n, size, size]`, each with mean 0 and root mean square 1.
        family: `[n]` indices into `FAMILIES`.
        member: `[n]` numbers of the members, over all families.
        place: `[n]` numbers of positions or phases.
        titles: of the members.
    """

    images: Float[np.ndarray, "n size size"] = field(repr=False)
    family: Int[np.ndarray, "n"] = field(repr=False)
    member: Int[np.ndarray, "n"] = field(repr=False)
    place: Int[np.ndarray, "n"] = field(repr=False)
    titles: tuple[str, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.images)


def battery(size: int) -> Stimuli:
    """All families on frames of `size` pixels.

    24 edges, 24 bars (12 orientations, light and dark), 24 corners (45°, 90° and 135°, 8 rotations), 6 discs and 6 rings
    (radii s/8, s/4, 3s/8), 4 blobs (differences of Gaussians), 24 Gabors, each at 5 × 5 positions; and gratings of 12
    orientations and the frequencies below, each in 8 phases.

    Arguments:
        size: s ≥ 6.
    """
    if size < 6:
        raise UserError(f"stimuli of {size} pixels", "at least 6 pixels along each axis")
    images: list[np.ndarray] = []
    families: list[int] = []
    members: list[int] = []
    places: list[int] = []
    titles: list[str] = []
    steps = (np.arange(PLACES) - PLACES // 2) * size / 8
    for family, (title, shape) in _shapes(size):
        at = [(x, y) for y in steps for x in steps]
        images.append(_drawn(shape, at, size))
        families += [FAMILIES.index(family)] * len(at)
        members += [len(titles)] * len(at)
        places += range(len(at))
        titles.append(title)
    waves = gratings(size)
    for i, (f, theta) in enumerate(product(waves.frequencies, waves.orientations)):
        images.append(waves.images.reshape(-1, PHASES, size, size)[i])
        families += [FAMILIES.index("grating")] * PHASES
        members += [len(titles)] * PHASES
        places += range(PHASES)
        titles.append(f"grating, {np.degrees(theta):.0f}°, {f:g} cycles a pixel")
    numbers = [np.array(of) for of in (families, members, places)]
    return Stimuli(np.concatenate(images), numbers[0], numbers[1], numbers[2], tuple(titles))


@dataclass(frozen=True, eq=False)
class Gratings:
    """cos(2πf(x cos θ + y sin θ) + φ) for all combinations.

    Arguments:
        images: `[frequencies · orientations · phases, size, size]`, phases fastest.
        frequencies: f, cycles a pixel, below ½.
        orientations: θ in [0, π), the direction across the stripes.
        phases: φ in [0, 2π).
    """

    images: Float[np.ndarray, "n size size"] = field(repr=False)
    frequencies: tuple[float, ...]
    orientations: tuple[float, ...]
    phases: tuple[float, ...]


def gratings(size: int, frequencies: Sequence[float] = (), orientations: int = 12) -> Gratings:
    """Gratings of evenly spaced orientations in 8 phases.

    Arguments:
        size: of the frame in pixels.
        frequencies: cycles a pixel; by default those of 1/16, 1/8, 1/4 and 3/8 with at least one cycle in the frame.
        orientations: how many.
    """
    used = tuple(frequencies) or tuple(f for f in (1 / 16, 1 / 8, 1 / 4, 3 / 8) if f * size >= 1)
    angles, phases = np.pi * np.arange(orientations) / orientations, 2 * np.pi * np.arange(PHASES) / PHASES
    x, y = _grid(size)
    images = [
        np.cos(2 * np.pi * f * (x * np.cos(t) + y * np.sin(t)) + p)
        for f, t, p in product(used, angles, phases)
    ]
    return Gratings(_normalised(np.array(images)), used, tuple(angles.tolist()), tuple(phases.tolist()))


def scrambled(images: Float[np.ndarray, "n size size"], seed: int) -> Float[np.ndarray, "n size size"]:
    """Twins with the same amplitude spectrum, and the phases of white noise.

    Arguments:
        images: with mean 0 and root mean square 1, which their twins have too.
        seed: of the noise.
    """
    noise = np.random.default_rng(seed).standard_normal(images.shape)
    phase = np.angle(np.fft.rfft2(noise))
    found = np.fft.irfft2(np.abs(np.fft.rfft2(images)) * np.exp(1j * phase), s=images.shape[1:])
    return found.astype(np.float32)


def ideal_filters(size: int, window: int) -> Float[np.ndarray, "window window filters"]:
    """Filters that are made to detect each member: the member itself as a window sees it, with mean 0 and norm 1.

    Each member has `IDEAL` filters one after the other, in the order of `battery`: as it is, and under a Gaussian of 0.4 windows.
    A member that is constant over the window has filters of zeros.

    Arguments:
        size: of the frames, which sets the members' sizes.
        window: of the filters in pixels.
    """
    x, y = _grid(window)
    shown = [np.broadcast_to(shape(x, y), (window, window)) for _, (_, shape) in _shapes(size)]
    waves = gratings(window, gratings(size).frequencies)
    shown += list(waves.images[::PHASES])
    near = np.exp(-(x**2 + y**2) / (2 * (NEAR * window) ** 2))
    bank = np.array([(of - of.mean()) * envelope for of in shown for envelope in (1.0, near)])
    bank -= bank.mean(axis=(1, 2), keepdims=True)
    norm = np.sqrt(np.sum(bank**2, axis=(1, 2), keepdims=True))
    found = np.divide(bank, norm, out=np.zeros_like(bank), where=norm > 1e-9)
    return np.moveaxis(found, 0, -1).astype(np.float32)


def _shapes(size: int) -> list[tuple[str, tuple[str, Shape]]]:
    """Every member that has positions."""
    found: list[tuple[str, tuple[str, Shape]]] = []

    def add(family: str, title: str, shape: Shape) -> None:
        found.append((family, (f"{family}, {title}", shape)))

    for k in range(24):
        add("edge", f"{15 * k}°", _edge(np.radians(15 * k)))
    for k, (sign, tone) in product(range(12), ((1, "light"), (-1, "dark"))):
        add("bar", f"{15 * k}°, {tone}", _bar(np.radians(15 * k), size / 2, sign))
    for angle, k in product((45, 90, 135), range(8)):
        add("corner", f"{angle}°, turned {45 * k}°", _corner(np.radians(angle), np.radians(45 * k)))
    for share, (sign, tone) in product((1 / 8, 1 / 4, 3 / 8), ((1, "light"), (-1, "dark"))):
        add("disc", f"radius {share:g} s, {tone}", _disc(share * size, sign))
        add("ring", f"radius {share:g} s, {tone}", _ring(share * size, sign))
    for sigma, (sign, tone) in product((1.0, 2.0), ((1, "light"), (-1, "dark"))):
        add("blob", f"σ {sigma:g}, {tone}", _blob(sigma, sign))
    for k, f, p in product(range(6), (1 / 8, 1 / 4), (0, 90)):
        add(
            "Gabor",
            f"{30 * k}°, {f:g} cycles a pixel, phase {p}°",
            _gabor(np.radians(30 * k), f, np.radians(p)),
        )
    return found


def _edge(theta: float) -> Shape:
    return lambda x, y: erf((x * np.cos(theta) + y * np.sin(theta)) / (np.sqrt(2) * WIDTH))


def _bar(theta: float, length: float, sign: int) -> Shape:
    def shape(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        across, along = x * np.cos(theta) + y * np.sin(theta), y * np.cos(theta) - x * np.sin(theta)
        return sign * np.exp(-(across**2) / 2) * (np.abs(along) <= length / 2)

    return shape


def _corner(angle: float, turned: float) -> Shape:
    """Light where a wedge of this angle is, from the point outwards."""

    def shape(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        sides = []
        for sign in (1, -1):
            normal = turned + sign * (angle / 2 - np.pi / 2)
            sides.append(expit((x * np.cos(normal) + y * np.sin(normal)) / WIDTH))
        return np.minimum(*sides)

    return shape


def _disc(radius: float, sign: int) -> Shape:
    return lambda x, y: sign * expit((radius - np.hypot(x, y)) / WIDTH)


def _ring(radius: float, sign: int) -> Shape:
    return lambda x, y: sign * np.exp(-((np.hypot(x, y) - radius) ** 2) / 2)


def _blob(sigma: float, sign: int) -> Shape:
    def shape(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        square, wide = x**2 + y**2, 1.6 * sigma
        return sign * (
            np.exp(-square / (2 * sigma**2)) - np.exp(-square / (2 * wide**2)) * sigma**2 / wide**2
        )

    return shape


def _gabor(theta: float, f: float, phase: float) -> Shape:
    def shape(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        across, along = x * np.cos(theta) + y * np.sin(theta), y * np.cos(theta) - x * np.sin(theta)
        return np.exp(-(across**2 + 0.25 * along**2) / (2 * (0.56 / f) ** 2)) * np.cos(
            2 * np.pi * f * across + phase
        )

    return shape


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    line = np.arange(size) - (size - 1) / 2
    return line[None, :], line[:, None]


def _drawn(shape: Shape, at: Sequence[tuple[float, float]], size: int) -> np.ndarray:
    x, y = _grid(size)
    return _normalised(np.array([np.broadcast_to(shape(x - u, y - v), (size, size)) for u, v in at]))


def _normalised(images: np.ndarray) -> np.ndarray:
    images = images - images.mean(axis=(1, 2), keepdims=True)
    return (images / np.sqrt(np.mean(images**2, axis=(1, 2), keepdims=True))).astype(np.float32)
