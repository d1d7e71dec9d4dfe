"""Where slices come from, and what is made of them before they are reconstructed."""
