// What the page asks of its server.

const KEY = "ambulo-token";

/** The token of the QR code, kept for the next time. */
export function token() {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  if (found) {
    localStorage.setItem(KEY, found);
    history.replaceState(null, "", location.pathname);
  }
  return localStorage.getItem(KEY) ?? "";
}

export function ask(path, options = {}) {
  return fetch(path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${token()}` } });
}

/** Decisions that the server makes; what it has not decided when the line breaks is sent again. */
export class Remote {
  /** `away(true)` is called where the server does not answer, and `away(false)` once it does again. */
  constructor(decided, fail, away, { seconds, overlap }) {
    Object.assign(this, { decided, fail, away, step: seconds * (1 - overlap), lost: false, rows: [], sent: 0, until: 0, over: false, ending: null });
    this.connect();
    this.timer = setInterval(() => this.flush(), 200);
  }

  connect() {
    const url = new URL("live", location.href.replace(/^http/, "ws"));
    url.hash = "";
    this.sent = 0;
    this.socket = new WebSocket(url, ["ambulo", `token.${token()}`]);
    this.socket.onmessage = ({ data }) => this.hear(JSON.parse(data));
    this.socket.onclose = ({ code }) => {
      if (this.over) {
        this.lost ||= code !== 1000;
        return this.ending?.([]);
      }
      if (!this.lost) this.away(this.lost = true);
      setTimeout(() => this.over || this.connect(), 2000);
    };
  }

  push(time, values) {
    this.rows.push([time, ...values]);
    return Promise.resolve([]);
  }

  flush() {
    if (this.socket.readyState !== WebSocket.OPEN || this.sent === this.rows.length) return;
    if (this.socket.bufferedAmount > 1 << 20) return; // it reads no faster
    const part = this.rows.slice(this.sent, this.sent + 2000);
    this.socket.send(Float64Array.from(part.flat()));
    this.sent += part.length;
  }

  /** Seconds at the end of what came on which nothing was decided, of a session that broke off. */
  get undecided() {
    if (!this.lost || !this.rows.length) return 0;
    return this.rows.at(-1)[0] - Math.max(this.until, this.rows[0][0]);
  }

  hear({ error, decisions = [] }) {
    if (this.lost) this.away(this.lost = false);
    if (error) this.fail(error);
    for (const decision of decisions) {
      this.until = decision.end;
      const next = decision.start + this.step - 1e-3; // where the window after it begins
      const old = this.rows.findIndex(([time]) => time >= next);
      if (old > 0) {
        this.rows.splice(0, old);
        this.sent -= old;
      }
      this.decided(decision);
    }
  }

  async finish() {
    clearInterval(this.timer);
    while (this.socket.readyState === WebSocket.OPEN && this.sent < this.rows.length) {
      this.flush();
      await new Promise((go) => setTimeout(go, 20)); // it reads no faster
    }
    this.over = true;
    if (this.socket.readyState !== WebSocket.OPEN) {
      this.lost = true;
      this.socket.close();
      return [];
    }
    this.socket.send('{"end":true}');
    return new Promise((resolve) => (this.ending = resolve));
  }
}
