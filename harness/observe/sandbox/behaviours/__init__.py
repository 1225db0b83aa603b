"""What hostile code may try, each as a small program, and what must hold then. Every provider is checked with these."""
