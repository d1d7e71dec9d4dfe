"""Files of a run: written so that the run may be killed, read with caution."""
