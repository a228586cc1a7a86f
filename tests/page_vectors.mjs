// What the page's modules make of what test_page_vectors.py gives them, as JSON both ways.
import { readFileSync } from "node:fs";

const web = new URL("../src/ambulo/web/", import.meta.url);
const [{ Causal, Unknown }, { Stream }, { fraction, samples }, { upward }, { columns }] = await Promise.all(
  ["context.js", "stream.js", "signal.js", "sensors.js", "sensors.js"].map((name) => import(new URL(name, web))));
const given = JSON.parse(readFileSync(0, "utf8"));

const context = (cases) => cases.map(({ context, own, seconds, gravity }) => {
  const causal = new Causal(context);
  return own.map((row, k) => causal.push(row, seconds[k], gravity && gravity[k]));
});

const unknown = (cases) => cases.map(({ unknown, step, novelty, seconds }) => {
  const filter = new Unknown(unknown, step);
  return novelty.map((n, k) => filter.push(n, seconds[k]));
});

const windows = async (cases) => Promise.all(cases.map(async ({ windowing, rows, rate }) => {
  const seen = [];
  const activities = ["a", "b"];
  const stream = new Stream({ windowing, activities, temperature: 1, context: null },
    async (values) => { seen.push([...values]); return { logits: [0, 0], novelty: 0 }; }, { rate });
  const starts = [];
  for (const [time, ...values] of rows) starts.push(...(await stream.push(time, values)));
  starts.push(...(await stream.finish()));
  return { starts: starts.map((d) => d.start), ends: starts.map((d) => d.end), values: seen, counts: stream.counts };
}));

console.log(JSON.stringify({
  context: context(given.context ?? []),
  unknown: unknown(given.unknown ?? []),
  windows: await windows(given.windows ?? []),
  fractions: (given.fractions ?? []).map(fraction),
  samples: (given.samples ?? []).map(([windowing, rate]) => samples(windowing, rate)),
  upward: (given.upward ?? []).map(([beta, gamma]) => upward(beta, gamma)),
  columns: (given.columns ?? []).map(columns),
}));
