"""How far an environment must reach until predictions settle."""
