"use strict";
(() => {
const box = document.querySelector(".explorer");
const data = JSON.parse(document.getElementById("explorer-data").textContent);
const canvas = box.querySelector("canvas"), says = box.querySelector("[role=status]");
const dark = matchMedia("(prefers-color-scheme: dark)");
const INK = {light: ["#1b1f24", "#57606a", "#d0d7de", "#ffffff"], dark: ["#e6edf3", "#a5b0bb", "#3a424c", "#12161c"]};
const AXES = {light: ["#c2410c", "#0f766e", "#6d28d9"], dark: ["#fb923c", "#2dd4bf", "#c4b5fd"]};
const LEAST = Math.max(data.least, 1), TOP = 6, STRIP = 52, FOOT = 34;
let signal = null, view = [0, data.end], pending = false, printing = false;

const theme = () => dark.matches && !printing ? "dark" : "light";
const colour = k => data.colours[theme()][k];
const ink = hex => [.2126, .7152, .0722].reduce((sum, share, i) =>
  sum + share * (parseInt(hex.slice(1 + 2 * i, 3 + 2 * i), 16) / 255) ** 2.2, 0) > .179 ? "#000" : "#fff";
const names = data.names.map(name => name.length > 24 ? name.slice(0, 23) + "…" : name);
const two = n => String(n).padStart(2, "0");
function local(t) { // the wearer's clock: data.zones holds [second, offset from UTC in seconds]
  let offset = 0;
  for (const [from, o] of data.zones) if (t >= from) offset = o;
  return new Date((data.epoch + t + offset) * 1000);
}
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
function clock(t, seconds) {
  if (data.epoch === null) {
    const h = Math.floor(t / 3600), m = Math.floor(t / 60) % 60;
    return (h ? h + ":" + two(m) : m) + ":" + two(Math.floor(t % 60));
  }
  const d = local(t), s = two(d.getUTCHours()) + ":" + two(d.getUTCMinutes());
  return seconds ? s + ":" + two(d.getUTCSeconds()) : s;
}
function day(t) {
  if (data.epoch === null) return "";
  const d = local(t);
  return DAYS[d.getUTCDay()] + " " + d.getUTCFullYear() + "-" + two(d.getUTCMonth() + 1) + "-" + two(d.getUTCDate());
}
function first(t) { // the bout at second t
  let lo = 0, hi = data.starts.length - 1;
  while (lo < hi) { const m = (lo + hi + 1) >> 1; if (data.starts[m] <= t) lo = m; else hi = m - 1; }
  return lo;
}
const ends = k => k + 1 < data.starts.length ? data.starts[k + 1] : data.end;

function draw() {
  pending = false;
  const wide = canvas.clientWidth, high = canvas.clientHeight, scale = devicePixelRatio || 1;
  canvas.width = Math.round(wide * scale); canvas.height = Math.round(high * scale);
  const g = canvas.getContext("2d"), [a, b] = view, x = t => (t - a) / (b - a) * wide;
  const [ink, soft, line, paper] = INK[theme()];
  g.scale(scale, scale); g.fillStyle = paper; g.fillRect(0, 0, wide, high);
  g.font = "12px system-ui, sans-serif"; g.textBaseline = "middle";
  ticks(g, x, wide, high, soft, line);
  strip(g, x, wide);
  wave(g, wide, TOP + STRIP + 6, high - FOOT, soft, line, paper);
}
function ticks(g, x, wide, high, soft, line) {
  const [a, b] = view, STEPS = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 172800];
  const step = STEPS.find(s => (b - a) / s <= wide / 80) || 604800;
  const shift = data.epoch === null ? 0 : local(a).getTime() / 1000 - a;
  g.textAlign = "center"; g.fillStyle = soft; g.strokeStyle = line; g.lineWidth = 1;
  let said = "";
  for (let k = Math.ceil((a + shift) / step); k * step - shift <= b; k++) {
    let t = k * step - shift;
    if (data.epoch !== null && step > 3600) t -= local(t).getTime() / 1000 - t - shift; // clocks were set
    const at = Math.round(x(t)) + .5;
    g.beginPath(); g.moveTo(at, TOP); g.lineTo(at, high - FOOT); g.stroke();
    if (at > 24 && at < wide - 24) {
      g.fillText(clock(t, step < 60), at, high - FOOT + 10);
      if (day(t) !== said) { said = day(t); if (said) g.fillText(said.slice(0, 3) + " " + said.slice(9), at, high - FOOT + 25); }
    }
  }
}
function strip(g, x, wide) {
  const [a, b] = view; // where many bouts share a pixel, it is divided as they divide its time
  let k = first(a);
  for (let px = 0; px < wide;) {
    const t0 = a + px / wide * (b - a), t1 = t0 + (b - a) / wide, held = new Map();
    while (k < data.starts.length - 1 && ends(k) <= t0) k++;
    if (ends(k) >= t1) {
      const to = Math.min(Math.max(Math.floor(x(ends(k))), px + 1), wide);
      g.fillStyle = colour(data.codes[k]); g.fillRect(px, TOP, to - px, STRIP);
      named(g, data.codes[k], px, to - px); px = to; continue;
    }
    for (let i = k; i < data.starts.length && data.starts[i] < t1; i++) {
      const c = data.codes[i];
      held.set(c, (held.get(c) || 0) + Math.min(ends(i), t1) - Math.max(data.starts[i], t0));
    }
    let top = TOP;
    for (const [c, s] of [...held].sort((p, q) => p[0] - q[0])) {
      const part = s / (t1 - t0) * STRIP;
      g.fillStyle = colour(c); g.fillRect(px, top, 1, part); top += part;
    }
    px++;
  }
}
function named(g, code, at, room) { // where there is room: colours alone tell nothing to some
  if (room < 24 || g.measureText(names[code]).width > room - 8) return;
  g.fillStyle = ink(colour(code)); g.textAlign = "left"; g.fillText(names[code], at + 4, TOP + STRIP / 2);
}
function wave(g, wide, top, bottom, soft, line, paper) {
  const y = v => bottom - (v / 254) * (bottom - top);
  g.textAlign = "left"; g.fillStyle = soft;
  const zero = y(-data.low / (data.high - data.low) * 254);
  g.strokeStyle = line; g.beginPath(); g.moveTo(0, zero); g.lineTo(wide, zero); g.stroke();
  if (signal) data.channels.forEach((name, c) => {
    const base = 2 * c * data.steps, [a, b] = view;
    const from = Math.max(Math.floor(a / data.step), 0), to = Math.min(Math.ceil(b / data.step), data.steps);
    const per = Math.max((b - a) / data.step / wide, 1e-9);
    g.fillStyle = g.strokeStyle = AXES[theme()][c % 3]; g.globalAlpha = .75; g.lineWidth = 1.2;
    let last = null;
    g.beginPath();
    for (let k = from; k < to;) {
      const until = Math.min(per > 1 ? Math.max(Math.floor((Math.floor((k * data.step - a) / (b - a) * wide) + 1) * per + a / data.step), k + 1) : k + 1, to);
      let lo = 255, hi = -1;
      for (; k < until; k++) {
        const l = signal[base + k], h = signal[base + data.steps + k];
        if (l !== 255) { if (l < lo) lo = l; if (h > hi) hi = h; }
      }
      if (hi < 0) { last = null; continue; }
      const at = ((k - .5) * data.step - a) / (b - a) * wide;
      if (last === null) g.moveTo(at, y(lo)); else g.lineTo(at, y(Math.abs(last - lo) < Math.abs(last - hi) ? lo : hi));
      g.lineTo(at, y(lo)); g.lineTo(at, y(hi) - .5); last = hi;
    }
    g.stroke(); g.globalAlpha = 1;
  });
  const write = (text, x, at, fill) => {
    g.lineWidth = 4; g.lineJoin = "round"; g.strokeStyle = paper; g.strokeText(text, x, at);
    g.fillStyle = fill; g.fillText(text, x, at);
  };
  write(data.high.toFixed(0) + " m/s²", 4, top + 8, soft);
  write(data.low.toFixed(0), 4, bottom - 8, soft);
  let right = wide - 4;
  g.textAlign = "right";
  for (let c = data.channels.length - 1; c >= 0; c--) {
    write(data.channels[c], right, bottom - 8, AXES[theme()][c % 3]); right -= g.measureText(data.channels[c]).width + 10;
  }
}
function length(s) {
  return s >= 5400 ? (s / 3600).toFixed(1) + " h" : s >= 90 ? (s / 60).toFixed(1) + " min" : s.toFixed(1) + " s";
}
function tell() {
  const [a, b] = view, held = new Map();
  for (let k = first(a); k < data.starts.length && data.starts[k] < b; k++)
    held.set(data.codes[k], (held.get(data.codes[k]) || 0) + Math.min(ends(k), b) - Math.max(data.starts[k], a));
  const most = [...held].sort((p, q) => q[1] - p[1]).slice(0, 4);
  says.textContent = (day(a) + " " + clock(a, true)).trim() + " to " + (day(b) === day(a) ? "" : day(b) + " ") + clock(b, true) +
    " (" + length(b - a) + "): " + most.map(([c, s]) => data.names[c] + " " + length(s)).join(", ");
}
function later() { if (!pending) { pending = true; requestAnimationFrame(draw); } }
function show(a, b) {
  const width = Math.min(Math.max(b - a, LEAST), data.end), middle = (a + b) / 2;
  a = Math.min(Math.max(middle - width / 2, 0), data.end - width);
  view = [a, a + width]; tell(); later();
}
function zoom(factor, at) {
  const [a, b] = view, t = at === undefined ? (a + b) / 2 : at;
  show(t - (t - a) * factor, t + (b - t) * factor);
}
const move = share => { const by = (view[1] - view[0]) * share; show(view[0] + by, view[1] + by); };
const ACTIONS = {in: () => zoom(.5), out: () => zoom(2), left: () => move(-.5), right: () => move(.5), all: () => show(0, data.end)};
const KEYS = {"+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", Home: "all"};
box.querySelectorAll("button").forEach(b => b.addEventListener("click", () => ACTIONS[b.dataset.do]()));
box.querySelector("select").addEventListener("change", e => {
  const [a, b] = e.target.value.split(",").map(Number); show(a, b);
});
canvas.addEventListener("keydown", e => { const k = KEYS[e.key]; if (k && !e.ctrlKey && !e.metaKey) { e.preventDefault(); ACTIONS[k](); } });
const seconds = e => view[0] + (e.clientX - canvas.getBoundingClientRect().left) / canvas.clientWidth * (view[1] - view[0]);
canvas.addEventListener("wheel", e => { e.preventDefault(); zoom(Math.exp(e.deltaY * .002), seconds(e)); }, {passive: false});
canvas.addEventListener("dblclick", e => zoom(.25, seconds(e)));
const held = new Map();
canvas.addEventListener("pointerdown", e => { canvas.setPointerCapture(e.pointerId); held.set(e.pointerId, e.clientX); });
canvas.addEventListener("pointermove", e => {
  if (!held.has(e.pointerId)) return;
  const before = [...held.values()]; held.set(e.pointerId, e.clientX); const now = [...held.values()];
  const per = (view[1] - view[0]) / canvas.clientWidth;
  if (now.length === 1) show(view[0] - (now[0] - before[0]) * per, view[1] - (now[0] - before[0]) * per);
  else { const d = p => Math.max(Math.abs(p[0] - p[1]), 8); zoom(d(before) / d(now), seconds({clientX: (now[0] + now[1]) / 2})); }
});
for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, e => held.delete(e.pointerId));
addEventListener("resize", later); dark.addEventListener("change", later);
addEventListener("beforeprint", () => { printing = true; draw(); });
addEventListener("afterprint", () => { printing = false; draw(); });
(async () => {
  const packed = Uint8Array.from(atob(data.signal), c => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  signal = new Uint8Array(await new Response(stream).arrayBuffer());
  box.dataset.ready = "yes"; draw();
})().catch(() => { says.textContent = "This browser is too old to unpack the signal."; });
tell(); draw();
})();
