"""Training of the networks: examples, the step, the loop and its checkpoints."""
