"""Sentences that follow from records, and the published claims with which they are compared."""
