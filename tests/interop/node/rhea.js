// rhea against the broker under test: `node rhea.js URL CASE ADDRESS [RELAY]`. Exits 0 when the case holds.
'use strict';

const assert = require('node:assert');
const crypto = require('node:crypto');
const rhea = require('rhea');

const [url, wanted, address, relay] = process.argv.slice(2);
const { types } = rhea;

function options(more = {}) {
  const { hostname, port, username, password } = new URL(url);
  return { host: hostname, port: Number(port), username, password, reconnect: false, ...more };
}

/** Resolves with the first context that `emitter` gives for `event`. */
const once = (emitter, event) => new Promise((resolve) => emitter.once(event, resolve));

async function connect(more) {
  const connection = rhea.create_container().connect(options(more));
  await Promise.race([
    once(connection, 'connection_open'),
    once(connection, 'disconnected').then(({ error }) => { throw error ?? new Error('disconnected'); }),
    once(connection, 'connection_error').then(({ error }) => { throw new Error(String(error ?? connection.error)); }),
  ]);
  return connection;
}

async function close(connection) {
  connection.close();
  await once(connection, 'connection_close');
}

/** Opens a sender and waits until it may send. */
async function sender(connection, more = address) {
  const opened = connection.open_sender(more);
  await once(opened, 'sendable');
  return opened;
}

/** Sends, and resolves with how the broker settled it: accepted, rejected, released or modified. */
function send(link, message) {
  const delivery = link.send(message);
  return new Promise((resolve) => {
    for (const outcome of ['accepted', 'rejected', 'released', 'modified']) {
      const heard = (context) => { if (context.delivery === delivery) resolve(outcome); };
      link.on(outcome, heard);
    }
  });
}

/** The next `count` messages of a receiver whose credit is given by hand. */
function take(receiver, count) {
  return new Promise((resolve) => {
    const contexts = [];
    const heard = (context) => {
      contexts.push(context);
      if (contexts.length < count) return;
      receiver.removeListener('message', heard);
      resolve(contexts);
    };
    receiver.on('message', heard);
    receiver.add_credit(count);
  });
}

const manual = { credit_window: 0, autoaccept: false };

const cases = {
  async 'sends and receives'() {
    const connection = await connect();
    const link = await sender(connection);
    const sent = {
      body: { text: 'schön', list: [1, 'two', null, true] },
      message_id: 'id',
      correlation_id: 'correlation',
      subject: 'subject',
      reply_to: 'replies',
      content_type: 'application/json',
      group_id: 'group',
      group_sequence: 4,
      durable: true,
      priority: 3,
      application_properties: { text: 'ü', number: 7, yes: true },
      message_annotations: { 'x-opt-own': 'annotation' },
    };
    assert.strictEqual(await send(link, sent), 'accepted');
    const [{ message, delivery }] = await take(connection.open_receiver({ source: address, ...manual }), 1);
    delivery.accept();
    const { message_annotations: annotations, body, ...rest } = sent;
    for (const key of Object.keys(rest)) assert.deepStrictEqual(message[key], sent[key], key);
    assert.deepStrictEqual({ ...message.body }, body);
    assert.strictEqual(message.message_annotations['x-opt-own'], annotations['x-opt-own']);
    await close(connection);
  },

  async 'carries bodies of every kind'() {
    const connection = await connect();
    const link = await sender(connection);
    const id = crypto.randomBytes(16);
    const bodies = [
      ['text', 'text'], [42, 42], [true, true], [1.5, 1.5],
      [rhea.message.data_section(Buffer.from([0, 255])), (found) => assert.deepStrictEqual([...found.content], [0, 255])],
      [rhea.message.sequence_section([1, 'two']), (found) => assert.deepStrictEqual(found.content, [1, 'two'])],
      [types.wrap_ulong(7), 7], [types.wrap_timestamp(1700000000123), (found) => assert.strictEqual(Number(found), 1700000000123)],
      [types.wrap_symbol('symbol'), (found) => assert.strictEqual(String(found), 'symbol')],
      [types.wrap_uuid(id), (found) => assert.deepStrictEqual(Buffer.from(found), id)],
    ];
    const receiver = connection.open_receiver({ source: address, ...manual });
    for (const [body, expected] of bodies) {
      await send(link, { body });
      const [{ message, delivery }] = await take(receiver, 1);
      delivery.accept();
      if (typeof expected === 'function') expected(message.body);
      else assert.deepStrictEqual(message.body, expected);
    }
    await close(connection);
  },

  async 'sends settled and receives settled'() {
    const connection = await connect();
    const link = await sender(connection, { target: address, snd_settle_mode: 1 });
    for (let number = 0; number < 20; number += 1) link.send({ body: number });
    const receiver = connection.open_receiver({ source: address, snd_settle_mode: 1, credit_window: 0 });
    const got = await take(receiver, 20);
    assert.deepStrictEqual(got.map(({ message }) => message.body), [...Array(20).keys()]);
    assert(got.every(({ delivery }) => delivery.remote_settled));
    await close(connection);
  },

  async 'keeps to its credit and drains'() {
    const connection = await connect();
    const link = await sender(connection);
    for (let number = 0; number < 5; number += 1) await send(link, { body: number });
    const receiver = connection.open_receiver({ source: address, ...manual });
    const first = await take(receiver, 3);
    assert.deepStrictEqual(first.map(({ message }) => message.body), [0, 1, 2]);
    const rest = [];
    receiver.on('message', ({ message }) => rest.push(message.body));
    const drained = once(receiver, 'receiver_drained');
    receiver.drain_credit();
    receiver.add_credit(10);
    await drained;
    assert.deepStrictEqual(rest, [3, 4]);
    await close(connection);
  },

  async 'gives back what it released or modified'() {
    const connection = await connect();
    await send(await sender(connection), { body: 'again', durable: true });
    const receiver = connection.open_receiver({ source: address, ...manual });
    const [first] = await take(receiver, 1);
    first.delivery.release();
    const [second] = await take(receiver, 1);
    assert(!second.message.delivery_count);
    second.delivery.modified({ delivery_failed: true, undeliverable_here: false });
    const [third] = await take(receiver, 1);
    assert.strictEqual(third.message.delivery_count, 1);
    assert.strictEqual(third.message.body, 'again');
    third.delivery.accept();
    await close(connection);
  },

  async 'rejects'() {
    const connection = await connect();
    const link = await sender(connection);
    await send(link, { body: 'bad' });
    await send(link, { body: 'good' });
    const receiver = connection.open_receiver({ source: address, ...manual });
    const [bad] = await take(receiver, 1);
    bad.delivery.reject({ condition: 'app:bad', description: 'not understood' });
    const [good] = await take(receiver, 1);
    assert.strictEqual(good.message.body, 'good');
    good.delivery.accept();
    await close(connection);
  },

  async 'carries large messages'() {
    const connection = await connect({ max_frame_size: 8192 });
    const body = crypto.randomBytes(2_000_000);
    await send(await sender(connection), { body: rhea.message.data_section(body) });
    const [{ message, delivery }] = await take(connection.open_receiver({ source: address, ...manual }), 1);
    assert(message.body.content.equals(body));
    delivery.accept();
    await close(connection);
  },

  async 'keeps order under load'() {
    const connection = await connect();
    const link = await sender(connection);
    const count = 2000;
    let sent = 0;
    let accepted = 0;
    const all = new Promise((resolve) => {
      link.on('accepted', () => { accepted += 1; if (accepted === count) resolve(); });
    });
    const more = () => { while (link.sendable() && sent < count) { link.send({ body: sent, durable: true }); sent += 1; } };
    link.on('sendable', more);
    more();
    const got = [];
    const received = new Promise((resolve) => {
      const receiver = connection.open_receiver({ source: address, credit_window: 100 });
      receiver.on('message', ({ message }) => { got.push(message.body); if (got.length === count) resolve(); });
    });
    await Promise.all([all, received]);
    assert.deepStrictEqual(got, [...Array(count).keys()]);
    await close(connection);
  },

  async 'asks and answers over a dynamic queue'() {
    const connection = await connect();
    const receiver = connection.open_receiver({ source: { dynamic: true }, ...manual });
    await once(receiver, 'receiver_open');
    const replies = receiver.source.address;
    assert(replies);
    await send(await sender(connection), { body: 'question', reply_to: replies, correlation_id: 'c' });
    const server = await connect();
    const [{ message, delivery }] = await take(server.open_receiver({ source: address, ...manual }), 1);
    delivery.accept();
    const anywhere = await sender(server, { target: {} });
    anywhere.send({ to: message.reply_to, correlation_id: message.correlation_id, body: `re: ${message.body}` });
    const [reply] = await take(receiver, 1);
    assert.strictEqual(reply.message.body, 're: question');
    assert.strictEqual(reply.message.correlation_id, 'c');
    await close(server);
    await close(connection);
  },

  async 'selects'() {
    const connection = await connect();
    const link = await sender(connection);
    for (let number = 0; number < 4; number += 1) {
      await send(link, { body: number, application_properties: { colour: number % 2 ? 'red' : 'blue' } });
    }
    const filter = rhea.filter.selector("colour = 'red'");
    const receiver = connection.open_receiver({ source: { address, filter }, ...manual });
    const got = await take(receiver, 2);
    assert.deepStrictEqual(got.map(({ message }) => message.body), [1, 3]);
    await close(connection);
  },

  async 'browses'() {
    const connection = await connect();
    await send(await sender(connection), { body: 'x' });
    for (let round = 0; round < 2; round += 1) {
      const browser = connection.open_receiver({ source: { address, distribution_mode: 'copy' }, ...manual });
      const [{ message }] = await take(browser, 1);
      assert.strictEqual(message.body, 'x');
      browser.close();
      await once(browser, 'receiver_close');
    }
    await close(connection);
  },

  async 'reconnects'() {
    const connection = await connect({ port: Number(relay), reconnect: true, initial_reconnect_delay: 10, max_reconnect_delay: 50 });
    connection.on('disconnected', () => {});
    const link = await sender(connection);
    await send(link, { body: 'before', durable: true });
    const again = once(link, 'sendable');
    process.stdout.write('cut\n');
    await again;
    assert.strictEqual(await send(link, { body: 'after', durable: true }), 'accepted');
    const got = await take(connection.open_receiver({ source: address, ...manual }), 2);
    assert.deepStrictEqual(got.map(({ message }) => message.body), ['before', 'after']);
    await close(connection);
  },

  async 'hears that a password is wrong'() {
    await assert.rejects(connect({ password: 'wrong' }), /[Aa]uthenticat|unauthorized/);
  },

  async 'hears that a queue is missing'() {
    const connection = await connect();
    const receiver = connection.open_receiver(`/queues/${crypto.randomUUID()}`);
    await once(receiver, 'receiver_error');
    assert.strictEqual(receiver.error.condition, 'amqp:not-found');
    await close(connection);
  },
};

if (url !== undefined) {
  setTimeout(() => {
    console.error('it takes too long');
    process.exit(1);
  }, 20_000);
  cases[wanted]().then(() => process.exit(0), (error) => {
    console.error(error);
    process.exit(1);
  });
}
