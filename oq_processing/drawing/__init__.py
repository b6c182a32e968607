"""Figures and map pages."""
