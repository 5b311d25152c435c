// The admin API of the site that served this page. Paths are relative: a stage, or a domain's own path, stays in front.

export class ApiError extends Error {
  // `status` is 0 when no answer came.
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const MOST_SECONDS = 35; // API Gateway gives up after 29
let csrf = null;
let ahead = 0; // milliseconds that the site's clock is ahead of this device's

// The time by the site's clock, in milliseconds since the epoch: ages are right on a device whose clock is wrong.
export const siteTime = () => Date.now() + ahead;

export const get = (path, signal) => send("GET", path, undefined, signal);
export const act = (path, body = {}, method = "POST") => send(method, path, body);

export async function session() {
  const found = await get("api/v4/session");
  csrf = found.csrf_token;
  return found;
}

export async function signIn(token) {
  const found = await act("sign-in", { token });
  csrf = found.csrf_token;
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
  const limit = AbortSignal.timeout(MOST_SECONDS * 1000);
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "the site does not answer");
  }
  const date = Date.parse(answer.headers.get("Date") ?? "");
  // The header has whole seconds: a smaller difference is none.
  if (Number.isFinite(date)) ahead = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0;
  const found = await answer.json().catch(() => null);
  if (!answer.ok) throw new ApiError(answer.status, found?.message ?? `the site answered ${answer.status}`);
  return found;
}
