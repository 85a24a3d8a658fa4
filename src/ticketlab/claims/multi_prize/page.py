"""The page of the claim `multi-prize`."""

from ticketlab.claims.learned.page import present_multi_prize as present

__all__ = ["present"]
