"""Token shards, documents in them, bytes that tokens stand for, and the order of training."""
