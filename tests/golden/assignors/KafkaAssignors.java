import com.fasterxml.jackson.databind.*;
import com.fasterxml.jackson.databind.node.*;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.internals.AbstractPartitionAssignor;
import org.apache.kafka.clients.consumer.internals.AbstractStickyAssignor;
import org.apache.kafka.common.*;

/** Asks Kafka's own assignors: scenarios (JSON) on standard input, the same with results on standard output. */
public class KafkaAssignors {
    public static void main(String[] args) throws Exception {
        ObjectMapper json = new ObjectMapper();
        ArrayNode scenarios = (ArrayNode) json.readTree(System.in);
        for (JsonNode scenario : scenarios)
            ((ObjectNode) scenario).set("kafka", answers(json, scenario));
        StringBuilder out = new StringBuilder();
        for (JsonNode scenario : scenarios)
            out.append(out.isEmpty() ? "[\n" : ",\n").append(json.writeValueAsString(scenario));
        System.out.println(out.append("\n]"));
    }

    /** StickyAssignor, but what is owned comes with the subscription and not packed into user data. */
    static class Sticky extends AbstractStickyAssignor {
        @Override public String name() {
            return "sticky";
        }

        @Override protected MemberData memberData(Subscription subscription) {
            return new MemberData(subscription.ownedPartitions(), subscription.generationId());
        }
    }

    static ObjectNode answers(ObjectMapper json, JsonNode scenario) {
        ObjectNode answers = json.createObjectNode();
        for (AbstractPartitionAssignor assignor : List.of(new RangeAssignor(), new RoundRobinAssignor(),
                new Sticky(), new CooperativeStickyAssignor()))
            answers.set(assignor.name(), answer(json, scenario, assignor));
        return answers;
    }

    static ObjectNode answer(ObjectMapper json, JsonNode scenario, AbstractPartitionAssignor assignor) {
        Set<String> subscribed = new HashSet<>();
        Map<String, Subscription> members = new HashMap<>();
        for (Iterator<Map.Entry<String, JsonNode>> it = scenario.get("members").fields(); it.hasNext(); ) {
            Map.Entry<String, JsonNode> entry = it.next();
            JsonNode member = entry.getValue();
            List<String> topics = new ArrayList<>();
            member.get("topics").forEach(topic -> topics.add(topic.asText()));
            subscribed.addAll(topics);
            List<TopicPartition> owned = new ArrayList<>();
            member.get("owned").forEach(p -> owned.add(new TopicPartition(p.get(0).asText(), p.get(1).asInt())));
            Subscription subscription = new Subscription(topics, null, owned,
                member.get("generation").asInt(), Optional.empty());
            if (!member.get("instance").isNull())
                subscription.setGroupInstanceId(Optional.of(member.get("instance").asText()));
            members.put(entry.getKey(), subscription);
        }
        Map<String, Integer> counts = new HashMap<>();
        for (Iterator<Map.Entry<String, JsonNode>> it = scenario.get("partitions").fields(); it.hasNext(); ) {
            Map.Entry<String, JsonNode> entry = it.next();
            if (subscribed.contains(entry.getKey()))
                counts.put(entry.getKey(), entry.getValue().asInt());
        }
        ObjectNode answer = json.createObjectNode();
        assignor.assign(counts, members).forEach((member, partitions) -> {
            ArrayNode list = answer.putArray(member);
            partitions.stream()
                .sorted(Comparator.comparing(TopicPartition::topic).thenComparing(TopicPartition::partition))
                .forEach(p -> list.add(json.createArrayNode().add(p.topic()).add(p.partition())));
        });
        return answer;
    }
}
