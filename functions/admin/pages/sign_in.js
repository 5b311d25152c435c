// Signing in: a token for a session's cookie, which no script can read.

import { html, useEffect, useRef, useState } from "./ui.js";
import { signIn } from "./api.js";

export function SignIn({ why, onSignedIn }) {
  const [problem, setProblem] = useState(why);
  const [busy, setBusy] = useState(false);
  const field = useRef(null);

  useEffect(() => {
    document.title = "Sign in · Geosync";
    field.current.focus();
  }, []);

  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setProblem(null);
    try {
      const token = field.current.value.trim();
      field.current.value = "";
      onSignedIn(await signIn(token));
    } catch (error) {
      setProblem(error.message);
      setBusy(false);
      field.current.focus();
    }
  };

  return html`<main class="sign-in">
    <form onSubmit=${submit}>
      <h1><img src="icon.svg" alt="" width="28" height="28" /> Geosync</h1>
      <p>Sign in with a token of this site: the <strong>read</strong> token to look, the <strong>act</strong> token to act. They are secrets in AWS Secrets Manager;
        the stack's outputs <code>AdminReadTokenSecretArn</code> and <code>AdminActTokenSecretArn</code> name them.</p>
      <label for="token">Token</label>
      <input id="token" name="token" type="password" required maxlength="512" autocomplete="current-password" spellcheck="false"
        aria-describedby="problem" aria-invalid=${problem ? "true" : "false"} ref=${field} />
      <p id="problem" class="problem" role="alert">${problem && html`<span aria-hidden="true">✕ </span>${problem}`}</p>
      <button type="submit" class="primary" aria-disabled=${busy ? "true" : "false"}>${busy ? "Signing in…" : "Sign in"}</button>
    </form>
  </main>`;
}
