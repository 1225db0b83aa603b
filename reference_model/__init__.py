"""Training and evaluation stack of the reference model; importing the package needs no torch."""
