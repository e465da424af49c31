// What the server cannot do alone: open and close layers, toasts, copy, theme, the search key.
// Every page works without this file.
const $ = (selector, root = document) => root.querySelector(selector);
const openers = new WeakMap();
let opener = null;

// --- Dialogs and drawers that htmx loaded into #layer -------------------------------------------

function openLayer() {
  const dialog = $("#layer dialog:not([open])");
  if (!dialog) return;
  openers.set(dialog, opener);
  dialog.showModal();
}

function focusAgain(element) {
  // An entry of a menu is hidden by now; the button that opened the menu stands for it.
  const menu = element?.closest("[popover]:not(:popover-open)");
  if (menu) element = $(`[popovertarget="${menu.id}"]`);
  const target = element?.isConnected ? element : element?.id && document.getElementById(element.id);
  (target || $("main")).focus();
}

document.addEventListener("close", (event) => {
  const dialog = event.target;
  if (!dialog.closest?.("#layer")) return;
  dialog.remove();
  tellRefusal();
  focusAgain(openers.get(dialog));
}, true);

// Answers may say «close-layer» (HX-Trigger) once the work of a dialog is done.
document.addEventListener("close-layer", () => $("#layer dialog")?.close());

// --- htmx --------------------------------------------------------------------------------------

const isPoll = (element) => /\bevery\b/.test(element?.getAttribute("hx-trigger") ?? "");

document.addEventListener("htmx:before:request", (event) => {
  if (event.defaultPrevented) return; // forms.js, which hears it first, does not put this question
  const { sourceElement, request } = event.detail.ctx;
  if (isPoll(sourceElement)) {
    if (document.hidden) event.preventDefault();
    return;
  }
  if (sourceElement?.getAttribute("hx-target") === "#layer") opener = sourceElement;
  request.submitter?.setAttribute("aria-busy", "true");
});

document.addEventListener("htmx:finally:request", (event) => {
  event.detail.ctx.request.submitter?.removeAttribute("aria-busy");
});

document.addEventListener("htmx:after:swap", ({ detail: { ctx: { target, response, sourceEvent } } }) => {
  openLayer();
  const place = target?.isConnected ? target : target && document.getElementById(target.id);
  place?.toggleAttribute("data-refused", response.status === 422);
  if (response.status === 422 && sourceEvent?.type === "submit") toMistake(place);
  tellRefusal();
  const news = $("#messages [role=status]");
  if (news && !news.dataset.said) {
    news.dataset.said = "yes";
    announce(news.innerText);
  }
});

// Whoever sent a form goes on at its first mistake; whoever is still typing, as in a preview, is left alone.
// A refusal of the whole, which has a heading of its own, comes before them.
function toMistake(place) {
  if (!place?.querySelector("h2[autofocus]")) place?.querySelector('[aria-invalid="true"]')?.focus();
}

// A refused form is told in the title too, as of a page that was loaded; until its place shows something else.
const titled = document.title;

function tellRefusal() {
  const word = `${document.documentElement.dataset.error} `;
  document.title = $("[data-refused]") && !titled.startsWith(word) ? word + titled : titled;
}

// A page made for the whole window (sign-in, no access, not found) must not land inside a fragment.
const FOREIGN = new Set([401, 403, 404, 405, 429]);

document.addEventListener("htmx:before:response", (event) => {
  if (FOREIGN.has(event.detail.ctx.response.status)) {
    event.preventDefault();
    showFailure(event.detail.ctx);
  }
});
document.addEventListener("htmx:response:error", (event) => {
  if (event.detail.ctx.response.status >= 500) showFailure(event.detail.ctx);
});
document.addEventListener("htmx:error", (event) => {
  if (event.detail.ctx?.request) showFailure(event.detail.ctx);
});

// The server wrote the sentences; here one is shown where people look: in the open dialog, else above the page.
function showFailure({ sourceElement, response }) {
  if (isPoll(sourceElement)) return;
  const kind = !response ? "offline" : response.status >= 500 ? "failed" : response.status === 403 ? "refused" : "gone";
  const banner = $(`#failure-${kind}`).content.firstElementChild.cloneNode(true);
  const place = $("#layer dialog[open] .dialog-body") ?? $("#messages");
  place.querySelector("[data-failure]")?.remove();
  place.prepend(banner);
  $("[data-retry]", banner)?.addEventListener("click", () => {
    banner.remove();
    sourceElement.matches("form") ? sourceElement.requestSubmit() : sourceElement.click();
  });
}

// --- Announcements and toasts --------------------------------------------------------------------

function announce(sentence) {
  const region = $("#live");
  if (region) region.textContent = sentence;
}

function toast(sentence) {
  const region = $("#toasts");
  const note = document.createElement("p");
  note.textContent = sentence;
  note.tabIndex = 0;
  if (region.matches(":popover-open")) region.hidePopover(); // opening again lifts it over a dialog opened since
  region.showPopover();
  region.append(note);
  announce(sentence);
  let timer;
  const leave = () => { note.remove(); if (!region.children.length) region.hidePopover(); };
  const wait = () => { clearTimeout(timer); timer = setTimeout(leave, 5000); };
  const stay = () => clearTimeout(timer);
  for (const name of ["pointerenter", "focus"]) note.addEventListener(name, stay);
  for (const name of ["pointerleave", "blur"]) note.addEventListener(name, wait);
  wait();
}

document.addEventListener("toast", (event) => toast(event.detail.message ?? event.detail.value));
document.addEventListener("announce", (event) => announce(event.detail.message ?? event.detail.value));

// --- Clicks ----------------------------------------------------------------------------------------

const actions = {
  dismiss: (button) => { button.closest(".banner").remove(); $("main").focus({ preventScroll: true }); },
  // On a page of its own the same link leads back; in a layer it only closes it.
  close: (button, event) => {
    const dialog = button.closest("dialog:modal");
    if (dialog) { event.preventDefault(); dialog.close(); }
  },
  print: () => window.print(),
  theme: (button) => setTheme(button.dataset.theme),
  async copy(button) {
    const source = document.getElementById(button.dataset.copy);
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    const word = $("span", button) ?? button;
    const before = word.textContent;
    word.textContent = button.dataset.done;
    announce(button.dataset.done);
    setTimeout(() => { word.textContent = before; }, 2000);
  },
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-action]");
  if (button) actions[button.dataset.action]?.(button, event);
  if (event.target.matches?.("dialog:modal")) closeFromOutside(event);
  if (!("commandForElement" in HTMLButtonElement.prototype)) commandFor(event.target.closest("[commandfor]"));
});

// A click beside a drawer closes it; a dialog may hold typed text and asks for X or Escape.
function closeFromOutside(event) {
  const box = event.target.getBoundingClientRect();
  const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
  if (!inside && event.target.matches(".drawer")) event.target.close();
}

// Browsers before 2025 do not know command="show-modal".
function commandFor(button) {
  const dialog = button && document.getElementById(button.getAttribute("commandfor"));
  if (button?.getAttribute("command") === "show-modal") dialog.showModal();
  if (button?.getAttribute("command") === "close") dialog.close();
}

// Mistakes are told by the server, beside their field. But a half-typed date or number would be sent as none at all.
document.addEventListener("submit", (event) => {
  if (event.target.method === "dialog" || event.submitter?.formNoValidate) return;
  const half = [...event.target.elements].find((control) => control.validity?.badInput);
  if (!half) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  half.reportValidity();
}, true);

// A plain form's button shows that it is working until the next page comes.
document.addEventListener("submit", (event) => {
  if (!event.defaultPrevented && event.submitter && event.target.method !== "dialog") event.submitter.setAttribute("aria-busy", "true");
});
window.addEventListener("pageshow", () => document.querySelectorAll("[aria-busy]").forEach((button) => button.removeAttribute("aria-busy")));

// --- Theme: a cookie, so the server sends the right one and nothing flashes ----------------------------

function setTheme(name) {
  const root = document.documentElement;
  name === "system" ? root.removeAttribute("data-theme") : root.setAttribute("data-theme", name);
  document.cookie = `theme=${name}; path=/; max-age=31536000; samesite=lax`;
  document.querySelectorAll("[data-action=theme]").forEach((button) => button.setAttribute("aria-pressed", button.dataset.theme === name));
}

// --- Keys -----------------------------------------------------------------------------------------

const isTyping = (element) => element.matches("input, textarea, select, [contenteditable]");

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target) && !$("dialog:modal")) {
    const field = $("[data-search-key]");
    if (field?.checkVisibility()) { event.preventDefault(); field.focus(); field.select(); }
  }
  if (event.key === "ArrowDown" || event.key === "ArrowUp") moveInMenu(event);
});

function moveInMenu(event) {
  const menu = $(".menu:popover-open");
  if (!menu || isTyping(event.target)) return;
  event.preventDefault();
  const entries = [...menu.querySelectorAll("a, button")];
  const step = event.key === "ArrowDown" ? 1 : -1;
  const at = entries.indexOf(document.activeElement);
  entries[at < 0 ? (step > 0 ? 0 : entries.length - 1) : (at + step + entries.length) % entries.length].focus();
}

// Where CSS cannot anchor a popover to its button yet, place it by hand.
if (!CSS.supports("position-area", "block-end")) {
  document.addEventListener("toggle", (event) => {
    const menu = event.target;
    if (event.newState !== "open" || !menu.matches?.(".menu")) return;
    const box = $(`[popovertarget="${menu.id}"]`).getBoundingClientRect();
    const below = box.bottom + menu.offsetHeight + 8 < innerHeight;
    menu.style.top = `${below ? box.bottom : Math.max(8, box.top - menu.offsetHeight - 8)}px`;
    menu.style.left = `${Math.max(8, Math.min(box.left, innerWidth - menu.offsetWidth - 8))}px`;
  }, true);
}

openLayer();
if (document.activeElement === document.body) toMistake(document);
