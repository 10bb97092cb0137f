"""The ``sitenet`` command: one file per command, each parses, calls and writes."""
