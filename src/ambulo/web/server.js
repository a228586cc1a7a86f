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
  constructor(decided, fail) {
    Object.assign(this, { decided, fail, rows: [], sent: 0, over: false, ending: null });
    this.connect();
    this.timer = setInterval(() => this.flush(), 200);
  }

  connect() {
    const url = new URL("live", location.href.replace(/^http/, "ws"));
    url.hash = "";
    this.sent = 0;
    this.socket = new WebSocket(url, ["ambulo", `token.${token()}`]);
    this.socket.onmessage = ({ data }) => this.hear(JSON.parse(data));
    this.socket.onclose = () => {
      if (this.over) this.ending?.([]);
      else setTimeout(() => this.connect(), 2000);
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

  hear({ error, decisions = [] }) {
    if (error) this.fail(error);
    for (const decision of decisions) {
      const old = this.rows.findIndex(([time]) => time > decision.start);
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
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send('{"end":true}');
    else return [];
    return new Promise((resolve) => (this.ending = resolve));
  }
}
