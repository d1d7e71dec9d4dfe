"""Published weights as parameters of the networks: bytes or arrays in, checked parameters or `WeightsError` out."""
