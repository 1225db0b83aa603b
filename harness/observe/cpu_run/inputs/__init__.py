"""What a submission finds on disk when it starts: shards, tokenizers, sidecars, under the names that it asks for."""
