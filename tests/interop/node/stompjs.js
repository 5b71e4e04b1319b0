// stompjs through WebSocket, as a web page uses it: `node stompjs.js URL CASE`. Exits 0 when the case holds.
'use strict';

const assert = require('node:assert');
const crypto = require('node:crypto');
const { Client } = require('@stomp/stompjs');
const { WebSocket } = require('ws');

Object.assign(globalThis, { WebSocket });

const name = `t-${crypto.randomUUID()}`;
const queue = `/queue/${name}`;
const fleeting = { 'auto-delete': 'true', durable: 'false' };
const [url, wanted] = process.argv.slice(2);

/** Resolves with a client that is connected; rejects with what an ERROR says. */
function connected(options = {}) {
  return new Promise((resolve, reject) => {
    const client = new Client({
      brokerURL: url,
      connectHeaders: { login: 'guest', passcode: 'guest' },
      reconnectDelay: 0,
      onConnect: () => resolve(client),
      onStompError: (frame) => reject(new Error(frame.headers.message)),
      onWebSocketError: () => reject(new Error('no connection')),
      ...options,
    });
    client.activate();
  });
}

/** Resolves with the first `count` messages of a subscription. */
function collect(client, destination, count, headers = {}) {
  return new Promise((resolve) => {
    const seen = [];
    client.subscribe(destination, (message) => {
      seen.push(message);
      if (seen.length === count) resolve(seen);
    }, headers);
  });
}

/** Resolves when the broker has answered the receipt of what `act` sends. */
function confirmed(client, act) {
  return new Promise((resolve) => {
    const receipt = crypto.randomUUID();
    client.watchForReceipt(receipt, resolve);
    act(receipt);
  });
}

/** A page whose message is delayed for longer than either side bears silence. Rejects if the connection is closed. */
async function silent(period) {
  let closed;
  const gone = new Promise((_, reject) => { closed = reject; });
  gone.catch(() => {});
  const page = await connected({
    heartbeatIncoming: period,
    heartbeatOutgoing: period,
    onWebSocketClose: () => closed(new Error('closed')),
  });
  assert.strictEqual(page.connectedVersion, '1.2');
  const late = collect(page, queue, 1, fleeting);
  page.publish({ destination: queue, body: 'late', headers: { 'x-delay': `${2.5 * period}` } });
  assert.strictEqual((await Promise.race([late, gone]))[0].body, 'late');
  await page.deactivate();
}

const cases = {
  async 'sends and receives'(client) {
    const arrived = collect(client, queue, 1, fleeting);
    client.publish({ destination: queue, body: 'schön: ☃', headers: { kind: 'greeting', odd: 'a:b\nc' } });
    const [message] = await arrived;
    assert.strictEqual(message.body, 'schön: ☃');
    assert.strictEqual(message.headers.kind, 'greeting');
    assert.strictEqual(message.headers.odd, 'a:b\nc');
  },

  async 'sends and receives bytes'(client) {
    const arrived = collect(client, queue, 1, fleeting);
    const binaryBody = Uint8Array.from({ length: 70000 }, (_, index) => index % 256);
    client.publish({ destination: queue, binaryBody, headers: { 'content-type': 'application/octet-stream' } });
    const [message] = await arrived;
    assert.deepStrictEqual(message.binaryBody, binaryBody);
  },

  async 'keeps the order of many'(client) {
    const arrived = collect(client, queue, 1000, fleeting);
    for (let number = 0; number < 1000; number += 1) client.publish({ destination: queue, body: String(number) });
    assert.deepStrictEqual((await arrived).map((message) => message.body), [...Array(1000).keys()].map(String));
  },

  async 'acknowledges by hand'(client) {
    const again = new Promise((resolve) => {
      client.subscribe(queue, (message) => {
        if (message.headers.redelivered === 'true') resolve(message);
        else message.nack();
      }, { ...fleeting, ack: 'client-individual' });
    });
    client.publish({ destination: queue, body: 'order' });
    (await again).ack();
  },

  async 'a receipt tells that a persistent message is kept'(client) {
    const arrived = collect(client, queue, 1, fleeting);
    await confirmed(client, (receipt) => {
      client.publish({ destination: queue, body: 'order', headers: { persistent: 'true', receipt } });
    });
    assert.strictEqual((await arrived)[0].headers.persistent, 'true');
  },

  async 'a transaction is all or nothing'(client) {
    const arrived = collect(client, queue, 1, fleeting);
    const dropped = client.begin();
    client.publish({ destination: queue, body: 'dropped', headers: { transaction: dropped.id } });
    dropped.abort();
    const kept = client.begin();
    client.publish({ destination: queue, body: 'kept', headers: { transaction: kept.id } });
    kept.commit();
    assert.strictEqual((await arrived)[0].body, 'kept');
  },

  async 'every page that subscribes to a topic hears of it'(client) {
    const second = await connected();
    const destination = `/topic/${name}.news`;
    const seen = [];
    const all = new Promise((resolve) => {
      for (const page of [client, second]) {
        page.subscribe(`/topic/${name}.*`, (message) => seen.push(message.body) === 2 && resolve());
      }
    });
    // Both are subscribed when what they sent after it has been answered.
    for (const page of [client, second]) {
      await confirmed(page, (receipt) => page.publish({ destination: `/topic/${name}`, body: '', headers: { receipt } }));
    }
    client.publish({ destination, body: 'hello' });
    await all;
    assert.deepStrictEqual(seen, ['hello', 'hello']);
    await second.deactivate();
  },

  async 'heart-beats keep a silent page'() {
    // A busy machine may be too slow for the first.
    await silent(1000).catch(() => silent(10000));
  },

  async 'a wrong password is told'() {
    await assert.rejects(connected({ connectHeaders: { login: 'guest', passcode: 'wrong' } }), /Bad CONNECT/);
  },

  async 'speaks 1.1 and 1.0 too'() {
    const { Versions } = require('@stomp/stompjs');
    for (const version of ['1.1', '1.0']) {
      const older = await connected({ stompVersions: new Versions([version]) });
      assert.strictEqual(older.connectedVersion, version);
      const arrived = collect(older, queue, 1, fleeting);
      older.publish({ destination: queue, body: version });
      assert.strictEqual((await arrived)[0].body, version);
      await older.deactivate();
    }
  },
};

connected()
  .then(async (client) => {
    await cases[wanted](client);
    await client.deactivate();
    process.exit(0);
  })
  .catch((error) => {
    console.error(error);
    process.exit(1);
  });
