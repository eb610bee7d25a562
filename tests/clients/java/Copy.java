import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;

/** Copies records from one topic to another, with the group's offsets, in transactions; every third is aborted. */
public class Copy {
    public static void main(String[] args) {
        String bootstrap = args[0];
        int total = Integer.parseInt(args[1]);
        Map<String, Object> common = Map.of("bootstrap.servers", bootstrap);
        Map<String, Object> reading = new HashMap<>(common);
        reading.put("group.id", "java");
        reading.put("group.protocol", args[2]);
        reading.put("enable.auto.commit", "false");
        reading.put("auto.offset.reset", "earliest");
        reading.put("isolation.level", "read_committed");
        reading.put("max.poll.records", "50");
        reading.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        reading.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        Map<String, Object> writing = new HashMap<>(common);
        writing.put("transactional.id", "java");
        writing.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        writing.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        try (var consumer = new KafkaConsumer<String, String>(reading);
             var producer = new KafkaProducer<String, String>(writing)) {
            producer.initTransactions();
            consumer.subscribe(List.of("in"));
            int copied = 0;
            for (int turn = 0; copied < total; turn++) {
                var records = consumer.poll(Duration.ofSeconds(1));
                if (records.isEmpty()) continue;
                producer.beginTransaction();
                Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                for (var record : records) {
                    producer.send(new ProducerRecord<>("out", record.partition(), null, record.value()));
                    offsets.put(new TopicPartition(record.topic(), record.partition()),
                                new OffsetAndMetadata(record.offset() + 1));
                }
                producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                if (turn % 3 == 2) {
                    producer.abortTransaction();
                    var committed = consumer.committed(consumer.assignment());
                    for (var place : consumer.assignment())
                        consumer.seek(place, committed.get(place) == null ? 0 : committed.get(place).offset());
                } else {
                    producer.commitTransaction();
                    copied += records.count();
                }
            }
            System.out.println("copied " + copied);
        }
    }
}
