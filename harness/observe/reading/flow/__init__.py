"""Where validation tokens go: what learns from them, what scores them, and in which order."""
