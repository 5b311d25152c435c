// The dashboard: the session, the current page, and the last message.

import { html, render, useCallback, useEffect, useRef, useState } from "./ui.js";
import { keep, signOut } from "./api.js";
import { DeadLetters } from "./dead_letters.js";
import { Age, Freshness } from "./parts.js";
import { Audit, Events } from "./events.js";
import { Findings } from "./findings.js";
import { Repositories } from "./repositories.js";
import { Repository } from "./repository.js";
import { SignIn } from "./sign_in.js";
import { Sites } from "./sites.js";
import { usePoll } from "./poll.js";
import { count, plural } from "./words.js";

const PAGES = [
  ["sites", "Geo sites", Sites],
  ["repositories", "Replication details", Repositories],
  ["findings", "Missing and extra", Findings],
  ["dead-letters", "Dead letters", DeadLetters],
  ["events", "Geo events", Events],
  ["audit", "Audit log", Audit],
];

// The page named after the # of the address: { page, id, query }.
function readRoute() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [page, id = null] = path.split("/");
  return { page: PAGES.some(([name]) => name === page) ? page : "sites", id, query: new URLSearchParams(query) };
}

function useRoute() {
  const [route, setRoute] = useState(readRoute);
  useEffect(() => {
    const change = () => setRoute(readRoute());
    window.addEventListener("hashchange", change);
    return () => window.removeEventListener("hashchange", change);
  }, []);
  return route;
}

function App() {
  const [session, setSession] = useState(undefined); // undefined: not known yet; null: none
  const [why, setWhy] = useState(null);

  const over = useCallback((reason) => {
    setWhy(reason);
    setSession(null);
  }, []);

  if (session === null) return html`<${SignIn} why=${why} onSignedIn=${setSession} />`;
  return html`<${SignedIn} session=${session} onFound=${setSession} onOver=${over} />`;
}

// The view while a session is known or asked for. The sites are asked for at the same time, so that neither waits.
function SignedIn({ session, onFound, onOver }) {
  const route = useRoute();
  const isKnown = useRef(false);
  isKnown.current = session !== undefined;
  const onUnauthorized = useCallback((error) => onOver(isKnown.current ? error.message : null), [onOver]);
  const found = usePoll(session === undefined ? "api/v4/session" : null, 60, onUnauthorized);
  const sites = usePoll("api/v4/geo_sites", 30, onUnauthorized);
  const statuses = usePoll("api/v4/geo_sites/status", route.page === "sites" ? 10 : 30, onUnauthorized);
  useEffect(() => {
    if (found.data === null) return;
    keep(found.data);
    onFound(found.data);
  }, [found.data]);

  if (session === undefined) return html`<main class="loading"><h1>Geosync</h1><${Freshness} of=${[found]} /></main>`;
  return html`<${Shell} ...${{ session, route, sites, statuses, onUnauthorized, onOver }} />`;
}

function Shell({ session, route, sites, statuses, onUnauthorized, onOver }) {
  const [said, setSaid] = useState({ kind: "done", text: "" });
  const tell = useCallback((kind, text) => setSaid({ kind, text }), []);
  const current = sites.data?.find((site) => site.current);
  const own = statuses.data?.find((one) => one.geo_node_id === current?.id);
  const counted = attention(statuses.data, own);
  const title = PAGES.find(([name]) => name === route.page)[1];

  useEffect(() => {
    document.title = `${title} · ${session.site} · Geosync`;
  }, [title]);
  useEffect(() => tell("done", ""), [route.page, route.id]);
  useEffect(() => {
    showTab();
    window.addEventListener("resize", showTab);
    return () => window.removeEventListener("resize", showTab);
  }, [route.page]);

  const leave = async () => {
    try {
      await signOut();
      onOver(null);
    } catch (error) {
      tell("failed", `You are still signed in: ${error.message}`);
    }
  };

  const Page = route.page === "repositories" && route.id ? Repository : PAGES.find(([name]) => name === route.page)[2];
  // The reason why this session may not act here; null: it may.
  const readOnly = session.right === "act" ? null : "You signed in with the read token, which may only look: sign in with the act token to act";
  const noSync = readOnly ?? (current?.primary ? `${session.site} is the primary, which syncs nothing: this is for a secondary's dashboard` : null);
  const context = { session, sites, statuses, own, current, tell, readOnly, noSync, onUnauthorized };
  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <header>
      <div class="bar">
        <p class="brand"><img src="icon.svg" alt="" width="22" height="22" /> Geosync <strong>${session.site}</strong>
          ${current && html`<span class="role">${current.primary ? "Primary" : "Secondary"}</span>`}</p>
        <p class="who"><span>${session.right === "act" ? "You may act" : "You may only look"}; your session ends <${Age} at=${session.expires_at} /></span>
          <button type="button" class="small" onClick=${leave}>Sign out</button></p>
      </div>
      <nav aria-label="Pages"><ul>${PAGES.map(([name, text]) => html`<li key=${name}>
        <a href=${`#/${name}`} aria-current=${route.page === name ? "page" : undefined} aria-describedby=${counted[name] ? `count-${name}` : undefined}>${text}</a>
        ${counted[name] && html`<span class="count" id=${`count-${name}`} title=${counted[name].text}><span class="hidden">${counted[name].text}</span><span aria-hidden="true">${count(counted[name].number)}</span></span>`}</li>`)}</ul></nav>
    </header>
    <main id="main" tabindex="-1">
      <div class="said ${said.text ? said.kind : "none"}" role="status" aria-live="polite">
        ${said.text && html`<p><span aria-hidden="true">${said.kind === "done" ? "✓" : "✕"}</span> <span class="text">${said.text}</span></p>
          <button type="button" class="small" aria-label="Close this message" onClick=${() => tell("done", "")}>Close</button>`}
      </div>
      ${readOnly && html`<p class="notice">${readOnly}.</p>`}
      <${Page} key=${`${route.page}/${route.id}`} route=${route} ...${context} />
    </main>`;
}

// The counts of what needs attention, by page. A page where nothing does, or where that is not known, has no count.
function attention(statuses, own) {
  const ill = statuses?.filter((one) => !one.healthy && one.health_status !== "Unknown").length;
  const counts = {
    sites: [ill, "site is not healthy", "sites are not healthy"],
    repositories: [own?.container_repositories_failed_count, "container repository has failed", "container repositories have failed"],
    "dead-letters": [own?.dead_letters_count, "dead letter", "dead letters"],
  };
  return Object.fromEntries(Object.entries(counts).flatMap(([page, [number, one, many]]) => (number ? [[page, { number, text: plural(number, one, many) }]] : [])));
}

// Bring the current tab into sight, where the screen is narrow and the tabs scroll.
function showTab() {
  const tab = document.querySelector("header a[aria-current]");
  const row = tab.closest("ul");
  row.scrollLeft += tab.getBoundingClientRect().left - row.getBoundingClientRect().left - 16;
}

function skip(event) {
  event.preventDefault(); // what is after the # names the page
  document.getElementById("main").focus();
}

const place = document.getElementById("app");
place.replaceChildren();
render(html`<${App} />`, place);
