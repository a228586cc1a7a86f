// The page: recognises, or collects. Each decision is also told as a "decision" event of document.

import { Collector } from "./collect.js";
import { $, Plot, colour, duration, make, plain, say, timeline } from "./drawing.js";
import { load } from "./network.js";
import { Refused, Sensors, columns, permit } from "./sensors.js";
import { Remote, ask, token } from "./server.js";
import { samples } from "./signal.js";
import { Stream } from "./stream.js";

const state = { recognizer: null, run: null, session: null };
const plot = new Plot($("plot"));

function trouble(title, text = "") {
  $("trouble").hidden = !title;
  $("trouble-title").textContent = title;
  $("trouble-text").textContent = text;
}

class Session {
  constructor({ recognizer, run }) {
    this.bouts = [];
    this.names = recognizer.activities;
    this.columns = columns(recognizer.windowing.channels);
    const fail = (text) => this.fail("Cannot go on", text);
    this.stream = run && !$("remote").checked
      ? new Stream(recognizer, run)
      : new Remote((decision) => this.decided(decision), fail, (away) => this.waits(away), recognizer.windowing);
    this.sensors = new Sensors((time, values) => this.sample(time, values), (text) =>
      this.fail("No motion", text));
  }

  sample(time, values) {
    plot.push(time, values);
    const mine = this.columns.map((k) => values[k]);
    if (mine.includes(undefined)) {
      this.fail("No gyroscope", "This recognizer needs one, and this phone tells of none: train one on acceleration alone.");
      return;
    }
    try {
      this.stream.push(time, mine).then((decisions) => decisions.forEach((d) => this.decided(d)), (error) =>
        this.fail("The network failed", error.message));
    } catch (error) {
      this.fail("The signal does not suit", error.message);
    }
  }

  decided(decision) {
    const { start, end, activity, probability, probabilities } = decision;
    const last = this.bouts.at(-1);
    if (last && last.activity === activity && start <= last.end + 0.01) last.end = end;
    else {
      if (last && start < last.end) last.end = (start + last.end) / 2;
      this.bouts.push({ start: last ? Math.max(start, last.end) : start, end, activity });
    }
    const since = this.bouts.at(-1);
    say($("activity"), plain(activity));
    $("sure").textContent = `${Math.round(100 * probability)} % sure, for ${duration(since.end - since.start)}`;
    showBars(this.names, probabilities);
    timeline($("strip"), $("bouts"), this.bouts, this.names, 4);
    document.dispatchEvent(new CustomEvent("decision", { detail: decision }));
  }

  waits(away) {
    trouble(away ? "The server is away" : "",
      "What comes stays here and is decided once it answers. If it was started anew, scan its QR code.");
    say($("activity"), away ? "Waiting" : "Listening");
    $("sure").textContent = away ? "Nothing is decided now." : "";
  }

  fail(title, text) {
    trouble(title, text);
    stop();
  }

  async finish() {
    this.sensors.stop();
    (await this.stream.finish()).forEach((decision) => this.decided(decision));
  }
}

function showBars(names, probabilities = []) {
  const box = $("bars");
  if (box.children.length !== names.length) {
    box.replaceChildren(...names.map((name) => {
      const fill = make("i");
      fill.style.background = colour(names, name);
      const track = make("span", { className: "track" }, fill);
      return make("div", { className: "bar" }, make("span", { className: "name", textContent: plain(name) }), track,
        make("span", { className: "number" }));
    }));
  }
  names.forEach((name, k) => {
    const [, track, number] = box.children[k].children;
    const percent = Math.round(100 * (probabilities[k] ?? 0));
    track.firstChild.style.width = `${percent}%`;
    number.textContent = probabilities.length ? `${percent} %` : "";
  });
}

function showSummary({ bouts, names }) {
  const length = bouts.length ? bouts.at(-1).end - bouts[0].start : 0;
  const totals = [...names, "unknown"]
    .map((name) => [name, bouts.filter((b) => b.activity === name).reduce((s, b) => s + b.end - b.start, 0)])
    .filter(([, seconds]) => seconds > 0)
    .sort((a, b) => b[1] - a[1]);
  const silent = length - totals.reduce((sum, [, seconds]) => sum + seconds, 0);
  if (silent >= 0.5) totals.push(["no signal", silent]);
  $("summary").hidden = !totals.length;
  if (!totals.length) return;
  $("length").textContent = duration(length);
  $("totals").replaceChildren(...totals.map(([name, seconds]) => {
    const fill = make("i");
    fill.style.background = colour(names, name);
    fill.style.width = `${(100 * seconds) / Math.max(...totals.map(([, s]) => s))}%`;
    return make("div", { className: "bar" }, make("span", { className: "name", textContent: plain(name) }),
      make("span", { className: "track" }, fill), make("span", { className: "number", textContent: duration(seconds) }));
  }));
}

function showPlaying(playing, over = false) {
  $("start").textContent = playing ? "Stop" : over ? "New session" : "Start";
  $("save").hidden = !over;
  for (const id of ["bars", "plot"]) $(id).hidden = over;
  $("times").hidden = !playing && !over;
  if (playing) $("summary").hidden = true;
}

async function start() {
  trouble("");
  try {
    await permit();
  } catch (error) {
    trouble(error instanceof Refused ? "Not allowed" : "No sensors", error.message);
    return;
  }
  say($("activity"), "Listening");
  $("sure").textContent = "The first decision takes a few seconds.";
  timeline($("strip"), $("bouts"), [], []);
  state.session = new Session(state);
  showPlaying(true);
}

async function stop() {
  const session = state.session;
  if (!session) return;
  state.session = null;
  state.over = session;
  await session.finish().catch((error) => trouble("The signal does not suit", error.message));
  const bouts = session.bouts;
  say($("activity"), bouts.length ? "Finished" : "Ready");
  $("sure").textContent = bouts.length ? `${bouts.length} bouts` : "Nothing was decided: it was too short.";
  showPlaying(false, bouts.length > 0);
  $("plot").hidden = true;
  showSummary(session);
  if (session.stream.undecided > 0) {
    trouble("Not all was decided", `The server was away: the last ${duration(session.stream.undecided)} are not in this session.`);
  }
  timeline($("strip"), $("bouts"), bouts, session.names, 50);
}

function save() {
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = state.over.bouts.map((b) =>
    [b.start, b.end].map((t) => new Date(t * 1000).toISOString()).concat(quoted(b.activity)).join());
  const url = URL.createObjectURL(new Blob([["start,end,activity", ...rows, ""].join("\n")], { type: "text/csv" }));
  make("a", { href: url, download: "timeline.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

function show(mode) {
  for (const name of ["live", "collect"]) {
    $(name).hidden = name !== mode;
    $(`tab-${name}`).setAttribute("aria-pressed", String(name === mode));
  }
  trouble("");
}

async function loadNetwork(recognizer) {
  const { windowing, network } = recognizer;
  if (!columns(windowing.channels)) {
    throw new Error(`This recognizer needs ${windowing.channels.join(", ")}; a phone has acceleration and turning at one place.`);
  }
  const answer = await ask(`network.onnx?id=${network.id}`);
  if (!answer.ok) throw new Error(`The server does not give the network (${answer.status}).`);
  const [length] = samples(windowing);
  return load(new Uint8Array(await answer.arrayBuffer()), [length, windowing.channels.length]);
}

async function prepare() {
  token();
  const answer = await ask("recognizer.json").catch(() => null);
  if (!answer?.ok) {
    $("status").textContent = "Not connected";
    trouble(answer?.status === 401 ? "Not paired" : "No server",
      answer?.status === 401 ? "Scan the QR code that the server shows." : "The server does not answer, and this phone has no copy yet.");
    return;
  }
  const { recognizer, collect } = await answer.json();
  state.recognizer = recognizer;
  new Collector(recognizer?.activities ?? [], collect);
  document.querySelector("nav").hidden = !(collect && recognizer);
  if (!recognizer) {
    show("collect");
    $("status").textContent = "Collecting only";
    return;
  }
  showBars(recognizer.activities);
  const { seconds, overlap, rate } = recognizer.windowing;
  try {
    state.run = await loadNetwork(recognizer);
    $("status").textContent = "On this phone";
    $("facts").textContent = `Windows of ${seconds} s, one each ${(seconds * (1 - overlap)).toFixed(2)} s, at ${rate} Hz. ` +
      `The network (${recognizer.network.model}) runs in this browser: no sample leaves the phone.`;
  } catch (error) {
    if (!columns(recognizer.windowing.channels)) return trouble("Not for phones", error.message);
    $("remote").checked = $("remote").disabled = true;
    $("status").textContent = "On the server";
    $("facts").textContent = `The network cannot run in this browser (${error.message}), so samples go to the server.`;
  }
  $("start").disabled = false;
}

let busy = null; // what starts or stops, while it does: the button may be pressed twice
$("start").onclick = () => (busy ??= (state.session ? stop() : start()).finally(() => (busy = null)));
$("save").onclick = save;
$("tab-live").onclick = () => show("live");
$("tab-collect").onclick = () => show("collect");
navigator.serviceWorker?.register("worker.js").catch(() => undefined);
prepare().then(() => document.dispatchEvent(new CustomEvent("ready")));
