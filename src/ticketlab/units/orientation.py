"""Tuning to gratings: the response of every unit by orientation, frequency and phase.

The tuning curve r(θ) is the largest response over phases, at the frequency where that is largest. Of r, negative values
clipped to 0,

    selectivity = (r_pref − r_orth)/(r_pref + r_orth),    global index = |Σ r e^{2iθ}| / Σ r,

and the preferred orientation is half the angle of Σ r e^{2iθ}. The global index is 1 − circular variance; it uses the
whole curve, so it is less biased by noise. At the preferred grating F1/F0 is the amplitude of the response at the
grating's period in phase over its mean, above 1 for a "simple" unit.

Sources: Ringach et al. 2002, doi:10.1523/JNEUROSCI.22-13-05639.2002 (circular variance); Skottun et al. 1991,
doi:10.1016/0042-6989(91)90033-2 (F1/F0).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from ticketlab.errors import UserError
from ticketlab.units.stimuli import Gratings

__all__ = ["Tuning", "tuning"]


@dataclass(frozen=True, eq=False)
class Tuning:
    """Tuning of several units.

    Arguments:
        orientations: θ, radians.
        curves: r(θ).
        frequency: the preferred one, cycles a pixel.
        preferred: the preferred orientation in [0, π), across the stripes; NaN for a unit without response.
        selectivity, global_index: in [0, 1]; NaN for a unit without response.
        modulation: F1/F0; NaN where the mean response to the preferred grating is not positive.
    """

    orientations: Float[np.ndarray, " angles"]
    curves: Float[np.ndarray, "units angles"] = field(repr=False)
    frequency: Float[np.ndarray, "units"] = field(repr=False)
    preferred: Float[np.ndarray, "units"] = field(repr=False)
    selectivity: Float[np.ndarray, "units"] = field(repr=False)
    global_index: Float[np.ndarray, "units"] = field(repr=False)
    modulation: Float[np.ndarray, "units"] = field(repr=False)


def tuning(responses: Float[np.ndarray, "units n"], stimuli: Gratings) -> Tuning:
    """Tuning curves and their indices.

    Arguments:
        responses: to `stimuli.images`, in their order.
        stimuli: gratings of an even number of orientations.
    """
    shape = (len(stimuli.frequencies), len(stimuli.orientations), len(stimuli.phases))
    if responses.shape[1] != np.prod(shape) or shape[1] % 2:
        raise UserError(
            f"{responses.shape[1]} responses for {shape[1]} orientations",
            f"{int(np.prod(shape))} responses, one for each grating, and an even number of orientations",
        )
    cube = responses.astype(np.float64).reshape(len(responses), *shape)
    at = np.arange(len(cube))
    peaks = cube.max(axis=3)
    best = np.argmax(peaks.max(axis=2), axis=1)
    curves = peaks[at, best]
    r = np.maximum(curves, 0)
    angles = np.array(stimuli.orientations)
    top = np.argmax(r, axis=1)
    opposite = (top + len(angles) // 2) % len(angles)
    vector = r @ np.exp(2j * angles)
    waves = np.fft.rfft(cube[at, best, top], axis=1) / shape[2]
    with np.errstate(divide="ignore", invalid="ignore"):
        index = np.abs(vector) / r.sum(axis=1)
        selectivity = (r[at, top] - r[at, opposite]) / (r[at, top] + r[at, opposite])
        mean = waves[:, 0].real
        modulation = np.where(mean > 0, 2 * np.abs(waves[:, 1]) / mean, np.nan)
    silent = r.sum(axis=1) == 0
    preferred = np.where(silent, np.nan, np.angle(vector) / 2 % np.pi)
    return Tuning(
        angles, curves, np.array(stimuli.frequencies)[best], preferred, selectivity, index, modulation
    )
