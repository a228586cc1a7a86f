// Samples at irregular times become a regular signal and windows of it: what ambulo/signals.py and
// ambulo/stream/cutting.py do, held to them by tests/test_page_vectors.py. Samples are arrays of
// one number a channel; times are seconds.

export const MAX_GAP = 0.5;

/** Python's round: halves go to the even neighbour. */
export function round(x) {
  const down = Math.floor(x);
  if (x - down !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}

/** The mean of those of `steps`, in seconds, that are near `about`: stamps may be rounded. */
export function usualStep(steps, about) {
  let sum = 0, all = 0;
  for (const step of steps) {
    const counted = Math.min(Math.max((0.9 - Math.abs(step / about - 1)) / 0.4, 0), 1);
    sum += counted * step;
    all += counted;
  }
  return all ? sum / all : about;
}

/** The rate of samples `step` seconds apart, to the nearest 0.1 Hz or the eighth that it equals. */
export function namedRate(step) {
  const tenth = round(10 / step) / 10, eighth = round(8 / step) / 8;
  const nearer = Math.abs(eighth * step - 1) < Math.min(Math.abs(tenth * step - 1), 1e-4);
  return nearer ? eighth : tenth;
}

/** Length and step of a window in samples. */
export function samples(windowing, rate = windowing.rate) {
  const length = Math.max(round(windowing.seconds * rate), 1);
  return [length, Math.max(round(length * (1 - windowing.overlap)), 1)];
}

/** Samples at irregular times, interpolated linearly at `rate` Hz; a pause over `gap` s is a gap. */
export class Grid {
  constructor(rate, gap = MAX_GAP) {
    Object.assign(this, { rate, gap, begin: 0, made: 0, last: null });
  }

  /** Take one sample; give `[begin, samples]` of the gapless stretches that grew by it. */
  push(time, values) {
    const out = [];
    if (this.last !== null && time - this.last.time > this.gap) out.push(...this.finish());
    if (this.last === null) {
      Object.assign(this, { begin: time, made: 1, last: { time, values } });
      return [...out, [this.begin, [values.map(Math.fround)]]];
    }
    const { time: before, values: from } = this.last;
    const piece = [];
    for (; ; this.made++) {
      const at = this.begin + this.made / this.rate;
      if (at > time) break;
      piece.push(from.map((a, k) => Math.fround(((values[k] - a) / (time - before)) * (at - before) + a)));
    }
    this.last = { time, values };
    if (piece.length) out.push([this.begin, piece]);
    return out;
  }

  /** What rounding puts just behind the last sample, where the stretch ends. */
  finish() {
    if (this.last === null) return [];
    const { time, values } = this.last;
    this.last = null;
    const n = Math.floor((time - this.begin) * this.rate + 1e-3) + 1;
    return n > this.made ? [[this.begin, [values.map(Math.fround)]]] : [];
  }
}

/** The fraction nearest to `x` with a denominator up to 10,000. */
export function fraction(x) {
  let best = [Math.round(x), 1];
  for (let d = 2; d <= 10000; d++) {
    const n = Math.round(x * d);
    if (Math.abs(n / d - x) < Math.abs(best[0] / best[1] - x)) best = [n, d];
  }
  return best;
}

function bessel(x) {
  let sum = 1;
  for (let term = 1, k = 1; term > 1e-17 * sum; k++) sum += term *= (x / (2 * k)) ** 2;
  return sum;
}

/** The low-pass filter of scipy.signal.resample_poly, `2 * half + 1` taps (Kaiser, beta 5). */
function lowpass(half, cutoff) {
  const taps = Array.from({ length: 2 * half + 1 }, (_, k) => {
    const m = k - half;
    const sinc = m === 0 ? 1 : Math.sin(Math.PI * cutoff * m) / (Math.PI * cutoff * m);
    return sinc * bessel(5 * Math.sqrt(Math.max(1 - (m / half) ** 2, 0)));
  });
  const sum = taps.reduce((a, b) => a + b);
  return taps.map((tap) => tap / sum);
}

/** Changes the rate of a regular signal; beyond its ends it is what it is there. */
export class Resampler {
  constructor(rate, target) {
    [this.up, this.down] = fraction(target / rate);
    this.half = this.up === this.down ? 0 : 10 * Math.max(this.up, this.down);
    if (this.half) {
      const taps = lowpass(this.half, 1 / Math.max(this.up, this.down));
      this.taps = taps.map((tap) => tap * this.up);
    }
    Object.assign(this, { taken: 0, made: 0, first: 0, held: [] });
  }

  push(piece) {
    if (!this.half || !piece.length) return piece;
    this.taken += piece.length;
    this.held.push(...piece);
    return this.until(-Math.floor((this.half - this.taken * this.up) / this.down));
  }

  finish() {
    if (!this.half || !this.taken) return [];
    return this.until(Math.ceil((this.taken * this.up) / this.down));
  }

  /** Output samples up to number `n`; forget what no later one needs. */
  until(n) {
    const out = [];
    for (; this.made < n; this.made++) out.push(this.one(this.made * this.down));
    const needed = Math.ceil((this.made * this.down - this.half) / this.up);
    const drop = Math.min(needed - this.first, this.held.length - 1);
    if (drop > 0) {
      this.held.splice(0, drop);
      this.first += drop;
    }
    return out;
  }

  /** The output at `at`, counted in periods of `up` times the incoming rate. */
  one(at) {
    const sum = new Array(this.held[0].length).fill(0);
    const from = Math.ceil((at - this.half) / this.up);
    const to = Math.floor((at + this.half) / this.up);
    for (let k = from; k <= to; k++) {
      const tap = this.taps[at - k * this.up + this.half];
      const sample = this.held[Math.min(Math.max(k - this.first, 0), this.held.length - 1)];
      for (let c = 0; c < sum.length; c++) sum[c] += tap * sample[c];
    }
    return sum.map(Math.fround);
  }
}

/** A gapless stretch that begins at `begin` s becomes windows, the first of them at `at` s. */
export class Cutter {
  constructor(windowing, rate, begin, at) {
    [this.length, this.step] = samples(windowing);
    this.accelerations = windowing.channels.flatMap((name, k) =>
      windowing.gravity === "remove" && name.split(".").pop().startsWith("acc_") ? [k] : []);
    this.resampler = new Resampler(rate, windowing.rate);
    Object.assign(this, { rate: windowing.rate, begin, at, count: 0, next: 0, values: [] });
  }

  get end() {
    return this.at + this.count / this.rate;
  }

  push(piece) {
    return this.cut(this.resampler.push(piece));
  }

  finish() {
    return this.cut(this.resampler.finish());
  }

  cut(piece) {
    this.values.push(...piece);
    this.count += piece.length;
    const out = [];
    for (; this.next + this.length <= this.count; this.next += this.step) {
      const first = this.next - (this.count - this.values.length);
      this.values.splice(0, first);
      out.push({ start: this.at + this.next / this.rate, values: this.window() });
    }
    const behind = this.next - (this.count - this.values.length);
    if (behind > 0) this.values.splice(0, behind);
    return out;
  }

  /** The next window as float32, sample by sample, for a network. */
  window() {
    const rows = this.values.slice(0, this.length);
    const out = Float32Array.from(rows.flat());
    const channels = rows[0].length;
    for (const c of this.accelerations) {
      const mean = rows.reduce((sum, row) => sum + row[c], 0) / this.length;
      for (let k = c; k < out.length; k += channels) out[k] -= mean;
    }
    return out;
  }
}
