import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.flume.Event;
import org.apache.flume.api.RpcClient;
import org.apache.flume.api.RpcClientFactory;
import org.apache.flume.event.EventBuilder;

/**
 * Sends events by Flume's own RPC client, a client a thread: java FlumeSender.java PORT THREADS BATCH BYTES.
 * Each number of events on standard input is sent by all threads together; the answer is the seconds that took.
 * A batch's events are made once and sent again and again, so that the time is the client's and the server's.
 */
public class FlumeSender {
    private static void send(RpcClient client, List<Event> batch, long count, AtomicReference<Exception> failure) {
        try {
            for (long left = count; left > 0; left -= batch.size()) {
                client.appendBatch(left < batch.size() ? batch.subList(0, (int) left) : batch);
            }
        } catch (Exception e) {
            failure.set(e);
        }
    }

    public static void main(String[] words) throws Exception {
        int threads = Integer.parseInt(words[1]);
        int batch = Integer.parseInt(words[2]);
        Properties properties = new Properties();
        properties.setProperty("hosts", "h");
        properties.setProperty("hosts.h", "127.0.0.1:" + words[0]);
        properties.setProperty("batch-size", words[2]);
        properties.setProperty("request-timeout", "120000");
        List<RpcClient> clients = new ArrayList<>();
        for (int i = 0; i < threads; i++) {
            clients.add(RpcClientFactory.getInstance(properties));
        }
        List<Event> events = new ArrayList<>();
        for (int i = 0; i < batch; i++) {
            StringBuilder line = new StringBuilder("event " + i + " ");
            while (line.length() < Integer.parseInt(words[3])) {
                line.append((char) ('a' + line.length() % 26));
            }
            events.add(EventBuilder.withBody(line.toString().getBytes("UTF-8")));
        }
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            long count = Long.parseLong(line.trim());
            AtomicReference<Exception> failure = new AtomicReference<>();
            CountDownLatch done = new CountDownLatch(threads);
            long begun = System.nanoTime();
            for (int i = 0; i < threads; i++) {
                RpcClient client = clients.get(i);
                long mine = count / threads + (i < count % threads ? 1 : 0);
                new Thread(() -> {
                    send(client, events, mine, failure);
                    done.countDown();
                }).start();
            }
            done.await();
            if (failure.get() != null) {
                throw failure.get();
            }
            System.out.println((System.nanoTime() - begun) / 1e9);
            System.out.flush();
        }
        for (RpcClient client : clients) {
            client.close();
        }
    }
}
