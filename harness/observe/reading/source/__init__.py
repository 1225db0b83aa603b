"""Source files, read without running them: grammar, wrappers, imports, environment reads."""
