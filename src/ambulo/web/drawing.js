// What both modes draw: colours, the strip and list of a timeline, the plot of a signal.

const COLOURS = [
  "#0b6e4f", "#d1782f", "#3f6fb5", "#a23b72", "#8a8d1f", "#5b8e9c", "#8c5a3c", "#6a51a3", "#c2425a", "#4d7c3a",
  "#e0a800", "#1f9e9e", "#d36bb0", "#7a8ad6", "#c99a6b", "#3aa655", "#9b6a8f", "#e06a50",
];
const HATCHED = "repeating-linear-gradient(45deg, var(--soft) 0 2px, transparent 2px 6px)";
const AXES = ["#d1782f", "#3f8f6f", "#4f7fd0"];

export const $ = (id) => document.getElementById(id);

export function colour(names, name) {
  const at = names.indexOf(name);
  if (at >= 0) return COLOURS[at % COLOURS.length];
  return name === "unknown" ? HATCHED : "transparent";
}

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function duration(seconds) {
  const s = Math.max(Math.round(seconds), 0);
  const two = (n) => String(n).padStart(2, "0");
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

export const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });

export const plain = (activity) => activity.replaceAll("-", " ").replaceAll("_", " ");

/** Large text, smaller where a word is long. */
export function say(element, text) {
  if (element.textContent === text) return;
  element.textContent = text;
  element.classList.toggle("long", text.split(" ").some((word) => word.length > 10));
}

/** Bouts `{start, end, activity}` as a coloured strip and as a list, the newest first. */
export function timeline(strip, list, bouts, names, shown = 6) {
  strip.replaceChildren();
  list.replaceChildren();
  if (!bouts.length) return;
  const [from, to] = [bouts[0].start, bouts.at(-1).end];
  let at = from;
  const piece = (seconds, background) => {
    const part = make("i");
    part.style.flexGrow = seconds / Math.max(to - from, 1e-9);
    part.style.background = background;
    strip.append(part);
  };
  for (const { start, end, activity } of bouts) {
    if (start > at + 0.01) piece(start - at, "transparent");
    piece(end - start, colour(names, activity));
    at = end;
  }
  for (const { start, end, activity } of bouts.slice(-shown).reverse()) {
    const dot = make("i");
    dot.style.background = colour(names, activity);
    const text = make("span", { textContent: plain(activity) });
    const time = make("time", { textContent: `${clock(start)}${duration(end - start).padStart(8)}` });
    list.append(make("li", {}, dot, text, time));
  }
  const said = bouts.slice(-shown).map((b) => `${plain(b.activity)} ${duration(b.end - b.start)}`);
  strip.setAttribute("aria-label", `Timeline, the latest last: ${said.join(", ")}`);
}

/** The last seconds of three axes. */
export class Plot {
  constructor(canvas, seconds = 6) {
    Object.assign(this, { canvas, seconds, rows: [], drawing: false });
  }

  push(time, values) {
    this.rows.push([time, ...values.slice(0, 3)]);
    while (this.rows[0][0] < time - this.seconds) this.rows.shift();
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.drawing = false;
    const { canvas, rows } = this;
    const ratio = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || rows.length < 2) return;
    if (canvas.width !== Math.round(width * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const most = Math.max(15, ...rows.flatMap((row) => row.slice(1).map(Math.abs)));
    const until = rows.at(-1)[0];
    for (let axis = 1; axis <= 3; axis++) {
      pen.beginPath();
      pen.strokeStyle = AXES[axis - 1];
      pen.lineWidth = 1.5;
      for (const row of rows) {
        const x = width * (1 - (until - row[0]) / this.seconds);
        pen.lineTo(x, height / 2 - (0.46 * height * row[axis]) / most);
      }
      pen.stroke();
    }
  }
}
