"""DescribeConfigs: v1-4. v1: synonyms and sources. v3: types and documentation. v4: flexible.

Differs from Kafka: a broker's settings are those of logflume (docs/configuration.md) and cannot be changed while it
runs; no loggers or client metrics are described. Groups have options whether or not they are there, as in Kafka.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.config_view import broker_config, group_config, topic_config
from logflume.broker.dispatch import handles
from logflume.broker.refusals import InvalidRequest
from logflume.broker.resources import BROKER, GROUP, TOPIC, check_broker, check_configs
from logflume.broker.security.acl import Operation
from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["describe_configs"]


@handles(ApiKey.DESCRIBE_CONFIGS, versions="1-4")
def describe_configs(call: Call, request: Any) -> Answer:
    """The settings of topics, and of this broker."""
    results = []
    for resource in request.resources:
        configs: list[dict[str, Any]] = []
        code, message = 0, None
        try:
            configs = _describe(call, resource)
        except LogflumeError as error:
            code, message = error.code, str(error)
        if not request.include_synonyms:
            configs = [{**entry, "synonyms": []} for entry in configs]
        if not getattr(request, "include_documentation", False):
            configs = [{**entry, "documentation": None} for entry in configs]
        results.append(
            {
                "error_code": code,
                "error_message": message,
                "resource_type": resource.resource_type,
                "resource_name": resource.resource_name,
                "configs": configs,
            }
        )
    return {"results": results}


def _describe(call: Call, resource: Any) -> list[dict[str, Any]]:
    names = resource.configuration_keys
    check_configs(call, Operation.DESCRIBE_CONFIGS, resource)
    if resource.resource_type == TOPIC:
        return topic_config(call.broker.topics.get(resource.resource_name).config, names)
    if resource.resource_type == BROKER:
        check_broker(call.broker, resource.resource_name)
        return broker_config(call.broker, names)
    if resource.resource_type == GROUP:
        return group_config(call.broker, resource.resource_name, names)
    raise InvalidRequest(reason=f"resources of type {resource.resource_type} have no settings here")
