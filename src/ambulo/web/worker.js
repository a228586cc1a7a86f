// Keeps the page, the network and its runtime on the phone, so that it works without the server.

const CACHE = "ambulo-1";
const PAGE = [
  "./", "app.js", "collect.js", "context.js", "drawing.js", "icon.svg", "manifest.webmanifest", "network.js",
  "sensors.js", "server.js", "signal.js", "store.js", "stream.js", "style.css",
];
const NEVER = ["/health", "/metrics", "/predict", "/collect/", "/live", "/certificate"];
const PATIENCE = 1500; // ms that the server has before the copy is taken

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(PAGE)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const old = async () => {
    for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name);
    await self.clients.claim();
  };
  event.waitUntil(old());
});

/** What does not change under its address: from the copy, if there is one. */
async function copyFirst(request, cache) {
  const copy = await cache.match(request);
  if (copy) return copy;
  await cache.delete(request, { ignoreSearch: true }); // another recognizer's network
  return keep(request, cache);
}

/** From the server if it answers soon, else the copy. */
async function serverFirst(request, cache) {
  const late = new Promise((_, reject) => setTimeout(reject, PATIENCE));
  const fresh = keep(request, cache);
  try {
    return await Promise.race([fresh, late]);
  } catch {
    return (await cache.match(request, { ignoreSearch: true })) ?? fresh;
  }
}

async function keep(request, cache) {
  const answer = await fetch(request);
  if (answer.status === 200) await cache.put(request, answer.clone());
  return answer;
}

self.addEventListener("fetch", (event) => {
  const { pathname, origin } = new URL(event.request.url);
  if (event.request.method !== "GET" || origin !== location.origin || NEVER.some((p) => pathname.startsWith(p))) return;
  const lasting = pathname.startsWith("/vendor/") || pathname === "/network.onnx";
  event.respondWith(caches.open(CACHE).then((cache) => (lasting ? copyFirst : serverFirst)(event.request, cache)));
});
