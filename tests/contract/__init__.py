"""One suite for both engines: what a program may rely on, on a directory and on a real Kafka."""
