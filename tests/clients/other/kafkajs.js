// node main.js BOOTSTRAP TOPIC CODEC COUNT: writes COUNT records, reads them in a group, prints their values.
const { Kafka, CompressionTypes, logLevel } = require("kafkajs");
const [bootstrap, topic, codec, count] = process.argv.slice(2);
const kafka = new Kafka({ clientId: "kafkajs", brokers: [bootstrap], logLevel: logLevel.NOTHING });

async function main() {
  const compression = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP }[codec];
  const producer = kafka.producer({ idempotent: true });
  await producer.connect();
  const messages = Array.from({ length: Number(count) }, (_, n) => ({ key: `${n}`, value: `${codec}-${n}` }));
  await producer.send({ topic, compression, messages });
  await producer.disconnect();
  const consumer = kafka.consumer({ groupId: `g-${codec}` });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  let left = Number(count);
  await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`${left} records are missing`)), 40000).unref();
    consumer.run({
      eachMessage: async ({ message }) => {
        console.log(message.value.toString());
        if (--left === 0) resolve();
      },
    });
  });
  await consumer.disconnect();
}
main().catch((error) => { console.error(error); process.exit(1); });
