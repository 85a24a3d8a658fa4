import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.tasks import LOGISTIC, SOFTMAX_CROSS_ENTROPY, SQUARE, SQUARED_HINGE, ConvexLoss, huber
from ticketlab.tasks.target_check import check_targets

LOSSES = [SQUARE, SOFTMAX_CROSS_ENTROPY, LOGISTIC, SQUARED_HINGE, huber()]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_targets_that_are_not_finite_are_refused_by_every_loss(loss: ConvexLoss, value: float) -> None:
    targets = np.eye(3)
    check_targets(loss, targets)
    targets[1, 1] = value
    with pytest.raises(UserError, match="NaN or infinite"):
        check_targets(loss, targets)
