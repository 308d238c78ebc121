"""Offline tools that make, check and show data sets."""
