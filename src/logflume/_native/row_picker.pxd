"""Records of any batches as one RecordBatch."""
