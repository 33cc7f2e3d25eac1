// The demo's buttons. Each one sends real requests through the gate and shows what came back.
"use strict";

const $ = (id) => document.getElementById(id);
const TELLING_HEADER = /^(x-)?ratelimit|^retry-after$|request-id$|^server$|^x-powered-by$/i;
const BURST = 40;
const EVENTS_SHOWN = 50;

/** Something the user has to do first. */
class Hint extends Error {}

/** The key in that field; asks for it when there is none. */
function key(id) {
  const value = $(id).value.trim();
  if (value) return value;
  $(id).focus();
  throw new Hint(`Paste the ${id === "read-key" ? "read-only" : "full"} key first: the terminal printed it.`);
}

/** Sends one request and reads the whole answer. */
async function call(method, path, { bearer, json, body, signal } = {}) {
  const headers = { accept: "application/json" };
  if (bearer) headers.authorization = `Bearer ${bearer}`;
  if (json) headers["content-type"] = "application/json";
  const options = { method, headers, signal, body: json ? JSON.stringify(json) : body };
  const answer = await fetch(path, { ...options, cache: "no-store", credentials: "omit" });
  return { asked: `${method} ${path}`, status: answer.status, headers: answer.headers, answer };
}

async function callAndRead(...request) {
  const result = await call(...request);
  return { ...result, text: await result.answer.text() };
}

/** Judges one answer by its status alone. */
const expect = (wanted, good, send) => async () => {
  const result = await send();
  const isGood = result.status === wanted;
  return { ...result, isGood, says: isGood ? good : unexpected(result, wanted) };
};

function unexpected({ status, headers }, wanted) {
  const wait = headers.get("retry-after");
  return status === 429 && wait ? `Too fast: try again in ${wait} s` : `Expected ${wanted}`;
}

const actions = {
  "no-key": expect(401, "Refused: no key, no entry", () => callAndRead("GET", "/api/tasks")),
  read: expect(200, "Let through", () => callAndRead("GET", "/api/tasks", { bearer: key("read-key") })),
  "read-writes": expect(403, "Refused: this key may only read", () => addTask(key("read-key"))),
  write: expect(201, "Let through: the task is there", () => addTask(key("full-key"))),
  whoami: expect(200, "This is all that the application learns of you", () =>
    callAndRead("GET", "/api/whoami", { bearer: key("full-key") })),
  attack: expect(403, "Refused: this looks like an attack", () => {
    const text = "x' UNION SELECT password FROM users --";
    return callAndRead("GET", `/api/tasks?q=${encodeURIComponent(text)}`, { bearer: key("read-key") });
  }),
  upload: expect(201, "Let through: the file is stored", () => {
    const file = $("file").files[0] || new File(["A sample from the demo page\n"], "sample.txt");
    const stem = file.name.replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^\.+/, "").slice(-80) || "file";
    const path = `/api/files/${Date.now().toString(36)}-${stem}`;
    return callAndRead("PUT", path, { bearer: key("full-key"), body: file });
  }),
  burst,
  crash,
  events,
};

function addTask(bearer) {
  const title = `Oil the gate (${new Date().toLocaleTimeString()})`;
  return callAndRead("POST", "/api/tasks", { bearer, json: { title } });
}

async function burst() {
  const bearer = key("read-key");
  const calls = Array.from({ length: BURST }, () => callAndRead("GET", "/api/tasks", { bearer }));
  const results = await Promise.all(calls);
  const counts = {};
  for (const { status } of results) counts[status] = (counts[status] || 0) + 1;
  const refused = results.find((result) => result.status === 429);
  return {
    ...(refused || results[0]),
    asked: `${BURST} times GET /api/tasks`,
    isGood: Boolean(refused),
    badge: refused ? `${counts[429]} × 429` : "no 429",
    says: Object.entries(counts).map(([status, count]) => `${count} × ${status}`).join(", "),
  };
}

async function crash() {
  const result = await callAndRead("GET", "/api/crash", { bearer: key("read-key") });
  const leaked = /backtrace|panicked|hunter2|demo\//.test(result.text + result.headers.get("server"));
  const isGood = result.status >= 500 && !leaked;
  const says = leaked ? "The application's inside came out" : "It crashed, and its stack trace stayed inside";
  return { ...result, isGood, says: result.status >= 500 ? says : unexpected(result, 500) };
}

let listening = null;

/** Starts or stops the stream; its lines are shown below the button, the newest first. */
async function events(button) {
  if (listening) {
    listening.abort();
    return null;
  }
  const stop = new AbortController();
  const result = await call("GET", "/api/events", { bearer: key("read-key"), signal: stop.signal });
  if (result.status !== 200) {
    return { ...result, text: await result.answer.text(), isGood: false, says: unexpected(result, 200) };
  }
  listening = stop;
  button.setAttribute("aria-pressed", "true");
  follow(result.answer.body.getReader(), button);
  return { ...result, isGood: true, says: "Listening; press again to stop" };
}

async function follow(reader, button) {
  const mine = listening;
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const lines = (rest + decoder.decode(part.value, { stream: true })).split("\n");
      rest = lines.pop();
      for (const line of lines) if (line.startsWith("data: ")) showEvent(line.slice(6));
    }
  } catch (problem) {
    if (problem.name !== "AbortError") show({ says: `The stream broke off: ${problem.message}`, isGood: false });
  }
  if (listening === mine) listening = null;
  button.setAttribute("aria-pressed", "false");
}

function showEvent(line) {
  const live = $("live");
  live.hidden = false;
  live.textContent = [line, ...live.textContent.split("\n")].slice(0, EVENTS_SHOWN).join("\n");
}

/** Shows a result; everything from outside goes in as text, never as HTML. */
function show({ asked, status, headers, text = "", says, isGood }) {
  const verdict = element("p", status ? `${status} · ${says}` : says);
  verdict.className = `verdict ${isGood ? "good" : "bad"}`;
  const request = element("p", asked || "");
  request.className = "asked";
  $("result").replaceChildren(verdict, request);
  const telling = [...(headers || [])].filter(([name]) => TELLING_HEADER.test(name));
  $("fields").replaceChildren(...telling.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  $("body").textContent = pretty(text);
  $("body").hidden = !text;
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function press(button) {
  const badge = button.querySelector("em");
  try {
    const result = await actions[button.dataset.action](button);
    if (!result) return;
    badge.textContent = `${result.isGood ? "✓" : "✗"} ${result.badge || result.status}`;
    badge.className = result.isGood ? "good" : "bad";
    show(result);
  } catch (problem) {
    const says = problem instanceof Hint ? problem.message : `No answer: ${problem.message}`;
    show({ says, isGood: false });
  }
}

let busy = false;
for (const button of document.querySelectorAll("button[data-action]")) {
  button.addEventListener("click", async () => {
    if (busy) return;
    busy = true;
    await press(button);
    busy = false;
  });
}

for (const id of ["read-key", "full-key"]) {
  $(id).value = sessionStorage.getItem(id) || "";
  $(id).addEventListener("input", () => sessionStorage.setItem(id, $(id).value.trim()));
}
$("show-keys").addEventListener("change", (event) => {
  for (const id of ["read-key", "full-key"]) $(id).type = event.target.checked ? "text" : "password";
});
$("keys").addEventListener("submit", (event) => event.preventDefault());
