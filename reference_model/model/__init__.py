"""The network: one technique a file, put together in `gpt`."""
