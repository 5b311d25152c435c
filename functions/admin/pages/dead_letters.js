// The dead-letter queue: what is there and why; replay it, or give it up with a reason.

import { html, useEffect, useState } from "./ui.js";
import { act } from "./api.js";
import { ActionButton, Age, Freshness, Heading, Question, Table } from "./parts.js";
import { useAction, usePoll } from "./poll.js";
import { plural } from "./words.js";

const ALL = "api/v4/geo/dead_letters";

export function DeadLetters({ tell, readOnly, onUnauthorized }) {
  // A message that is looked at is out of the queue for a moment: seldom, so that operators do not take it from each other.
  const letters = usePoll(`${ALL}?per_page=100`, 30, onUnauthorized);
  const [run, busy] = useAction(tell);
  const [ask, setAsk] = useState(null);
  const send = async (what, body) => {
    await run(async () => {
      const done = await act(`${ALL}/${what}`, body);
      return done.missing.length ? `${done.message}. Not in the queue, or in somebody's hands: ${done.missing.join(", ")}` : done.message;
    });
    letters.refresh();
  };
  const nodes = letters.data?.nodes ?? [];
  const discard = (letter) =>
    setAsk({ title: "Discard this message?", text: `What it is about will not be done: ${letter.about || letter.kind}. The audit log keeps the message and the reason.`, action: "Discard", needsReason: true, id: letter.id });
  const columns = [
    ["About", (letter) => html`<bdi>${letter.about || letter.id}</bdi><span class="dim">${letter.kind}</span>`, "name"],
    ["Why it is here", (letter) => html`<span class="failure">${letter.reason}</span>`],
    ["Sent", (letter) => html`<${Age} at=${letter.sent_at} />`],
    ["A replay sends it to", (letter) => (letter.goes_to === "work" ? "the work queue" : "the events queue")],
    ["Body", (letter) => html`<${Body} id=${letter.id} onUnauthorized=${onUnauthorized} />`],
    ["Actions", (letter) => html`<div class="buttons">
      <${ActionButton} class="small" why=${readOnly} tell=${tell} busy=${busy} label=${`Replay ${letter.about || letter.id}`} onClick=${() => send("replay", { ids: [letter.id] })}>Replay<//>
      <${ActionButton} class="small danger" why=${readOnly} tell=${tell} busy=${busy} label=${`Discard ${letter.about || letter.id}`} onClick=${() => discard(letter)}>Discard<//>
    </div>`, "actions"],
  ];
  return html`
    <div class="title"><${Heading}>Dead letters<//><${Freshness} of=${[letters]} /></div>
    <p>Messages that could not be taken in. A replay sends them back to the queue that they came from; nothing is lost by it.</p>
    <div class="buttons">
      <${ActionButton} why=${readOnly} tell=${tell} busy=${busy} onClick=${() => send("replay", { all: true })}>Replay all<//>
      <button type="button" onClick=${letters.refresh}>Look again</button>
    </div>
    ${letters.data && html`<${Table} caption=${`${plural(letters.data.count, "message", "messages")} in the queue, by its own estimate`} rows=${nodes} keyOf=${(letter) => letter.id}
      columns=${columns} empty=${letters.data.count ? `About ${plural(letters.data.count, "message is", "messages are")} in somebody's hands: look again in a minute.` : "The dead-letter queue is empty."} />`}
    <${Question} ask=${ask} onClose=${() => setAsk(null)} onAnswer=${(reason) => send("discard", { ids: [ask.id], reason })} />`;
}

// A message's body, asked for when somebody wants to see it, until it is there: somebody may have the message in hand.
function Body({ id, onUnauthorized }) {
  const [open, setOpen] = useState(false);
  const [body, setBody] = useState(null);
  const asked = usePoll(open && body === null ? `${ALL}/${id}` : null, 30, onUnauthorized);
  useEffect(() => {
    if (asked.data !== null) setBody(asked.data.body);
  }, [asked.data]);
  const text = body ?? (asked.error ? `Not to be shown yet: ${asked.error.message}. It is asked for again.` : "Loading…");
  return html`<details onToggle=${(event) => setOpen(event.target.open)}><summary>Show</summary><pre tabindex="0">${text}</pre></details>`;
}
