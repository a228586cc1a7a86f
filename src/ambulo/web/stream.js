// Decides on windows while their samples come: what ambulo/stream does, on this device.

import { Causal, Unknown } from "./context.js";
import { Cutter, Grid, MAX_GAP, namedRate, usualStep } from "./signal.js";

const ENOUGH = 50;
const NEAR = 0.05;

export function softmax(logits, temperature) {
  const most = Math.max(...logits);
  const exps = logits.map((x) => Math.exp((x - most) / temperature));
  const all = exps.reduce((a, b) => a + b, 0);
  return exps.map((x) => x / all);
}

/** Positions of the axes of the first accelerometer that feels gravity, or null. */
export function gravityAxes(channels) {
  for (const name of channels) {
    if (name.split(".").pop() !== "acc_x") continue;
    const axes = [..."xyz"].map((axis) => channels.indexOf(name.slice(0, -1) + axis));
    if (!axes.includes(-1)) return axes;
  }
  return null;
}

export class Stream {
  /** `run(values)` gives the network's logits and novelty of one window, as a promise. */
  constructor(recognizer, run, { rate = null } = {}) {
    const { windowing, context, unknown } = recognizer;
    Object.assign(this, { recognizer, run, windowing, held: [], origin: null, newest: -Infinity });
    this.causal = context && new Causal(context);
    this.unknown = context && unknown && new Unknown(unknown, context.step);
    this.axes = windowing.gravity === "keep" ? gravityAxes(windowing.channels) : null;
    this.counts = { samples: 0, notFinite: 0, late: 0 };
    this.grid = this.cutter = this.rate = null;
    this.working = Promise.resolve();
    if (rate !== null) this.setRate(rate);
  }

  /** Take one sample, its channels in the recognizer's order; promise what is decided by it. */
  push(time, values) {
    this.counts.samples++;
    if (![time, ...values].every(Number.isFinite)) this.counts.notFinite++;
    else if (time <= this.newest) this.counts.late++;
    else return this.decide(this.take(time, values));
    return Promise.resolve([]);
  }

  /** Decide on all that has come. */
  finish() {
    const cut = this.grid ? [] : this.settle();
    if (this.grid) cut.push(...this.follow(this.grid.finish()));
    if (this.cutter) cut.push(...this.cutter.finish());
    this.cutter = null;
    return this.decide(cut).then((out) => {
      this.causal?.finish();
      this.unknown?.finish();
      return out;
    });
  }

  take(time, values) {
    this.newest = time;
    this.origin ??= time;
    if (this.grid) return this.follow(this.grid.push(time - this.origin, values));
    this.held.push([time - this.origin, values]);
    return this.held.length < ENOUGH ? [] : this.settle();
  }

  /** Find the rate of the samples that were held for this, and take them. */
  settle() {
    const held = this.held;
    this.held = [];
    if (held.length < 2) return [];
    const steps = held.slice(1).map(([time], k) => time - held[k][0]).sort((a, b) => a - b);
    const middle = steps.length >> 1;
    const median = steps.length % 2 ? steps[middle] : (steps[middle - 1] + steps[middle]) / 2;
    const trained = this.windowing.rate;
    const rate = namedRate(usualStep(steps, median));
    this.setRate(Math.abs(rate / trained - 1) <= NEAR ? trained : rate);
    return held.flatMap(([time, values]) => this.follow(this.grid.push(time, values)));
  }

  setRate(rate) {
    if (rate < 0.8 * this.windowing.rate) {
      throw new Error(
        `The sensor gives ${rate.toFixed(0)} samples a second; this recognizer needs ` +
        `${this.windowing.rate.toFixed(0)}. Close other apps, or switch power saving off.`);
    }
    this.rate = rate;
    this.grid = new Grid(rate, Math.max(MAX_GAP, 2 / rate));
  }

  follow(pieces) {
    const out = [];
    for (const [begin, values] of pieces) {
      if (this.cutter === null || begin !== this.cutter.begin) {
        if (this.cutter) out.push(...this.cutter.finish());
        const at = this.cutter ? Math.max(begin, this.cutter.end) : begin;
        this.cutter = new Cutter(this.windowing, this.rate, begin, at);
      }
      out.push(...this.cutter.push(values));
    }
    return out;
  }

  /** Decide on windows, one after the other. */
  decide(cut) {
    if (!cut.length) return this.working.then(() => []);
    const done = this.working.then(async () => {
      const out = [];
      for (const window of cut) out.push(await this.one(window));
      return out;
    });
    this.working = done.catch(() => undefined);
    return done;
  }

  async one({ start, values }) {
    const called = performance.now();
    const { activities, temperature } = this.recognizer;
    const { logits, novelty } = await this.run(values);
    let probabilities = softmax([...logits], temperature);
    if (this.causal) probabilities = this.causal.push(probabilities, start, this.gravity(values));
    const best = probabilities.indexOf(Math.max(...probabilities));
    const unknown = this.unknown ? this.unknown.push(novelty, start) : 0;
    const odd = unknown > 0.5;
    const at = start + this.origin;
    return {
      start: at,
      end: at + values.length / this.windowing.channels.length / this.windowing.rate,
      activity: odd ? "unknown" : activities[best],
      probability: odd ? unknown : probabilities[best],
      probabilities,
      unknown,
      latency: (performance.now() - called) / 1000,
    };
  }

  /** The mean acceleration of a window. */
  gravity(values) {
    if (!this.axes) return null;
    const n = this.windowing.channels.length;
    return this.axes.map((axis) => {
      let total = 0;
      for (let k = axis; k < values.length; k += n) total += values[k];
      return total / (values.length / n);
    });
  }
}
