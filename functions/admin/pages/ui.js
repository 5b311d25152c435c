// The library, and the one thing that its bundle lacks.

export * from "./vendor/preact-htm.js";

import { useState } from "./vendor/preact-htm.js";

let ids = 0;
export const useId = () => useState(() => `id-${(ids += 1)}`)[0];
