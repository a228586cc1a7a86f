// The phone's motion in Ambulo's units and signs: acceleration with gravity in m/s² (at rest the
// upward axis reads +g), turn rate in rad/s about x, y and z.
//
// rotationRate is in degrees a second and, whatever older texts say, alpha, beta and gamma are about
// x, y and z in all browsers (w3c/deviceorientation, issue 44). Safari on iOS gives acceleration
// with the opposite sign; where the phone tells its orientation the sign is measured against that.

const RADIANS = Math.PI / 180;
const FIRST = 25; // samples in which the sign is measured
const G = 9.80665;

export class Refused extends Error {}

/** Ask for the sensors; must be called from a press of a button. */
export async function permit() {
  if (!globalThis.isSecureContext || !globalThis.DeviceMotionEvent) {
    throw new Refused("This page gets no motion: open it by https, with Safari or Chrome on a phone.");
  }
  for (const kind of [globalThis.DeviceMotionEvent, globalThis.DeviceOrientationEvent]) {
    if (typeof kind?.requestPermission !== "function") continue;
    if ((await kind.requestPermission()) !== "granted") {
      throw new Refused(
        "The browser was told not to give this page the motion sensors. On iPhone: close this tab, " +
        "open the page again and allow it; or Settings, Apps, Safari, Advanced, Website Data, remove this page. " +
        "On Android: tap the icon beside the address, Permissions, Motion sensors.");
    }
  }
}

/** The upward direction in the phone's frame, of its orientation in degrees. */
export function upward(beta, gamma) {
  const [b, c] = [beta * RADIANS, gamma * RADIANS];
  return [-Math.cos(b) * Math.sin(c), Math.sin(b), Math.cos(b) * Math.cos(c)];
}

/** Samples `(seconds since 1970, [acc x y z, gyro x y z])` for `take`, until `stop` is called. */
export class Sensors {
  constructor(take, fail = () => {}) {
    Object.assign(this, { take, fail, up: null, votes: 0, held: [], factor: null, gyroscope: false });
    this.moved = (event) => this.motion(event);
    this.turned = ({ beta, gamma }) => {
      if (beta !== null && gamma !== null) this.up = upward(beta, gamma);
    };
    this.awake = () => this.stayAwake();
    addEventListener("devicemotion", this.moved);
    addEventListener("deviceorientation", this.turned);
    document.addEventListener("visibilitychange", this.awake); // what is hidden gives the lock up
    this.stayAwake();
    this.silent = setTimeout(() => this.fail(
      "No motion comes. A phone has the sensors; a computer has not. On Android: tap the icon " +
      "beside the address, Permissions, Motion sensors."), 4000);
  }

  stop() {
    removeEventListener("devicemotion", this.moved);
    removeEventListener("deviceorientation", this.turned);
    document.removeEventListener("visibilitychange", this.awake);
    this.stopped = true;
    this.lock?.release();
    clearTimeout(this.silent);
    this.release();
  }

  /** Keep the screen on, without which no motion comes, until `stop`. */
  async stayAwake() {
    if (document.visibilityState !== "visible") return;
    this.lock = await navigator.wakeLock?.request("screen").catch(() => undefined);
    if (this.stopped) this.lock?.release();
  }

  motion({ accelerationIncludingGravity: a, rotationRate: r, timeStamp }) {
    if (a === null || a.x === null) return;
    clearTimeout(this.silent);
    const time = (performance.timeOrigin + timeStamp) / 1000;
    const acceleration = [a.x, a.y, a.z];
    const turning = r && r.alpha !== null ? [r.alpha, r.beta, r.gamma].map((x) => x * RADIANS) : null;
    this.gyroscope = turning !== null;
    if (this.factor !== null) return this.give(time, acceleration, turning);
    if (this.up) this.votes += Math.sign(acceleration.reduce((sum, x, k) => sum + x * this.up[k], 0));
    this.held.push([time, acceleration, turning]);
    if (this.held.length >= FIRST) this.release();
  }

  /** Decide on sign and unit by the first samples, and give them. */
  release() {
    if (this.factor === null && this.held.length) {
      const sizes = this.held.map(([, a]) => Math.hypot(...a)).sort((a, b) => a - b);
      const inG = sizes[sizes.length >> 1] < 3; // nothing at rest reads under 3 m/s²
      const opposite = typeof DeviceMotionEvent.requestPermission === "function";
      const sign = Math.sign(this.votes) || (opposite ? -1 : 1);
      this.factor = sign * (inG ? G : 1);
    }
    for (const sample of this.held.splice(0)) this.give(...sample);
  }

  give(time, acceleration, turning) {
    const values = acceleration.map((x) => x * this.factor);
    this.take(time, turning ? [...values, ...turning] : values);
  }
}

/** Which of a phone's channels a recognizer takes, or null where it takes others. */
export function columns(channels) {
  const mine = ["acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z"];
  const placements = new Set(channels.map((name) => name.split(".").slice(0, -1).join(".")));
  const found = channels.map((name) => mine.indexOf(name.split(".").pop()));
  return placements.size > 1 || found.includes(-1) ? null : found;
}
