"""From a frame to its answer: the head, the message, the handler, the response, and errors on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine

from logflume.broker.api_keys import ApiKey, is_flexible
from logflume.broker.call import Call
from logflume.broker.dispatch import Later
from logflume.broker.messages import MalformedRequest, decode_request, encode_response
from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from typing_extensions import Buffer

    from logflume._native.frames import Frame
    from logflume.broker.connection import Connection
    from logflume.broker.dispatch import Handler

    Parts = Sequence[Buffer] | None

__all__ = ["Unanswerable", "begin", "unsupported"]

UNSUPPORTED_VERSION = 35
# Decoded, a request takes many times its bytes.
REQUEST_BYTES_MAX = 8 << 20


class Unanswerable(Exception):
    """The request has no answer in its version: the connection is closed, as Kafka does."""


def unsupported(connection: Connection, frame: Frame) -> Parts:
    """The answer to an API or version that is not served: none, but for ApiVersions (KIP-511)."""
    if frame.api_key == ApiKey.API_VERSIONS:
        versions = connection.broker.handlers[ApiKey.API_VERSIONS]
        advertised = {
            "error_code": UNSUPPORTED_VERSION,
            "api_keys": [
                {
                    "api_key": int(ApiKey.API_VERSIONS),
                    "min_version": versions.lowest,
                    "max_version": versions.highest,
                }
            ],
        }
        return [encode_response(ApiKey.API_VERSIONS, 0, frame.correlation_id, advertised)]
    raise Unanswerable("not served")


def begin(
    connection: Connection, handler: Handler, frame: Frame
) -> Parts | asyncio.Future[Parts] | Later:
    """Start serving; the answer, or what will have it. Raises FrameFault, Unanswerable."""
    if not handler.before_login and not connection.is_known:
        raise Unanswerable("not authenticated")
    flexible = is_flexible(frame.api_key, frame.version)
    frame.open(flexible)
    call = Call(connection, handler, frame.version, frame.correlation_id, frame.client_id)
    request: Any = frame
    if len(frame) > REQUEST_BYTES_MAX and frame.api_key != ApiKey.PRODUCE:
        raise Unanswerable(f"{len(frame)} bytes are more than a request without records needs")
    if not handler.raw:
        try:
            request = decode_request(frame.api_key, frame.version, frame)
        except MalformedRequest as fault:
            raise Unanswerable(f"malformed: {fault}") from None
    try:
        answer = handler.function(call, request)
    except LogflumeError as error:
        return _failed(call, request, error)
    if isinstance(answer, (asyncio.Future, Later)) and handler.raw:
        return answer
    if isinstance(answer, Awaitable):
        job = asyncio.ensure_future(_finish(call, request, answer))
        # A client that is gone at once cancels the job before it has come to the answer.
        job.add_done_callback(lambda _: _let_go(answer))
        return job
    return _encode(call, answer)


async def _finish(call: Call, request: Any, answer: Awaitable[Any]) -> Parts:
    try:
        fields = await answer
    except LogflumeError as error:
        return _failed(call, request, error)
    return _encode(call, fields)


def _let_go(answer: Awaitable[Any]) -> None:
    if isinstance(answer, asyncio.Future):
        answer.cancel()
    elif isinstance(answer, Coroutine):
        answer.close()


def _failed(call: Call, request: Any, error: LogflumeError) -> Parts:
    if call.handler.failed is None:
        raise error
    return _encode(call, call.handler.failed(call, request, error.code))


def _encode(call: Call, answer: Any) -> Parts:
    if answer is None or call.handler.raw or isinstance(answer, list):
        parts: Parts = answer
        return parts
    return [encode_response(call.handler.api_key, call.version, call.correlation_id, answer)]
