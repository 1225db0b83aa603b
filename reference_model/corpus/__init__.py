"""A small English text in the public domain, and its way into the competition's shard format."""
