"""Parts that the commands share: their arguments, and how they begin and end."""
