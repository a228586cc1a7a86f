// Recordings in parts, on the phone until the server has them on its disk.

import { ask } from "./server.js";

const ITS_OWN = [400, 409, 413, 422]; // statuses that speak of this part alone

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
    Object.assign(this, { told, opened: done(opening), loose: [], sending: null, refused: null });
    this.opened.catch(() => undefined); // all is loose then
    addEventListener("online", () => this.send());
    setInterval(() => this.send(), 5000);
  }

  async chunks(mode) {
    return (await this.opened).transaction("chunks", mode, { durability: "strict" }).objectStore("chunks");
  }

  /** Keep a part; it is on this phone's disk, and told of, when this is done, and then on its way.
   * Where the disk does not take it, it stays `loose`, in this page's memory. */
  async keep(session, chunk) {
    try {
      const store = await this.chunks("readwrite");
      store.put({ session, ...chunk });
      await written(store.transaction);
    } catch {
      this.loose.push({ session, ...chunk });
    }
    await this.tell();
    this.send();
  }

  async tell() {
    const kept = await this.chunks("readonly").then((store) => done(store.count())).catch(() => 0);
    this.told(kept + this.loose.length, this.loose.length, this.refused);
  }

  /** Send what waits, the oldest session first, until there is none or the server is away. A part
   * that the server refuses stays, and holds no other up. */
  send() {
    this.sending ??= this.sendAll().catch(() => undefined).then(async () => {
      this.sending = null;
      await this.tell();
    });
    return this.sending;
  }

  /** What is sent next: a part from the disk behind the one of this key, or a loose one. */
  async next(key) {
    const behind = key && IDBKeyRange.lowerBound(key, true);
    const cursor = await this.chunks("readonly").then((store) => done(store.openCursor(behind))).catch(() => null);
    return cursor?.value;
  }

  async sendAll() {
    let [key, refused] = [null, null];
    for (let n = 0; ;) {
      const found = (await this.next(key)) ?? this.loose[n];
      if (!found) break;
      const { session, ...chunk } = found;
      const answer = await ask(`collect/${session}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(chunk),
      });
      const loose = found === this.loose[n];
      if (answer.ok) {
        if (loose) this.loose.splice(n, 1);
        else await done((await this.chunks("readwrite")).delete([session, chunk.number]));
        continue;
      }
      this.refused = refused = (await answer.json().catch(() => ({}))).detail ?? answer.status;
      if (!ITS_OWN.includes(answer.status)) return; // so would be all others
      if (loose) n++;
      else key = [session, chunk.number];
    }
    this.refused = refused;
  }
}
