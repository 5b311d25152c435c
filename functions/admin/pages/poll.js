// Live data without reloading: the site is asked again and again, less often while it does not answer. A page in the
// background asks once, so that it is there when somebody looks at it.

import { useCallback, useEffect, useReducer, useRef, useState } from "./ui.js";
import { get, siteTime } from "./api.js";

const FIRST_RETRY_SECONDS = 2;
const MOST_SECONDS = 60;
const NOTHING = { path: null, data: null, at: null, error: null, nextAt: null };

// { data, at, error, nextAt, askedAt, refresh }: the last answer, when it came, what went wrong since, when the next try is,
// when it was first asked for (times in milliseconds by the site's clock). `data` and `at` are null until the first answer for
// this path. A null path asks for nothing.
export function usePoll(path, seconds, onUnauthorized) {
  const [view, setView] = useState(NOTHING);
  const [round, refresh] = useReducer((count) => count + 1, 0);
  const asked = useRef({ path: null });
  if (asked.current.path !== path) asked.current = { path, at: siteTime() };

  useEffect(() => {
    if (path === null) return undefined;
    let timer;
    let failures = 0;
    let isAsked = false;
    let current = null; // the try that is under way

    const ask = async () => {
      clearTimeout(timer);
      if (document.hidden && isAsked) return;
      isAsked = true;
      // A new try replaces one that is under way, which may hang on a network that is gone.
      current?.abort();
      const mine = new AbortController();
      current = mine;
      let wait = seconds;
      try {
        const data = await get(path, mine.signal);
        if (mine.signal.aborted) return;
        failures = 0;
        setView({ ...NOTHING, path, data, at: siteTime() });
      } catch (error) {
        if (mine.signal.aborted) return;
        if (error.status === 401) return onUnauthorized(error);
        // Soon at first, with a random part, so that open pages do not all come back in the same second.
        wait = Math.min(FIRST_RETRY_SECONDS * 2 ** failures, MOST_SECONDS) * (0.8 + 0.4 * Math.random());
        failures += 1;
        if (error.status === 400) wait = MOST_SECONDS; // the same question is as wrong again
        const nextAt = siteTime() + wait * 1000;
        setView((before) => ({ ...(before.path === path ? before : NOTHING), path, error, nextAt }));
      } finally {
        if (current === mine) current = null;
      }
      timer = setTimeout(ask, wait * 1000);
    };

    const look = () => (document.hidden ? clearTimeout(timer) : ask());
    document.addEventListener("visibilitychange", look);
    window.addEventListener("online", ask);
    ask();
    return () => {
      current?.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", look);
      window.removeEventListener("online", ask);
    };
  }, [path, seconds, round]);

  const shown = view.path === path ? view : NOTHING;
  return { ...shown, askedAt: asked.current.at, refresh };
}

// A list whose pages end with a cursor, `perPage` entries each: [the poll of the page that is shown, what a Pager needs].
// `before` is how many entries the pages gone through had. With another path, which has the filters, it begins at the first page.
export function usePages(path, perPage, seconds, onUnauthorized) {
  const [gone, setGone] = useState({ path, cursors: [], counts: [] });
  const { cursors, counts } = gone.path === path ? gone : { cursors: [], counts: [] };
  const query = new URLSearchParams([["per_page", perPage], ...(cursors.length ? [["cursor", cursors.at(-1)]] : [])]);
  const page = usePoll(path === null ? null : `${path}${path.includes("?") ? "&" : "?"}${query}`, seconds, onUnauthorized);
  const onChange = (changed) =>
    setGone({ path, cursors: changed, counts: changed.length > cursors.length ? [...counts, page.data.nodes.length] : counts.slice(0, changed.length) });
  return [page, { cursors, before: counts.reduce((sum, count) => sum + count, 0), onChange }];
}

// The site's time, renewed every `seconds`, for ages on the page.
export function useNow(seconds = 5) {
  const [now, setNow] = useState(siteTime());
  useEffect(() => {
    const timer = setInterval(() => setNow(siteTime()), seconds * 1000);
    return () => clearInterval(timer);
  }, [seconds]);
  return now;
}

// Carry out actions one at a time: [run, busy]. `run(action)` waits for it, tells how it ended, and returns whether it was done.
export function useAction(tell) {
  const [busy, setBusy] = useState(false);
  const run = useCallback(
    async (action) => {
      setBusy(true);
      try {
        tell("done", await action());
        return true;
      } catch (error) {
        tell("failed", error.message);
        return false;
      } finally {
        setBusy(false);
      }
    },
    [tell],
  );
  return [run, busy];
}
