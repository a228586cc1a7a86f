// Decisions in view of the windows before: what ambulo/context/causal.py and reference.py do,
// without waiting for later windows.

const DOUBT = 0.01;
const EDGES = [5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 90, 120, 180];
const SMALL = 1e-6;

const sum = (row) => row.reduce((a, b) => a + b, 0);
const norm = (v) => Math.hypot(...v);

function degrees(a, b) {
  const cosine = sum(a.map((x, k) => x * b[k])) / Math.max(norm(a) * norm(b), SMALL);
  return (Math.acos(Math.min(Math.max(cosine, -1), 1)) * 180) / Math.PI;
}

/** The direction of gravity in the sensor's frame while the wearer walks, or stands. */
class Upright {
  constructor(reference, step) {
    const { steady = 3 } = reference; // older files do not say
    Object.assign(this, { reference, step, steady, total: [0, 0, 0], run: [] });
  }

  push(gravity, shown) {
    if (shown) {
      this.run.push(gravity.map((x) => x / Math.max(norm(gravity), SMALL)));
      if (this.run.length >= this.steady) this.learn();
    } else this.run = [];
    const size = norm(this.total);
    return size ? this.total.map((x) => x / size) : null;
  }

  learn() {
    this.run = this.run.slice(-this.steady);
    const newest = [0, 1, 2].map((k) => sum(this.run.map((v) => v[k])));
    if (!norm(this.total) || degrees(newest, this.total) > this.reference.turned) {
      this.total = newest; // the first time, or the sensor slipped
    } else {
      const kept = Math.exp(-this.step / this.reference.memory);
      this.total = this.total.map((x, k) => x * kept + this.run.at(-1)[k]);
    }
  }
}

/** What the wearer does and what it looks like: what ambulo/context/states.py does. */
function states({ activities, reference, taken = 0, prior }) {
  const still = taken ? (reference?.still ?? []).map((name) => activities.indexOf(name)) : [];
  const rest = still.length > 1 ? still : [];
  const own = prior.map((_, k) => [k, k, rest.includes(k) ? 1 - taken : 1]);
  const others = rest.flatMap((a) =>
    rest.filter((b) => b !== a).map((b) => [a, b, taken / (rest.length - 1)]));
  return [...own, ...others].map(([does, looks, share]) => ({ does, looks, share }));
}

/** The forward filter over windows that follow each other. */
export class Causal {
  constructor(context) {
    const stay = context.seconds.map((s) => Math.exp(-context.step / s));
    this.states = states(context);
    this.change = this.states.map(({ does: a }, i) => this.states.map(({ does: b, share }, j) =>
      (1 - stay[a]) * context.follows[a][b] * share + (i === j ? stay[a] : 0)));
    const { reference, step } = context;
    this.upright = reference && new Upright(reference, step);
    this.stance = reference?.stance?.length ? new Upright(reference, step) : null;
    Object.assign(this, { context, now: null, seconds: null, bout: -1, own: null });
  }

  /** The signal broke: any activity is as likely as another. */
  finish() {
    this.now = this.seconds = null;
  }

  /** Probabilities of the window that starts at `seconds`, of its own and its mean acceleration. */
  push(own, seconds, gravity) {
    const { step, causal = 1, prior } = this.context;
    const gap = seconds - this.seconds;
    if (this.seconds !== null && (gap > 1.5 * step || gap < 0)) this.finish();
    this.seconds = seconds;
    const sound = this.dealt(own.map((p) => (1 - DOUBT) * p + DOUBT / own.length), gravity);
    const logs = sound.map((p, k) => causal * Math.log(p / prior[k]));
    const most = Math.max(...logs);
    const before = this.now
      ? this.states.map((_, j) => sum(this.now.map((p, i) => p * this.change[i][j])))
      : this.states.map(({ share }) => share / own.length);
    const now = before.map((p, k) => p * Math.exp(logs[this.states[k].looks] - most));
    this.now = now.map((p) => p / sum(now));
    const told = own.map((_, k) => sum(this.now.filter((_, i) => this.states[i].does === k)));
    if (this.stance && gravity) this.stand(told, gravity);
    return told;
  }

  /** Learn how the wearer stands, for the bouts to come. */
  stand(told, gravity) {
    const bout = told.indexOf(Math.max(...told));
    if (bout !== this.bout) {
      this.bout = bout;
      this.own = norm(this.stance.total) ? this.stance.total : null;
    }
    this.stance.push(gravity, this.shown(this.context.reference.stance, told));
  }

  shown(names, probabilities) {
    return sum(this.at(names).map((k) => probabilities[k])) >= this.context.reference.sure;
  }

  at(names) {
    return names.map((name) => this.context.activities.indexOf(name));
  }

  /** Probabilities with less for still activities that gravity against the wearer's own denies. */
  dealt(sound, gravity) {
    if (!this.upright || !gravity) return sound;
    const { reference } = this.context;
    let up = this.upright.push(gravity, this.shown(reference.gaits, sound));
    let { angles } = reference;
    if (this.own && !(up && degrees(this.own, up) > reference.turned)) {
      up = this.own;
      angles = reference.stood;
    }
    const still = this.at(reference.still);
    if (up === null || !still.length) return sound;
    const angle = degrees(gravity, up);
    const found = EDGES.findIndex((edge) => angle <= edge);
    const place = found < 0 ? EDGES.length - 1 : found;
    const most = Math.max(...still.map((k) => angles[k][place]));
    const out = [...sound];
    for (const k of still) out[k] *= Math.exp(reference.weight * (angles[k][place] - most));
    const [share, left] = [sound, out].map((row) => sum(still.map((k) => row[k])));
    if (share > 0.5) for (const k of still) out[k] *= share / left;
    return out.map((p) => p / sum(out));
  }
}

const SHARPNESS = 4;

/** Whether the wearer does something that was never learnt: what ambulo/context/unknown.py does. */
export class Unknown {
  constructor({ above, seconds, weight }, step) {
    const follows = [[0, 1], [1, 0]];
    this.above = above;
    this.causal = new Causal({ step, seconds, causal: weight, follows, prior: [0.5, 0.5], reference: null });
  }

  finish() {
    this.causal.finish();
  }

  /** The probability of the unknown in the window that starts at `seconds`. */
  push(novelty, seconds) {
    const x = Math.max(-30, Math.min(30, SHARPNESS * (novelty - this.above)));
    const odd = 1 / (1 + Math.exp(-x));
    return this.causal.push([1 - odd, odd], seconds, null)[1];
  }
}
