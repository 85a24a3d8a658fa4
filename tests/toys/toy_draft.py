"""A draft in memory, for the tests of what becomes of a run that ends on the way."""

import numpy as np


class Memory:
    """Keeps the last draft, and can end the run after a number of writes."""

    def __init__(self, end_after=10**9):
        self.kept, self.left, self.tickets = None, end_after, {}

    def read(self):
        return self.kept

    def write(self, arrays):
        self.kept = {name: np.array(array) for name, array in arrays.items()}
        self.left -= 1
        if self.left <= 0:
            raise KeyboardInterrupt

    def leave(self, name, ticket):
        self.tickets[name] = ticket
