"""What test_transaction_kills.py runs in processes of their own."""

from __future__ import annotations

import time

from support.children import report


def serve_for_ever(directory: str, listen: str) -> None:
    """A broker, until it is killed."""
    import logflume

    with logflume.serve(directory, listen) as broker:
        report("serves", broker.bootstrap)
        time.sleep(3600)


def copy_for_ever(bootstrap: str, number: int) -> None:
    """From "in" to "out", record by record, with the group's offsets in the same transactions, until it is killed."""
    from confluent_kafka import Consumer, KafkaException, Producer

    # With re-bootstrapping librdkafka 2.16 keeps asking a group's coordinator through a broker that it has given up.
    common = {"bootstrap.servers": bootstrap, "log_level": 0, "metadata.recovery.strategy": "none"}
    reader = {
        "group.id": "copies",
        "group.instance.id": f"one-{number}",
        "enable.auto.commit": False,
    }
    reader |= {"auto.offset.reset": "earliest", "isolation.level": "read_committed"}
    consumer = Consumer(common | reader | {"session.timeout.ms": 6000})
    consumer.subscribe(["in"])
    while True:
        # A failure that another transaction could not mend: begin anew, as a program that is restarted would.
        producer = Producer(common | {"transactional.id": f"copier-{number}", "linger.ms": 0})
        try:
            producer.init_transactions(60)
            report("ready")
            while True:
                _copy(consumer, producer)
        except KafkaException as error:
            report("again", error.args[0].name())
            _go_back(consumer)


def _copy(consumer: object, producer: object) -> None:
    from confluent_kafka import KafkaException

    messages = [m for m in consumer.consume(20, timeout=0.2) if m.error() is None]
    if not messages:
        return
    producer.begin_transaction()
    try:
        for message in messages:
            producer.produce("out", message.value(), partition=message.partition())
        places = consumer.position(consumer.assignment())
        producer.send_offsets_to_transaction(places, consumer.consumer_group_metadata(), 60)
        producer.commit_transaction(60)
    except KafkaException as error:
        if not error.args[0].txn_requires_abort():
            raise
        report("aborts", error.args[0].name())
        producer.abort_transaction(60)
        _go_back(consumer)
    else:
        report("copied", len(messages))


def _go_back(consumer: object) -> None:
    """To where the group stands."""
    from confluent_kafka import KafkaException, TopicPartition

    while True:
        try:
            for place in consumer.committed(consumer.assignment(), 10):
                offset = max(place.offset, 0)
                consumer.seek(TopicPartition(place.topic, place.partition, offset))
            return
        except KafkaException:
            time.sleep(0.1)
