"""One decoder for chat and evaluation: batched, cached, streamed."""
