// The Geo sites page: the fleet; then one site: what is wrong, its recovery point, how much is synced and verified, its charts.

import { html, useState } from "./ui.js";
import { act } from "./api.js";
import { Failure } from "./failures.js";
import { Fleet, isWeb } from "./fleet.js";
import { History } from "./history.js";
import { ActionButton, Age, Badge, Facts, Freshness, Heading, Polled, Question, RepositoryLink } from "./parts.js";
import { useAction, usePoll } from "./poll.js";
import { count, duration, lagText, plural } from "./words.js";

const FAILING_SHOWN = 5;

export function Sites({ route, sites, statuses, current, tell, noSync, onUnauthorized }) {
  const isSecondary = current && !current.primary;
  const failing = usePoll(
    isSecondary ? `api/v4/geo/container_repositories?state=failed&per_page=${FAILING_SHOWN}` : null, 10, onUnauthorized,
  );
  const refresh = () => [sites, statuses].forEach((poll) => poll.refresh());
  const known = sites.data ?? [];
  const rows = known.map((site) => ({ site, status: statuses.data?.find((one) => one.geo_node_id === site.id) }));
  const chosen = rows.find(({ site }) => String(site.id) === route.query.get("site")) ?? rows.find(({ site }) => site.current);
  return html`
    <div class="title"><${Heading}>Geo sites<//><${Freshness} of=${[statuses, sites]} /></div>
    ${!chosen && html`<${Polled} of=${sites}>${() => null}<//>`}
    ${chosen && html`<${Fleet} rows=${rows} chosen=${chosen.site.id} isOld=${statuses.error !== null} />
      <div class=${statuses.error ? "old" : ""}><${Site} key=${chosen.site.id} ...${chosen} isLoaded=${statuses.data !== null}
        failing=${chosen.site.current ? failing.data : null} tell=${tell} noSync=${noSync} refresh=${refresh} /></div>
      ${!chosen.site.primary && html`<${History} key=${`history-${chosen.site.id}`} site=${chosen.site} onUnauthorized=${onUnauthorized} />`}`}
    ${current?.primary && known.length === 1 && html`<p class="notice">This primary expects no other site. To have it expect one, run <code>geosync sites add</code>.</p>`}`;
}

function Site({ site, status, isLoaded, failing, tell, noSync, refresh }) {
  const id = `site-${site.id}`;
  return html`<section class="card" aria-labelledby=${id}>
    <div class="head">
      <h2 id=${id}>${site.name}</h2>
      <span class="role">${site.primary ? "Primary" : "Secondary"}</span>
      ${site.current && html`<span class="role">This site</span>`}
      ${status && html`<${Badge} state=${status.health_status} text=${status.health_status} />`}
      ${status?.paused_since && html`<${Badge} state="paused" text="Paused" />`}
      ${isWeb(site.url) && html`<a class="other" href=${site.url} rel="noreferrer">Its dashboard</a>`}
    </div>
    ${status ? html`
      <${Reasons} status=${status} />
      ${status.health_status === "Unknown" ? "" : site.primary && !site.current ? html`<p class="dim">Its own dashboard shows the rest.</p>` : site.primary ? html`<${PrimaryFacts} status=${status} />` : html`<${SecondaryFacts} status=${status} isCurrent=${site.current} />`}
      ${status.health_status !== "Unknown" && !site.primary && status.service_level && html`<${ServiceLevel} level=${status.service_level} />`}
      ${status.health_status !== "Unknown" && !site.primary && (site.current || status.comparison) && html`<${Comparison} comparison=${status.comparison} />`}
      ${failing && html`<${Failing} page=${failing} />`}
      ${site.current && !site.primary && html`<${PauseAndResume} status=${status} tell=${tell} why=${noSync} refresh=${refresh} />`}`
    : html`<p class="dim">${isLoaded ? "This site does not know its status: its own dashboard shows it." : "Loading…"}</p>`}
  </section>`;
}

// What is wrong, one by one, the worst first; a site of the version before reports one text.
function Reasons({ status }) {
  if (status.healthy) return null;
  const reasons = status.health_reasons.length ? status.health_reasons : [status.health];
  return html`<ul class="reasons ${status.health_status === "Degraded" ? "degraded" : ""}">${reasons.map((reason) => html`<li key=${reason}>${reason}</li>`)}</ul>`;
}

function PrimaryFacts({ status }) {
  const last = status.last_event_timestamp;
  return html`
    <p class="point"><span class="name">Last geo event</span>
      <strong><${Age} at=${last ? last * 1000 : null} otherwise="none in two days" /></strong>
      <span class="dim">Each push to this site's registry becomes a geo event, which the secondaries process.</span></p>
    <${Facts} of=${[
      ["Repositories", count(status.container_repositories_count)],
      status.primary_repositories_counted_at && ["Counted by a site", html`<${Age} at=${status.primary_repositories_counted_at} />`],
      ["Events waiting", count(status.events_waiting_count)],
      ["Dead letters", html`<${DeadLetterCount} number=${status.dead_letters_count} />`, status.dead_letters_count ? "bad" : ""],
    ]} />`;
}

function SecondaryFacts({ status, isCurrent }) {
  const s = status;
  const isKnown = isCurrent || s.reported_at !== null;
  const point = html`<p class="point"><span class="name">Recovery point</span>
    <strong><${Age} at=${s.recovery_point_at} otherwise="not known" /></strong>
    <span class="dim">${s.recovery_point_at ? "Everything pushed before this moment is at this site and was seen there." : isKnown && whyUnknown(s)}</span>
    ${s.recovery_point_at && s.recovery_point_stands_because && html`<span class="dim">Stalled: ${s.recovery_point_stands_because}.</span>`}</p>`;
  if (!isKnown) return point;
  return html`${point}
    <${WouldBeLost} status=${s} />
    <div class="meters">
      <${Percentage} name="Synced" text=${s.container_repositories_synced_in_percentage} of=${[s.container_repositories_synced_count, s.container_repositories_registry_count]} />
      <${Percentage} name="Verified" text=${s.container_repositories_verified_in_percentage} of=${[s.container_repositories_verified_count, s.container_repositories_verification_total_count]} />
    </div>
    <${Facts} of=${[
      ["Repositories", count(s.container_repositories_registry_count)],
      ["Failed", count(s.container_repositories_failed_count), s.container_repositories_failed_count ? "bad" : ""],
      ["Verification failed", count(s.container_repositories_verification_failed_count), s.container_repositories_verification_failed_count ? "bad" : ""],
      ["Lag p50 / p99", lag(s)],
      ["Oldest owed for", s.oldest_owed_seconds === null ? "not known" : s.oldest_owed_seconds ? duration(s.oldest_owed_seconds) : "nothing is owed"],
      ["Owed references", html`${s.more_owed ? "more than " : ""}${count(s.owed_references_count)}`],
      s.failed_references_count > 0 && ["Failed references", count(s.failed_references_count), "bad"],
      s.parked_references_count > 0 && ["Parked references", count(s.parked_references_count), "bad"],
      ["Events waiting", count(s.events_waiting_count)],
      ["Dead letters", html`<${DeadLetterCount} number=${s.dead_letters_count} own=${isCurrent} />`, s.dead_letters_count ? "bad" : ""],
      ["Last heartbeat", html`<${Age} at=${s.last_heartbeat_at} otherwise="none yet" />`],
      ["Proved by comparison", html`<${Age} at=${s.proved_at} otherwise="not yet" />`],
      ["Last drill", html`<${LastDrill} drill=${s.last_drill} due=${s.drill_due_because} />`, s.last_drill?.verdict === "failed" || s.drill_due_because ? "bad wide" : "wide"],
      s.superseded_images === "skip" && ["Superseded images", "skipped: of a tag that was pushed again before it was copied, the recovery point speaks of the newest push", "wide"],
      s.reported_at !== null && ["Reported", html`<${Age} at=${s.reported_at} />`],
      s.notifications_lost_count > 0 && ["Notifications lost", count(s.notifications_lost_count), "bad"],
      s.deletes_suspended_since !== null && ["Deletes suspended", html`<${Age} at=${s.deletes_suspended_since} />: ${s.deletes_suspended_because}${isCurrent && html` <a href="#/findings?kind=missing">Missing tags</a>`}`, "bad wide"],
      s.paused_since !== null && ["Paused", html`<${Age} at=${s.paused_since} />${s.pause_reason ? `: ${s.pause_reason}` : ""}`, "bad wide"],
      s.registries_on_hold.length > 0 && ["Registries on hold", s.registries_on_hold.join("; "), "bad wide"],
    ]} />`;
}

// The lag of the last hour's pushes; a site of the version before does not report it.
function lag(s) {
  if (s.lag_measured_count === null) return "not known";
  if (s.lag_median_seconds === null) return "no push in the last hour";
  return `${lagText(s.lag_median_seconds)} / ${lagText(s.lag_p99_seconds)}`;
}

const VERDICTS = { passed: "Passed", incomplete: "Incomplete", failed: "Failed" };
const measured = (seconds) => (seconds === null ? "not known" : duration(seconds));

// The last rehearsal of the primary's loss: its verdict, what kept it from passing, what it measured.
function LastDrill({ drill, due }) {
  const dueText = due ? html` <span class="dim">Another is due: ${due}.</span>` : "";
  if (!drill) return html`not known <span class="dim">No drill is known of: <code>geosync drill</code> rehearses the loss of the primary.</span>${dueText}`;
  return html`${VERDICTS[drill.verdict]} <${Age} at=${drill.ended_at} />${drill.why ? `: ${drill.why}` : ""}
    <span class="dim"> Measured: age of the recovery point ${measured(drill.recovery_point_age_seconds)}, recovery time ${measured(drill.recovery_time_seconds)}.</span>${dueText}`;
}

// What would be lost if the primary were gone now: by name, the oldest first.
function WouldBeLost({ status: { would_be_lost: names, would_be_lost_count: number, more_owed: more } }) {
  if (!number && !more) return null;
  return html`<details class="lost"><summary>If the primary were gone now, ${more ? "more than " : ""}${plural(number ?? names.length, "push", "pushes")} would be lost</summary>
    <ul>${names.map((name) => html`<li key=${name}><bdi><code>${name}</code></bdi></li>`)}</ul>
    ${(number > names.length || more) && html`<p class="dim">${names.length ? `These are the oldest ${count(names.length)}.` : "The dashboard of that site names them."}</p>`}</details>`;
}

function whyUnknown(s) {
  return s.recovery_point_unknown_because ? `It is not known: ${s.recovery_point_unknown_because}.` : "Run geosync status to see why it is not known.";
}

const DeadLetterCount = ({ number, own = true }) => (number && own ? html`<a href="#/dead-letters">${count(number)}</a>` : count(number));

function Percentage({ name, text, of: [some, all] }) {
  return html`<${Meter} name=${name} text=${text} value=${text === null ? null : Number.parseFloat(text)} below=${`${count(some)} of ${count(all)}`} />`;
}

function Meter({ name, text, value, below }) {
  return html`<div class="meter">
    <div><span>${name}</span> <strong>${text ?? "not known"}</strong></div>
    <progress max="100" value=${Math.max(value ?? 0, 0)} aria-label=${`${name}: ${text ?? "not known"}`}></progress>
    <div class="dim">${below}</div>
  </div>`;
}

// A share, rounded down, so that only all of it reads 100%.
const share = (percent) => (percent === null ? null : `${Math.floor(percent * 1000) / 1000}%`);

// The service level of the month. What is owed counts as missed once it is overdue. Without a push nothing is known.
function ServiceLevel({ level: l }) {
  const left = l.budget_left_percent;
  const said = share(l.share_percent);
  const spent = left === null ? null : left < 0 ? `spent ${(1 - left / 100).toFixed(1)} times` : `${left.toFixed(1)}%`;
  return html`<h3>Service level, ${l.month}</h3>
    <div class="meters">
      <${Meter} name=${`Seen within ${duration(l.target_lag_seconds)}`} text=${said !== null && l.is_at_most ? `at most ${said}` : said} value=${l.share_percent}
        below=${l.pushes_count ? `${count(l.pushes_count - l.missed_count)} of ${plural(l.pushes_count, "push", "pushes")}; the target is ${l.target_share_percent}%` : `No push was recorded; the target is ${l.target_share_percent}%`} />
      <${Meter} name="Error budget left" text=${spent} value=${left} below=${`${plural(l.missed_count, "push", "pushes")} missed the target, ${count(l.overdue_count)} of them not here yet`} />
    </div>
    ${l.has_gaps && html`<p class="dim">${count(l.minutes_recorded)} of the month's ${plural(l.minutes, "minute", "minutes")} so far were recorded: nothing is known of the others.</p>`}`;
}

const WALK = { not_begun: "Not begun", running: "Running", settling: "Settling", finished: "Finished", failed: "Failed" };

// The latest comparison, of the same moment as everything else in the card.
function Comparison({ comparison }) {
  const b = comparison ?? { state: "not_begun" };
  if (b.state === "not_begun") return html`<h3>Backfill and comparison</h3><p><${Badge} state=${b.state} text=${WALK[b.state]} /> It begins within a minute.</p>`;
  const left = b.seconds_left >= 1 ? ` About ${duration(b.seconds_left)} left.` : "";
  return html`<h3>Backfill and comparison</h3>
    <p><${Badge} state=${b.state} text=${WALK[b.state]} /> ${" "}Begun <${Age} at=${b.started_at} />${b.finished_at ? html`, ended <${Age} at=${b.finished_at} />` : ""}. ${plural(b.tags, "tag", "tags")} compared, ${count(b.found)} of them different.
      ${b.state === "running" ? left : ""}
      ${b.state === "settling" ? " All of it is compared and copied; the next minutes look once more that nothing is left." : ""}
      ${b.state === "running" && b.last !== null && !b.listed ? html` The catalogue is read up to <bdi><code>${b.last}</code></bdi>.` : ""}</p>
    ${b.state !== "finished" && html`<div class="meters walk">
      <${Progress} name="Repositories compared" done=${b.compared} of=${b.repositories} more=${!b.listed} />
      ${b.found > 0 && html`<${Progress} name="Different tags copied and seen" done=${b.settled} of=${b.found} />`}</div>`}
    ${b.failure && html`<p class="problem">${b.failure}</p>`}`;
}

// How much of something is done; `more`: the whole is not known yet.
function Progress({ name, done, of, more = false }) {
  const text = `${count(done)} of ${count(of)}${more ? " so far" : ""}`;
  return html`<div class="meter"><div><span>${name}</span></div>
    <progress max=${Math.max(of, 1)} value=${done} aria-label=${`${name}: ${text}`}></progress><div class="dim">${text}</div></div>`;
}

function Failing({ page }) {
  if (page.nodes.length === 0) return html`<h3>Failing repositories</h3><p class="dim">${page.page_info.has_next_page ? "None among the first." : "None."}</p>`;
  return html`<h3>Failing repositories</h3>
    <ul class="failing">${page.nodes.map((row) => html`<li key=${row.name}><${RepositoryLink} row=${row} />
      <${Failure} text=${row.last_sync_failure ?? row.verification_failure ?? "It has failed."} about=${row.name} /></li>`)}</ul>
    <p><a href="#/repositories?state=failed">All that have failed</a></p>`;
}

function PauseAndResume({ status, tell, why, refresh }) {
  const [run, busy] = useAction(tell);
  const [ask, setAsk] = useState(null);
  const send = async (path, body) => {
    await run(async () => (await act(path, body)).message);
    refresh();
  };
  const pause = () =>
    setAsk({ title: "Pause this site?", text: "Geo events are still marked, so that nothing is lost, but nothing is copied until somebody resumes.", action: "Pause", needsReason: true });
  return html`<div class="buttons">
    ${status.paused_since === null
      ? html`<${ActionButton} why=${why} tell=${tell} busy=${busy} onClick=${pause}>Pause<//>`
      : html`<${ActionButton} why=${why} tell=${tell} busy=${busy} class="primary" onClick=${() => send("api/v4/geo/resume")}>Resume<//>`}
    <${Question} ask=${ask} onClose=${() => setAsk(null)} onAnswer=${(reason) => send("api/v4/geo/pause", { reason: reason.slice(0, 255) })} />
  </div>`;
}
