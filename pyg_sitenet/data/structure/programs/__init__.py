"""Structure files as programs write them, each format in a module of its own."""
