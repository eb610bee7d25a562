// node main.js BOOTSTRAP COUNT: copies the COUNT records of each partition of `in` to `out`, in transactions with the
// group's offsets, of which every other is aborted first; leaves one open, which its successor ends; prints what
// a reader of committed records sees.
const { Kafka, logLevel } = require("kafkajs");
const [bootstrap, count] = process.argv.slice(2);
const kafka = new Kafka({ clientId: "kafkajs", brokers: [bootstrap], logLevel: logLevel.NOTHING });
const CHUNK = 10, PARTITIONS = 2, PATIENCE_MS = 100000;
const bytes = (message) => message.value.toString();
const offset = (partition, at) => ({
  consumerGroupId: "kafkajs", topics: [{ topic: "in", partitions: [{ partition, offset: `${at}` }] }] });

async function writer() {
  const producer = kafka.producer({ transactionalId: "kafkajs", idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  return producer;
}

async function write(transaction, partition, values) {
  await transaction.send({ topic: "out", messages: values.map((value) => ({ partition, value })) });
}

// Calls `each(batch, heartbeat)` until it has said PARTITIONS times that a partition is done.
async function read(consumer, topic, each) {
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  let left = PARTITIONS;
  await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`${left} partitions of ${topic} are not done`)), PATIENCE_MS).unref();
    const eachBatch = async ({ batch, heartbeat, resolveOffset }) => {
      try {
        const done = await each(batch, heartbeat);
        resolveOffset(batch.lastOffset());
        if (done && --left === 0) resolve();
      } catch (error) {
        reject(error);
      }
    };
    consumer.run({ autoCommit: false, eachBatch });
  });
  await consumer.disconnect();
}

async function copy(producer) {
  await read(kafka.consumer({ groupId: "kafkajs", sessionTimeout: 120000 }), "in", async (batch, heartbeat) => {
    for (let at = 0; at < batch.messages.length; at += CHUNK) {
      const chunk = batch.messages.slice(at, at + CHUNK);
      const next = Number(chunk[chunk.length - 1].offset) + 1;
      if ((at / CHUNK) % 2) {
        const failed = await producer.transaction();
        await write(failed, batch.partition, chunk.map((message) => `aborted-${bytes(message)}`));
        await failed.sendOffsets(offset(batch.partition, next));
        await failed.abort();
      }
      const transaction = await producer.transaction();
      await write(transaction, batch.partition, chunk.map(bytes));
      await transaction.sendOffsets(offset(batch.partition, next));
      await transaction.commit();
      await heartbeat();
    }
    return batch.lastOffset() === `${count - 1}`;
  });
}

// A second producer with the name of the first ends what that left open, and the first is told so.
async function succeed(producer) {
  const open = await producer.transaction();
  for (let partition = 0; partition < PARTITIONS; partition++) {
    await write(open, partition, ["open"]);
    await open.sendOffsets(offset(partition, 0));
  }
  const successor = await writer();
  const ends = await successor.transaction(); // its first one tells the broker of it; connecting does not
  const refused = await open.commit().then(() => "committed", (error) => error.type);
  console.log(refused);
  await producer.disconnect();
  for (let partition = 0; partition < PARTITIONS; partition++) await write(ends, partition, ["end"]);
  await ends.commit();
  await successor.disconnect();
}

async function main() {
  const producer = await writer();
  await copy(producer);
  await succeed(producer);
  const reader = kafka.consumer({ groupId: "reader", readUncommitted: false });
  await read(reader, "out", async (batch) => {
    for (const message of batch.messages) console.log(`${batch.partition} ${bytes(message)}`);
    return batch.messages.some((message) => bytes(message) === "end");
  });
}
main().catch((error) => { console.error(error); process.exit(1); });
