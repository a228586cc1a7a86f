// Record and label: what is pressed is what the wearer does, from the end of the countdown on.

import { $, colour, duration, make, plain, say, timeline } from "./drawing.js";
import { permit, Sensors } from "./sensors.js";
import { Store } from "./store.js";

const PART = 5; // seconds of samples in a part
const OPEN = "ambulo-open"; // the recording that goes on, should the page be closed under it
const SUGGESTED = ["walking", "standing", "sitting", "lying"];

/** A name of an activity as the server takes it: up to 40 letters, marks, digits, _, - and blanks. */
function tidy(name) {
  const plain = name.normalize("NFC").toLowerCase().replace(/\s+/g, " ");
  const kept = plain.replace(/[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d -]/gu, "").replace(/^[ -]+/, "");
  return [...kept].slice(0, 40).join("").trim();
}

export class Collector {
  constructor(activities, allowed) {
    Object.assign(this, { session: null, store: allowed ? new Store((...said) => this.told(...said)) : null });
    if (!allowed) return;
    $("names").value = localStorage.getItem("ambulo-names") ?? (activities.length ? activities : SUGGESTED).join("\n");
    $("person").value = localStorage.getItem("ambulo-person") ?? "";
    $("who").onsubmit = (event) => {
      event.preventDefault();
      this.starting ??= this.start().finally(() => (this.starting = null)); // it may be tapped twice
    };
    $("undo").onclick = () => this.undo();
    $("finish").onclick = () => this.finish();
    document.addEventListener("visibilitychange", () => this.session && this.flush());
    setInterval(() => this.session && this.show(), 500);
    this.closed = this.alone(() => this.closeOpen());
  }

  /** Close a recording that was under way when the page was left, not one that another tab makes. */
  closeOpen() {
    const open = JSON.parse(localStorage.getItem(OPEN) ?? "null");
    if (open) this.store.keep(open.session, { ...open.chunk, samples: [], last: true });
    localStorage.removeItem(OPEN);
    this.store.send();
  }

  /** Do `work` if no other tab records, nor will until it is done. */
  async alone(work) {
    return navigator.locks ? navigator.locks.request(OPEN, { ifAvailable: true }, (lock) => lock && work()) : work();
  }

  /** Be the one tab that records, until `leave`; false where another is. */
  hold() {
    return new Promise((tell) => this.alone(() => {
      tell(true);
      return new Promise((leave) => Object.assign(this, { leave }));
    }).then(() => tell(false)));
  }

  told(waiting, loose, refused) {
    const why = Array.isArray(refused) ? refused.map(({ loc, msg }) => `${loc.slice(1).join(" ")}: ${msg}`).join("; ") : refused;
    const state = refused ? `The server refuses: ${why}. ${waiting} parts stay on this phone.`
      : loose ? `This phone's storage is full: ${loose} parts are in this page alone. Do not close it before the server is there.`
      : waiting ? `${waiting} parts are on this phone and go to the server when it is there.` : "All is on the server.";
    say($("kept"), [this.problem, state].filter(Boolean).join(" "));
  }

  /** Say why nothing is recorded, beside what is on the phone, until the next start. */
  fails(text) {
    this.problem = text;
    this.store.tell();
  }

  async start() {
    try {
      await permit();
    } catch (error) {
      this.fails(error.message);
      return;
    }
    await this.closed;
    if (!(await this.hold())) {
      this.fails("Another tab records: finish there first.");
      return;
    }
    this.problem = "";
    this.names = [...new Set($("names").value.split("\n").map(tidy).filter(Boolean))];
    localStorage.setItem("ambulo-names", this.names.join("\n"));
    localStorage.setItem("ambulo-person", $("person").value);
    const random = [...crypto.getRandomValues(new Uint8Array(4))].map((b) => b.toString(16).padStart(2, "0")).join("");
    const day = new Date().toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
    Object.assign(this, { session: `${day}-${random}`, number: 0, rows: [], intervals: [], running: null, newest: null });
    this.countdown = Number($("countdown").value);
    this.sensors = new Sensors((time, values) => this.sample(time, values), (text) => {
      this.fails(text);
      this.finish();
    });
    $("choices").replaceChildren(...this.names.map((name) => this.choice(name)));
    $("who").hidden = true;
    $("recording").hidden = false;
    $("choices").firstChild?.focus({ preventScroll: true }); // the button that had it is hidden
    this.show();
  }

  choice(name) {
    const button = make("button", { type: "button", textContent: plain(name) });
    button.style.borderLeftColor = colour(this.names, name);
    button.onclick = () => this.press(name);
    return button;
  }

  sample(time, values) {
    if (!this.session) return;
    this.newest = time;
    this.rows.push([time, ...values]);
    if (time - this.rows[0][0] >= PART) this.flush();
  }

  now() {
    return (performance.timeOrigin + performance.now()) / 1000;
  }

  /** The activity begins after the countdown; pressed again, it ends. */
  press(name) {
    const same = this.running?.activity === name;
    this.end();
    if (!same) this.running = { activity: name, start: this.now() + this.countdown };
    this.show();
  }

  end() {
    const running = this.running;
    this.running = null;
    if (running && this.now() > running.start) this.intervals.push({ ...running, end: this.now() });
  }

  undo() {
    if (this.running) this.running = null;
    else this.intervals.pop();
    this.show();
  }

  labelled() {
    const { running, intervals } = this;
    return running && this.now() > running.start ? [...intervals, { ...running, end: this.now() }] : intervals;
  }

  show() {
    const { running } = this;
    const left = running ? running.start - this.now() : 0;
    say($("label"), running ? (left > 0 ? String(Math.ceil(left)) : plain(running.activity)) : "Recording");
    $("label-time").textContent = !running ? "Press what you do now."
      : left > 0 ? `${plain(running.activity)} begins` : `for ${duration(-left)}; press again to end it`;
    $("undo").disabled = !running && !this.intervals.length;
    $("undo").textContent = running ? "Undo this" : this.intervals.length ? `Undo ${plain(this.intervals.at(-1).activity)}` : "Undo";
    [...$("choices").children].forEach((button, k) =>
      button.setAttribute("aria-pressed", String(running?.activity === this.names[k])));
    timeline($("labels"), $("labelled"), this.labelled(), this.names, 5);
  }

  /** Put what came since the last time on the phone's disk. */
  async flush(last = false) {
    if (!this.rows.length && !last) return;
    const rows = this.rows.splice(0);
    const width = Math.max(4, ...rows.map((row) => row.length)); // the first may lack the turning
    const samples = rows.filter((row) => row.length === width);
    const chunk = {
      number: this.number++,
      person: $("person").value,
      placement: $("placement").value,
      channels: width > 6 || !rows.length ? 6 : 3, // none take nothing from the others
      samples,
      intervals: this.labelled(),
      last,
    };
    const open = { session: this.session, chunk: { ...chunk, number: this.number } };
    try {
      localStorage.setItem(OPEN, JSON.stringify(open, (key, value) => (key === "samples" ? [] : value)));
    } catch { /* no room: the server closes it when it ends */ }
    await this.store.keep(this.session, chunk);
  }

  async finish() {
    this.end();
    this.sensors.stop();
    const session = this.session;
    await this.flush(true);
    this.session = null;
    localStorage.removeItem(OPEN);
    this.leave();
    $("who").hidden = false;
    $("recording").hidden = true;
    $("who").querySelector("button").focus({ preventScroll: true });
    document.dispatchEvent(new CustomEvent("collected", { detail: session }));
  }
}
