"""Ticketlab."""
