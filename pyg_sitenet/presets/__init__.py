"""Ready configurations as YAML files; a user's own file can start from a copy of one."""
