// Requests to the server this page came from. What the server refuses becomes an Error whose message can be shown as it is.

import { sentence } from "./dom.js";

const TOKEN = "twnm-token";
const INDEXING_TRIES = 120;

export class Refused extends Error {
  constructor(message, { status, code, wait } = {}) {
    super(message);
    Object.assign(this, { status, code, wait });
  }
}

/** Called when a token is needed; gives one, or null to give up. Set by the page. */
export const credentials = { ask: async () => null };

const held = () => { try { return sessionStorage.getItem(TOKEN); } catch { return null; } };
const keep = (token) => { try { sessionStorage.setItem(TOKEN, token); } catch { /* asked again next time */ } };

async function send(path, { method = "GET", json, body, headers = {}, signal } = {}) {
  const token = held();
  const all = { ...headers, ...(json === undefined ? {} : { "Content-Type": "application/json" }), ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  try {
    return await fetch(path, { method, headers: all, body: json === undefined ? body : JSON.stringify(json), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The server cannot be reached. Is twnm serve still running?", { code: "offline" });
  }
}

async function refusal(response) {
  const { error } = await response.json().catch(() => ({}));
  const wait = Number(response.headers.get("Retry-After")) || null;
  let message = sentence(error?.message) ?? `The server answered ${response.status} ${response.statusText}.`;
  if (response.status === 429) message = `The server is busy with other requests. Try again in ${wait ?? "a few"} second${wait === 1 ? "" : "s"}.`;
  if (response.status >= 500 && error?.request_id && error.code === "internal") message += ` (request ${error.request_id})`;
  return new Refused(message, { status: response.status, code: error?.code, wait });
}

/** A response that is fine; asks for a token once if one is needed, and waits while an index is being built. */
export async function request(path, options = {}) {
  for (let tries = 0; ; tries++) {
    const response = await send(path, options);
    if (response.ok) return response;
    const error = await refusal(response);
    if (error.status === 401 && tries === 0) {
      const token = await credentials.ask(held() ? "The server did not accept that token." : "");
      if (token) { keep(token); continue; }
    }
    if (error.code === "indexing" && tries < INDEXING_TRIES) {
      options.onwait?.(error.message);
      await new Promise((done) => setTimeout(done, 1000 * (error.wait ?? 1)));
      continue;
    }
    throw error;
  }
}

export const getJson = async (path, options) => (await request(path, options)).json();
export const postJson = async (path, json, options) => (await request(path, { method: "POST", json, ...options })).json();
export const getBytes = async (path, options) => (await request(path, options)).arrayBuffer();
export const getBlob = async (path, options) => (await request(path, options)).blob();

/** A path with a query of those values that are not empty. */
export function withQuery(path, values) {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined));
  return query.size ? `${path}?${query}` : path;
}

const part = encodeURIComponent;

/** Ask and be told how it goes: `onevent(name, data)` for "queued" and "heard"; gives the answer. */
async function ask(path, json, onevent) {
  const response = await request(path, { method: "POST", json, headers: { Accept: "text/event-stream" } });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = "", part; !(part = await reader.read()).done;) {
    const events = (rest + part.value).replaceAll("\r\n", "\n").split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const [name, data] = parsed(event);
      if (name === "answer") return data;
      if (name === "error") throw new Refused(sentence(data.error.message), data.error);
      if (name) onevent?.(name, data);
    }
  }
  throw new Refused("The server broke off before it had answered. Ask again.", { code: "broken" });
}

/** The name and the data of one event of a stream; lines that are comments give none. */
function parsed(event) {
  const lines = event.split("\n");
  const of = (key) => lines.filter((line) => line.startsWith(`${key}:`)).map((line) => line.slice(key.length + 1).trim()).join("\n");
  return [of("event"), of("data") ? JSON.parse(of("data")) : null];
}

export const api = {
  state: () => getJson("/api/state"),
  examples: () => getJson("/api/examples"),
  openExample: (name) => postJson(`/api/examples/${part(name)}`),
  upload: (file, layout) => getJson(withQuery("/api/recordings", { layout, name: file.name }), { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" } }),
  relayout: (id, layout) => postJson(`/api/recordings/${part(id)}/layout`, { layout }),
  twin: (id, transform) => postJson(`/api/recordings/${part(id)}/twin`, { transform }),
  ask: (id, question, options, onevent) => ask(`/api/recordings/${part(id)}/ask`, { question, ...(options.length ? { options } : {}) }, onevent),
  audio: (id) => getBytes(`/api/recordings/${part(id)}/audio.wav?rate=24000`),
  file: (id, name) => getBlob(`/api/recordings/${part(id)}/${name}`),
  sounds: (values) => getJson(withQuery("/api/sounds", values)),
  sound: (clip) => getBlob(withQuery("/api/sounds/audio.wav", { clip })),
  newBuild: (seed, recipe) => getJson(withQuery("/api/build/new", { seed, recipe })),
  check: (scene) => postJson("/api/build/check", { scene }),
  checkSketch: (sketch) => postJson("/api/build/check", { sketch }),
  build: (sketch) => postJson("/api/build", { sketch }),
  set: (id, onwait) => getJson(`/api/browse/${part(id)}`, { onwait }),
  items: (id, values, signal) => getJson(withQuery(`/api/browse/${part(id)}/items`, values), { signal }),
  item: (id, n) => getJson(`/api/browse/${part(id)}/items/${n}`),
  openItem: (id, n) => postJson(`/api/browse/${part(id)}/items/${n}/open`),
};
