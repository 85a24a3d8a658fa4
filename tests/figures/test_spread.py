import math

import numpy as np
import pytest
from scipy import stats

from ticketlab.evidence.tables import Table
from ticketlab.figures.spread import score, spread


def test_the_interval_is_students():
    values = np.array([2.1, 2.5, 1.9, 2.2, 2.8])
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert spread(values).interval == pytest.approx((expected.low, expected.high))
    assert spread(values).mean == pytest.approx(2.3)


def test_missing_values_are_left_out():
    assert spread(np.array([1.0, math.nan, 3.0])).values == (1.0, 3.0)


def test_one_value_has_no_interval_and_none_no_mean():
    assert spread(np.array([1.0])).interval is None
    assert spread(np.array([math.nan])).values == ()
    assert math.isnan(spread(np.array([])).mean)


@pytest.mark.parametrize(("low", "high"), [(0.0, 100.0), (0.0, math.inf), (-math.inf, 100.0)])
def test_no_interval_leaves_the_range_of_its_quantity(low, high):
    near_a_bound = np.array([0.1, 4.0, 0.3]) if low == 0 else np.array([99.9, 96.0, 99.7])
    for values in (near_a_bound, 100 - near_a_bound):
        s = spread(values, low, high)
        assert low <= s.interval[0] < s.mean < s.interval[1] <= high
    assert spread(np.array([100.0, 100.0]), 0, 100).interval == (100.0, 100.0)


def test_far_from_its_bounds_the_interval_is_students():
    values = np.array([50.1, 50.2, 49.9, 50.0])
    assert spread(values, 0.0, 100.0).interval == pytest.approx(spread(values).interval, rel=1e-5)


def test_a_negative_share_of_a_variance_has_an_interval_too():
    """The lower bound 0 made it (−60, −60)."""
    s = score(Table.from_rows("t", [{"test_score": v} for v in (-0.5, -0.7, -0.6)]))
    assert s.interval[0] < -70 < s.mean < -50 < s.interval[1] < 100
