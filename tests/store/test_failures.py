import errno
import os
from pathlib import Path

import pytest

from ticketlab.errors import UserError
from ticketlab.store.failures import storing


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EDQUOT, "Free some space"),
        (errno.EACCES, "no permission to write to somewhere"),
        (errno.EROFS, "Give another folder with --out"),
        (errno.EIO, "failure to write to somewhere"),
    ],
)
def test_failures_of_the_disk_are_explained_and_say_that_nothing_is_lost(number, said):
    with pytest.raises(UserError) as caught, storing(Path("somewhere")):
        raise OSError(number, os.strerror(number))
    assert said in str(caught.value)
    assert os.strerror(number).lower() in str(caught.value)
    assert "Finished cells are kept" in str(caught.value)


def test_other_errors_pass():
    with pytest.raises(KeyError), storing(Path("somewhere")):
        raise KeyError("x")
