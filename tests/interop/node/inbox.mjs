// The client of the notifications' page, without the page: `node inbox.mjs MODULE URL PASSWORD QUEUE COUNT [FAILS]`.
// Prints so many texts as ann, acknowledges them and ends; with FAILS it ends in the middle of showing the first.
import { createRequire } from "node:module";

const { WebSocket } = createRequire(import.meta.url)("ws");
Object.assign(globalThis, { WebSocket });

const [module, url, passcode, queue, count, fails] = process.argv.slice(2);
const { Inbox } = await import(module);
let left = Number(count);

const inbox = new Inbox({
  url,
  login: "ann",
  passcode,
  queue,
  show: ({ text }, headers) => {
    console.log(`${headers.type}: ${text}`);
    if (fails) process.exit(1);
    left -= 1;
    // When this one has been acknowledged, too.
    if (left === 0) queueMicrotask(() => inbox.close());
  },
  tell: (what) => console.log(`[${what}]`),
});
inbox.open();
