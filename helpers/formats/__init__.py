"""Readers of masks and annotations, one format or one job in a file; `helpers.masks` puts them together."""
