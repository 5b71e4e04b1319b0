// amqplib against the broker under test: `node amqplib.js URL CASE`. Exits 0 when the case holds.
'use strict';

const assert = require('node:assert');
const crypto = require('node:crypto');
const amqp = require('amqplib');

const name = `t-${crypto.randomUUID()}`;
const [url, wanted] = process.argv.slice(2);

/** Resolves with the first value that `emitter` gives for `event`. */
const once = (emitter, event) => new Promise((resolve) => emitter.once(event, resolve));

/** Polls a promise-returning function until it resolves with something true. */
async function until(check) {
  for (;;) {
    const value = await check();
    if (value) return value;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Collects `count` messages from a consumer. */
function collect(channel, queue, count, options = {}) {
  return new Promise((resolve, reject) => {
    const seen = [];
    channel.consume(queue, (message) => {
      seen.push(message);
      if (seen.length === count) resolve(seen);
    }, options).catch(reject);
  });
}

const cases = {
  async 'sends and receives'(connection) {
    const channel = await connection.createChannel();
    await channel.assertQueue(name, { exclusive: true });
    const arrived = collect(channel, name, 1);
    const headers = { text: 'schön', number: 42, nested: { list: [1, 'two', null, true] } };
    channel.sendToQueue(name, Buffer.from('body'), { headers, correlationId: 'c', contentType: 't', priority: 3 });
    const [message] = await arrived;
    assert.strictEqual(message.content.toString(), 'body');
    assert.deepStrictEqual(message.properties.headers, headers);
    assert.strictEqual(message.properties.correlationId, 'c');
    channel.ack(message);
  },

  async 'confirms'(connection) {
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue(name, { durable: true });
    for (let number = 0; number < 2000; number += 1) {
      channel.sendToQueue(name, Buffer.from(String(number)), { persistent: true });
    }
    await channel.waitForConfirms();
    assert.strictEqual((await channel.checkQueue(name)).messageCount, 2000);
    assert.strictEqual((await channel.deleteQueue(name)).messageCount, 2000);
  },

  async 'confirms several at once'(connection) {
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue(name, { exclusive: true });
    let multiple = false;
    channel.on('ack', (fields) => { multiple = multiple || fields.multiple; });
    for (let number = 0; number < 640 && !multiple; number += 1) {
      for (let burst = 0; burst < 10; burst += 1) channel.sendToQueue(name, Buffer.from('x'));
      await channel.waitForConfirms();
    }
    assert(multiple, 'no confirm was for several messages');
  },

  async 'loses confirms of a closed channel'(connection) {
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue(name, { exclusive: true });
    let failed = 0;
    for (let number = 0; number < 1000; number += 1) {
      channel.sendToQueue(name, Buffer.from('x'), {}, (error) => { if (error) failed += 1; });
    }
    await channel.close();
    assert(failed > 0, 'all were confirmed');
  },

  async 'returns what cannot be routed'(connection) {
    const channel = await connection.createChannel();
    const returned = once(channel, 'return');
    channel.publish('amq.direct', name, Buffer.from('lost'), { mandatory: true });
    const message = await returned;
    assert.strictEqual(message.fields.replyText, 'NO_ROUTE');
    assert.strictEqual(message.content.toString(), 'lost');
  },

  async 'hears why a channel closed'(connection) {
    const channel = await connection.createChannel();
    const error = once(channel, 'error');
    await assert.rejects(channel.checkQueue(name), /NOT_FOUND/);
    assert.strictEqual((await error).code, 404);
    await connection.createChannel();
  },

  async 'gets, rejects and gets again'(connection) {
    const channel = await connection.createChannel();
    await channel.assertQueue(name, { exclusive: true });
    channel.sendToQueue(name, Buffer.from('x'));
    const first = await until(() => channel.get(name));
    channel.nack(first);
    const second = await until(() => channel.get(name));
    assert(second.fields.redelivered);
    channel.reject(second, false);
    assert.strictEqual(await channel.get(name), false);
  },

  async 'keeps to its prefetch'(connection) {
    const channel = await connection.createChannel();
    await channel.assertQueue(name, { exclusive: true });
    for (let number = 0; number < 10; number += 1) channel.sendToQueue(name, Buffer.from(String(number)));
    await channel.prefetch(3);
    const held = await collect(channel, name, 3);
    assert.strictEqual((await channel.checkQueue(name)).messageCount, 7);
    channel.ack(held[2], true);
    await until(async () => (await channel.checkQueue(name)).messageCount === 4);
  },

  async 'hears that its consumer was cancelled'(connection) {
    const channel = await connection.createChannel();
    await channel.assertQueue(name);
    const arrived = collect(channel, name, 1);
    await until(async () => (await channel.checkQueue(name)).consumerCount === 1);
    await channel.deleteQueue(name);
    assert.deepStrictEqual(await arrived, [null]);
  },

  async 'asks and answers without a queue of its own'(connection) {
    const server = await connection.createChannel();
    await server.assertQueue(name, { exclusive: true });
    await server.consume(name, (message) => {
      server.sendToQueue(message.properties.replyTo, Buffer.from(`re: ${message.content}`));
    }, { noAck: true });
    const client = await connection.createChannel();
    const arrived = collect(client, 'amq.rabbitmq.reply-to', 1, { noAck: true });
    client.sendToQueue(name, Buffer.from('question'), { replyTo: 'amq.rabbitmq.reply-to' });
    const [reply] = await arrived;
    assert.strictEqual(reply.content.toString(), 're: question');
  },

  async 'binds exchanges to each other'(connection) {
    const channel = await connection.createChannel();
    await channel.assertExchange(`${name}-a`, 'topic', { autoDelete: true });
    await channel.assertExchange(`${name}-b`, 'fanout', { autoDelete: true });
    await channel.assertQueue(name, { exclusive: true });
    await channel.bindExchange(`${name}-b`, `${name}-a`, 'x.#');
    await channel.bindQueue(name, `${name}-b`, '');
    const arrived = collect(channel, name, 1, { noAck: true });
    channel.publish(`${name}-a`, 'x.y', Buffer.from('through'));
    assert.strictEqual((await arrived)[0].content.toString(), 'through');
  },

  async 'carries large messages'(connection) {
    const channel = await connection.createChannel();
    await channel.assertQueue(name, { exclusive: true });
    const body = crypto.randomBytes(3_000_000);
    const arrived = collect(channel, name, 1, { noAck: true });
    channel.sendToQueue(name, body);
    assert((await arrived)[0].content.equals(body));
  },

  async 'updates its secret'(connection) {
    await connection.updateSecret(Buffer.from('guest'), 'rotation');
    await connection.createChannel();
  },
};

async function main() {
  if (url === undefined) {
    console.log(Object.keys(cases).join('\n'));
    return;
  }
  const connection = await amqp.connect(url);
  await cases[wanted](connection);
  await connection.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
