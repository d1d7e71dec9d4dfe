"""The front door of `import jaxcs`: reconstruct and attack a slice in its own units."""
