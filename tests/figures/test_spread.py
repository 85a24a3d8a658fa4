import math

import numpy as np
import pytest
from scipy import stats

from ticketlab.figures.spread import spread


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
