// A failure as an operator needs it: its cause, what to do, and the original text, folded. A failure is recognised by its
// text alone, as errors.py words it. One that is not recognised is shown as it is.

import { html, useState } from "./ui.js";

const AGAIN = "It is tried again by itself";
// What a registry answered: "HOST: METHOD PATH: STATUS CODES and more", or no status where there was no answer.
const ANSWER = /^(\S+): (GET|HEAD|PUT|POST|PATCH|DELETE) (\S+): ((?:(\d{3})\b)?.*)/s;
const OTHERS = [
  [/is archived at (\S+), which/, (at) => [`Archived at ${at}`, "Restore it there, then resync."]],
  [/is wrong at (\S+), which takes no other bytes/, (at) => [`${at} keeps wrong bytes`, "Remove them from its storage, then resync."]],
  [/hash(?:es)? to |bytes short of|goes on after its|^\S+ stored sha/, () => ["The bytes are not those of their digest", "Look at the storage of the registry that served them; push the image again, then resync."]],
  [/^the function ended without a word/, () => ["The function stopped without an error message", "Look into its log: out of memory, most likely. A resync tries again."]],
  [/^Checksum does not match the primary checksum/, () => ["Tags differ from the primary's", "What differs is copied again by itself."]],
  [/is missing or wrong at the secondary$/, () => ["Content is missing or wrong at this site", "It is copied again by itself."]],
  [/^internal error: /, () => ["A fault of Geosync's", "Its log says more: report it, please."]],
];

// [cause, what to do] for a registry's answer.
function ofAnswer([, at, method, path, rest, status]) {
  const reads = method === "GET" || method === "HEAD";
  if (status === undefined) return [`${at} gave no answer that can be used`, `${AGAIN}: see that the registry runs and can be reached.`];
  if (status === "404" && reads && path.includes("/blobs/")) return [`Layer missing at ${at}`, "Push the image there again, then resync."];
  if (status === "404" && reads && path.includes("/manifests/")) return [`Manifest missing at ${at}`, "Push the image there again, then resync."];
  if (/^400 MANIFEST_BLOB_UNKNOWN/.test(rest)) return [`${at} does not find parts of the image`, `${AGAIN}: if it stays so, look at the registry's storage.`];
  if (status === "401") return [`${at} does not accept the credentials`, `Set them right in the registry's secret. ${AGAIN}.`];
  if (status === "403") return [`The credentials lack a permission at ${at}`, `Grant it. ${AGAIN}.`];
  if (status === "405") return [`${at} takes no writes`, `For maintenance, perhaps. ${AGAIN}.`];
  if (status === "429") return [`${at} asks for patience`, `${AGAIN}.`];
  if (status >= "500" || status === "408") return [`${at} answers with an error`, `${AGAIN}: look into the registry's log.`];
  return [`${at} refuses it`, "Mend what the answer names, then resync."];
}

// A row names the reference that failed last before what went wrong.
const OF_ROW = /^Container repository sync failed: (\S+): (.*)$/s;

// [cause, what to do], or null for a text that is not recognised.
export function explain(text) {
  const row = OF_ROW.exec(text);
  if (row === null) return causeOf(text);
  const known = causeOf(row[2]);
  return known && [`${known[0]} (${row[1]})`, known[1]];
}

function causeOf(text) {
  const answer = ANSWER.exec(text);
  if (answer) return ofAnswer(answer);
  for (const [pattern, explained] of OTHERS) {
    const found = pattern.exec(text);
    if (found) return explained(found[1]);
  }
  return null;
}

export function Failure({ text, about = "" }) {
  const known = explain(text);
  if (known === null) return html`<span class="failure">${text}</span>`;
  const [cause, remedy] = known;
  return html`<details class="cause"><summary><span class="failure">${cause}</span></summary>
    <p>${remedy}</p><pre tabindex="0">${text}</pre><${Copy} text=${text} about=${about} /></details>`;
}

// In a browser that gives a page no clipboard, the text can be marked.
function Copy({ text, about }) {
  const [said, setSaid] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid("Copied");
    } catch {
      setSaid("This browser does not let a page copy: mark the text");
    }
  };
  return html`<p class="copy"><button type="button" class="small" onClick=${copy}>Copy<span class="hidden"> what was answered${about && ` of ${about}`}</span></button>
    <span role="status" class="dim">${said}</span></p>`;
}
