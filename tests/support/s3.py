"""S3's API on this machine: moto's server, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "a-s3cret-of-tests",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}

_SERVER = """
import sys
import boto3
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
endpoint = f"http://{host}:{port}"
boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="bucket")
print(endpoint, flush=True)
sys.stdin.read()
"""


@contextmanager
def server() -> Iterator[str]:
    """Its address, with the bucket `bucket` made."""
    pytest.importorskip("moto")
    child = subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        env={**os.environ, **_VARIABLES},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with child:
        try:
            assert child.stdout is not None
            endpoint = child.stdout.readline().strip()
            assert endpoint, "moto's server ended"
            yield endpoint
        finally:
            child.kill()


def environment(endpoint: str) -> dict[str, str]:
    """What a client of it has in its environment."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    return {**kept, **_VARIABLES, "AWS_ENDPOINT_URL": endpoint}
