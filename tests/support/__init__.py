"""What several folders of tests share: opening partitions, making records, reading everything back."""
