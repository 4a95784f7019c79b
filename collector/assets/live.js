// Refreshes what is marked with data-live when the server says that something changed, and tells times in the reader's zone.
"use strict";
(() => {
  const policy = window.trustedTypes
    ? window.trustedTypes.createPolicy("picket", { createHTML: (html) => html })
    : { createHTML: (html) => html };

  const tellTimes = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (!Number.isNaN(at.getTime())) time.title = at.toLocaleString();
    }
  };

  // Replaces one marked part; what is open stays open, and who is on a link stays on it.
  const replace = (old, fresh) => {
    const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const open = [...old.querySelectorAll("details[id]")].map((one) => [one.id, one.open]);
    old.replaceWith(fresh);
    for (const [id, was] of open) document.getElementById(id)?.toggleAttribute("open", was);
    if (focused) fresh.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    tellTimes(fresh);
  };

  const refresh = async () => {
    const parts = [...document.querySelectorAll("[data-live][id]")];
    if (parts.some((part) => part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea"))) return;
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "manual" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(policy.createHTML(await answer.text()), "text/html");
    for (const part of parts) {
      const fresh = page.getElementById(part.id);
      if (fresh && part.isConnected) replace(part, fresh);
    }
    document.dispatchEvent(new CustomEvent("picket:fresh"));
  };

  document.addEventListener("DOMContentLoaded", () => {
    tellTimes(document);
    if (!document.querySelector("[data-live]") || !window.EventSource) return;
    let busy = false;
    const look = async () => {
      if (busy || document.hidden) return;
      busy = true;
      try {
        await refresh();
      } catch {
        // The stream opens again by itself, and the next look shows what was missed.
      }
      busy = false;
    };
    new EventSource("/events").addEventListener("look", look);
    document.addEventListener("visibilitychange", look);
  });
})();
