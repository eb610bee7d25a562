"""Serializers: how a sink writes events into a file.

One file a serializer. A batch enters, bytes leave.
"""

from logflume.agent.serializers.avro import AvroEvent
from logflume.agent.serializers.json_lines import JsonLines
from logflume.agent.serializers.serializer import Serializer
from logflume.agent.serializers.text import HeaderAndText, Text

__all__ = ["AvroEvent", "HeaderAndText", "JsonLines", "Serializer", "Text"]
