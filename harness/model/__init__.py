"""The vocabulary: facts, findings and reviews as frozen pydantic models, with versioned JSON schemas."""
