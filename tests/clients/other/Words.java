import java.time.Duration;
import java.util.Arrays;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;

/**
 * Counts the words of "lines" into "counts", through a repartition topic and a changelog, and joins each line's first word
 * with the table "names" into "joined". Ends when it has counted so many words, as its own store says.
 * Arguments: bootstrap, words, directory of its state.
 */
public class Words {
    public static void main(String[] args) throws Exception {
        long words = Long.parseLong(args[1]);
        Properties given = new Properties();
        given.put("bootstrap.servers", args[0]);
        given.put("application.id", "words");
        given.put("processing.guarantee", "exactly_once_v2");
        given.put("state.dir", args[2]);
        given.put("commit.interval.ms", "100");
        given.put("num.stream.threads", "2");
        given.put("num.standby.replicas", "1");
        given.put("auto.offset.reset", "earliest");
        given.put("default.key.serde", Serdes.StringSerde.class.getName());
        given.put("default.value.serde", Serdes.StringSerde.class.getName());

        StreamsBuilder flow = new StreamsBuilder();
        KStream<String, String> lines = flow.stream("lines");
        lines.flatMapValues(line -> Arrays.asList(line.split(" ")))
            .groupBy((key, word) -> word)
            .count(Materialized.as("counted"))
            .toStream()
            .to("counts", Produced.with(Serdes.String(), Serdes.Long()));
        lines.selectKey((key, line) -> line.split(" ")[0])
            .join(flow.globalTable("names"), (key, line) -> key, (line, name) -> line + "/" + name)
            .to("joined");

        try (KafkaStreams running = new KafkaStreams(flow.build(), given)) {
            running.start();
            while (counted(running) < words) Thread.sleep(100);
            System.out.println("counted " + counted(running));
        }
    }

    static long counted(KafkaStreams running) {
        if (running.state() == KafkaStreams.State.ERROR) throw new IllegalStateException("it failed");
        if (running.state() != KafkaStreams.State.RUNNING) return 0;
        ReadOnlyKeyValueStore<String, Long> store = running.store(
            StoreQueryParameters.fromNameAndType("counted", QueryableStoreTypes.<String, Long>keyValueStore()));
        long sum = 0;
        try (var all = store.all()) {
            while (all.hasNext()) sum += all.next().value;
        }
        return sum;
    }
}
