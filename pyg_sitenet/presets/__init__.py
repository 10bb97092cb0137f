"""Ready configurations as YAML files; start your own from a copy of one."""
