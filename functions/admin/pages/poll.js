// Live without reloading: ask again and again, more seldom while the site does not answer, not at all while nobody looks.

import { useCallback, useEffect, useReducer, useState } from "./ui.js";
import { get, siteTime } from "./api.js";

const MOST_SECONDS = 60;

// { data, at, error, nextAt, refresh }: the last answer, when it came, what went wrong since, when the next try is (both in
// milliseconds by the site's clock). `data` is null until the first answer for this path. A null path asks for nothing.
export function usePoll(path, seconds, onUnauthorized) {
  const [view, setView] = useState({ path: null });
  const [round, refresh] = useReducer((count) => count + 1, 0);

  useEffect(() => {
    if (path === null) return undefined;
    let timer;
    let failures = 0;
    let asking = false;
    const end = new AbortController();

    const ask = async () => {
      clearTimeout(timer);
      if (document.hidden || asking) return;
      asking = true;
      let wait = seconds;
      try {
        const data = await get(path, end.signal);
        failures = 0;
        setView({ path, data, at: siteTime(), error: null, nextAt: null });
      } catch (error) {
        if (end.signal.aborted) return;
        if (error.status === 401) return onUnauthorized(error);
        failures += 1;
        // A little by chance, so that open pages do not all come back in the same second.
        wait = Math.min(seconds * 2 ** failures, MOST_SECONDS) * (0.8 + 0.4 * Math.random());
        const nextAt = siteTime() + wait * 1000;
        setView((before) => ({ ...(before.path === path ? before : { path, data: null, at: null }), error, nextAt }));
      } finally {
        asking = false;
      }
      timer = setTimeout(ask, wait * 1000);
    };

    const look = () => (document.hidden ? clearTimeout(timer) : ask());
    document.addEventListener("visibilitychange", look);
    window.addEventListener("online", ask);
    ask();
    return () => {
      end.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", look);
      window.removeEventListener("online", ask);
    };
  }, [path, seconds, round]);

  const current = view.path === path ? view : { data: null, at: null, error: null, nextAt: null };
  return { ...current, refresh };
}

// The site's time, anew every `seconds`, for ages that go on.
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
