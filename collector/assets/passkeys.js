// Asks the authenticator for a passkey, fills the answer into the form whose button was pressed, and sends it. Forms that
// need this are hidden until it is known that the browser can do it.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  if (!window.PublicKeyCredential || !navigator.credentials) return;

  const toBytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
  const toText = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const withBytes = (list) => list?.map((one) => ({ ...one, id: toBytes(one.id) }));

  // What is to be signed or made, as the authenticator takes it.
  const ask = async (form) => {
    const fields = new URLSearchParams(new FormData(form));
    if (form.dataset.passkey === "create") fields.set("do", "passkey_options");
    const answer = await fetch(form.dataset.options, { method: "POST", body: fields, redirect: "manual" });
    if (!answer.ok) throw new Error("no challenge");
    const options = await answer.json();
    options.challenge = toBytes(options.challenge);
    options.allowCredentials = withBytes(options.allowCredentials);
    options.excludeCredentials = withBytes(options.excludeCredentials);
    if (options.user) options.user.id = toBytes(options.user.id);
    return options;
  };

  const answer = async (form) => {
    const publicKey = await ask(form);
    if (form.dataset.passkey === "create") {
      const { response } = await navigator.credentials.create({ publicKey });
      return { client_data: response.clientDataJSON, attestation: response.attestationObject };
    }
    const { rawId, response } = await navigator.credentials.get({ publicKey });
    return {
      id: rawId,
      client_data: response.clientDataJSON,
      authenticator_data: response.authenticatorData,
      signature: response.signature,
      user_handle: response.userHandle ?? new ArrayBuffer(0),
    };
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const button = form.querySelector("button");
    const wrong = form.querySelector("[role=alert]");
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      wrong.hidden = true;
      button.disabled = true;
      try {
        for (const [name, value] of Object.entries(await answer(form))) {
          const field = document.createElement("input");
          Object.assign(field, { type: "hidden", name, value: toText(value) });
          form.append(field);
        }
        // Past this listener.
        form.submit();
      } catch {
        // Whoever changed their mind, has no passkey, or waited too long: the browser does not say which.
        wrong.hidden = false;
        button.disabled = false;
      }
    });
  }
});
