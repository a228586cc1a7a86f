// Recordings in parts, on the phone until the server has them on its disk.

import { ask } from "./server.js";

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

/** Only the whole transaction is on the disk: a request may succeed and be undone. */
const written = (transaction) => new Promise((resolve, reject) => {
  transaction.oncomplete = resolve;
  transaction.onabort = () => reject(transaction.error);
});

export class Store {
  constructor(told) {
    const opening = indexedDB.open("ambulo", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("chunks", { keyPath: ["session", "number"] });
    Object.assign(this, { told, opened: done(opening), sending: null, refused: null });
    addEventListener("online", () => this.send());
    setInterval(() => this.send(), 5000);
  }

  async chunks(mode) {
    return (await this.opened).transaction("chunks", mode, { durability: "strict" }).objectStore("chunks");
  }

  /** Keep a part; it is on this phone's disk, and told of, when this is done, and then on its way. */
  async keep(session, chunk) {
    const store = await this.chunks("readwrite");
    store.put({ session, ...chunk });
    await written(store.transaction);
    this.told(await this.waiting(), this.refused);
    this.send();
  }

  async waiting() {
    return done((await this.chunks("readonly")).count());
  }

  /** Send what waits, the oldest session first, until there is none or the server is away. */
  send() {
    this.sending ??= this.sendAll().catch(() => undefined).then(async () => {
      this.sending = null;
      this.told(await this.waiting(), this.refused);
    });
    return this.sending;
  }

  async sendAll() {
    for (;;) {
      const cursor = await done((await this.chunks("readonly")).openCursor());
      if (!cursor) return;
      const { session, ...chunk } = cursor.value;
      const answer = await ask(`collect/${session}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(chunk),
      });
      this.refused = answer.ok ? null : ((await answer.json()).detail ?? answer.status);
      if (!answer.ok) return; // it stays here
      await done((await this.chunks("readwrite")).delete([session, chunk.number]));
    }
  }
}
