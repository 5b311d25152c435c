// The admin API of the site that served this page. Paths are relative, so that a stage or a domain's own path stays in front.

export class ApiError extends Error {
  // `status` is 0 when no answer came.
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const GET_SECONDS = 15; // then the page says so and asks again, instead of waiting for a request that hangs
const ACT_SECONDS = 35; // longer than API Gateway, which answers after 29 at the latest
let csrf = null;
let ahead = 0; // milliseconds by which the site's clock is ahead of this device's

// The time by the site's clock, in milliseconds since the epoch: ages are right on a device whose clock is wrong.
export const siteTime = () => Date.now() + ahead;

export const get = (path, signal) => send("GET", path, undefined, signal);
export const act = (path, body = {}, method = "POST") => send(method, path, body);

// Keep the CSRF token, which every action of this session needs.
export function keep(session) {
  csrf = session.csrf_token;
}

export async function signIn(token) {
  const found = await act("sign-in", { token });
  keep(found);
  return found;
}

export async function signOut() {
  await act("sign-out");
  csrf = null;
}

async function send(method, path, body, signal) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && csrf !== null) headers["X-CSRF-Token"] = csrf;
  const seconds = method === "GET" ? GET_SECONDS : ACT_SECONDS;
  const end = new AbortController();
  const leave = () => end.abort();
  signal?.addEventListener("abort", leave);
  const timer = setTimeout(leave, seconds * 1000);
  let answer, found;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      signal: end.signal,
    });
    found = await readJson(answer);
  } catch (error) {
    if (error instanceof ApiError || signal?.aborted) throw error;
    throw new ApiError(0, end.signal.aborted ? `the site did not answer within ${seconds} s` : "the site does not answer");
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", leave);
  }
  const date = Date.parse(answer.headers.get("Date") ?? "");
  // The header has whole seconds, so a small difference says nothing.
  if (Number.isFinite(date)) ahead = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0;
  if (!answer.ok) throw new ApiError(answer.status, found?.message ?? `the site answered ${answer.status}`);
  return found;
}

// The content of an answer. An answer that is cut off fails as if none had come. A problem in another form is null: it is
// from something in front of the API.
async function readJson(answer) {
  const text = await answer.text();
  try {
    return JSON.parse(text);
  } catch {
    if (answer.ok) throw new ApiError(answer.status, "the site's answer cannot be read");
    return null;
  }
}
