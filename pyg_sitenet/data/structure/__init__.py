"""From a file, a text or an object to a checked structure."""
