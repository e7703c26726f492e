"""Annotations as pyskl and MMAction2 pickle them."""
