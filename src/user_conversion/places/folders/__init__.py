"""Outputs in folders: published by renaming."""
