"""Folders, archives and files that hold structures."""
