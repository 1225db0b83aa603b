"""Many submissions at once: each a review on disk, resumable at any moment."""
