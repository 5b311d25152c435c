// Without one of its files the page stays empty, and the API refuses some files when many dashboards are opened at once. So
// the page loads itself again, later each time and after a random wait, so that they do not come back in the same second.

(() => {
  const MOST = 5;
  const KEY = "geosync-loads";
  const kept = window.sessionStorage;
  let isAsked = false;
  const again = (event) => {
    const tries = Number(kept.getItem(KEY)) || 0;
    if (isAsked || !event.target.matches?.("script, link[rel=stylesheet]") || tries >= MOST) return;
    isAsked = true;
    kept.setItem(KEY, tries + 1);
    setTimeout(() => location.reload(), 1000 * 2 ** tries * (1 + Math.random()));
  };
  window.addEventListener("error", again, true);
  window.addEventListener("load", () => setTimeout(() => isAsked || kept.removeItem(KEY)));
})();
