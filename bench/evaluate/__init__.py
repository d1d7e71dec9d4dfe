"""Methods, and how a slice is attacked and scored under them."""
