"""From weights to few bits, and back."""
