"""What runs inside a worker process: the guests of one shard. Nothing here is imported by the server."""
