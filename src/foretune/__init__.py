"""Foretune."""
