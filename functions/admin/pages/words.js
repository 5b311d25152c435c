// GitLab's words for states, and numbers and times as people read them.

export const STATES = {
  pending: "Pending",
  started: "Started",
  synced: "Synced",
  failed: "Failed",
};
export const VERIFICATION_STATES = {
  pending: "Pending",
  started: "Started",
  succeeded: "Succeeded",
  failed: "Failed",
  disabled: "Disabled",
};

const UNITS = [
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
  [1, "s"],
];

// 3 d 4 h, 12 min, 5 s: at most two units.
export function duration(seconds) {
  let rest = Math.max(0, Math.round(seconds));
  if (rest >= 600) rest -= rest % 60;
  const parts = [];
  for (const [size, unit] of UNITS) {
    if (parts.length === 2) break;
    const count = Math.floor(rest / size);
    if (count > 0) parts.push(`${count} ${unit}`);
    else if (parts.length) break;
    rest %= size;
  }
  return parts.join(" ") || "0 s";
}

// A lag: below 10 s with tenths.
export const lagText = (seconds) => (seconds < 10 ? `${seconds.toFixed(1)} s` : duration(seconds));

export const utc = (milliseconds) => new Date(milliseconds).toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
export const clock = (milliseconds) => new Date(milliseconds).toISOString().slice(11, 19) + " UTC";

export function age(milliseconds, now) {
  const seconds = (now - milliseconds) / 1000;
  if (Math.abs(seconds) < 3) return "just now";
  return seconds > 0 ? `${duration(seconds)} ago` : `in ${duration(-seconds)}`;
}

const numbers = new Intl.NumberFormat("en");
// A count that is not known is not 0.
export const count = (number) => (number === null || number === undefined ? "not known" : numbers.format(number));
export const plural = (number, one, many) => `${numbers.format(number)} ${number === 1 ? one : many}`;

const BYTES = ["B", "kB", "MB", "GB", "TB"];
// 1.2 MB, in powers of 1000.
export function bytes(number) {
  let at = 0;
  for (; number >= 999.5 && at < BYTES.length - 1; at += 1) number /= 1000;
  return `${number < 10 && at ? number.toFixed(1) : Math.round(number)} ${BYTES[at]}`;
}
