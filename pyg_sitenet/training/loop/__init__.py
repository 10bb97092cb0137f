"""The training loop: module, schedule, checkpoints and what interrupts it."""
