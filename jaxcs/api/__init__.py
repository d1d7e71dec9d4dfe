"""What `import jaxcs` gives: reconstruct and attack a slice in the units that it comes in."""
