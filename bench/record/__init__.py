"""What a run leaves on the disk: written so that it may be killed, read with caution."""
