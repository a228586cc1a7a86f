// The recognizer's network in ONNX Runtime for browsers, on one thread.

/** A function that gives logits and novelty (0 where there is none) of one window, as a promise. */
export async function load(graph, shape) {
  const ort = await import("./vendor/ort.wasm.min.mjs");
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = { wasm: new URL("./vendor/ort-wasm-simd-threaded.wasm", import.meta.url).href };
  const session = await ort.InferenceSession.create(graph, { executionProviders: ["wasm"] });
  return async (values) => {
    const { logits, novelty } = await session.run({ signal: new ort.Tensor("float32", values, [1, ...shape]) });
    return { logits: logits.data, novelty: novelty ? novelty.data[0] : 0 };
  };
}
