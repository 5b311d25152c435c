// What a list is narrowed to: in the address, so that it can be kept, sent, and gone back to.

import { html, useEffect, useState } from "./ui.js";

// [filters, change]: those of `names` that the address has, and how to change one ("" takes it away).
export function useFilters(route, names) {
  const filters = new URLSearchParams(names.flatMap((name) => (route.query.get(name) ? [[name, route.query.get(name)]] : [])));
  const change = (name, value) => {
    const changed = new URLSearchParams(filters);
    if (value) changed.set(name, value);
    else changed.delete(name);
    location.hash = `#/${route.page}${changed.size ? `?${changed}` : ""}`;
  };
  return [filters, change];
}

// `selects` are [name, title, { value: text }]; besides, a `prefix` of the container repositories' names.
export function Filters({ label, selects, filters, change }) {
  const [prefix, setPrefix] = useState(filters.get("prefix") ?? "");
  useEffect(() => setPrefix(filters.get("prefix") ?? ""), [filters.get("prefix")]);
  const submit = (event) => {
    event.preventDefault();
    change("prefix", prefix.trim());
  };
  return html`<form class="filters" role="search" aria-label=${label} onSubmit=${submit}>
    ${selects.map(([name, title, values]) => html`<label key=${name}>${title}
      <select name=${name} value=${filters.get(name) ?? ""} onChange=${(event) => change(name, event.target.value)}>
        <option value="">All</option>
        ${Object.entries(values).map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}
      </select></label>`)}
    <label class="grow">Name begins with
      <input type="search" name="prefix" maxlength="255" value=${prefix} spellcheck="false" autocapitalize="none" onInput=${(event) => setPrefix(event.target.value)} /></label>
    <button type="submit">Filter</button>
  </form>`;
}
