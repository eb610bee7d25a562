"""Records of a queue out of a cluster's messages: nothing for other modules."""
