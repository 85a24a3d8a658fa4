"""The page of the claim `untrained-subnetwork`."""

from ticketlab.claims.learned.page import present_untrained_subnetwork as present

__all__ = ["present"]
