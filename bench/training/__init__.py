"""Training of the networks: examples, the optimiser step, the training loop and its checkpoints."""
