"""The run folder: layout, lock, durable writes, checkpoints, records, lineage."""
