"""Published weights as parameters of the networks: bytes or arrays in, checked parameters or `WeightsError` out.

`files` alone reads files; `shipped` holds the weights that come with the project.
"""
