"""Kinetics-skeleton, JSON files and their labels."""
