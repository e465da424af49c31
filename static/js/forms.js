// Parts of a form that are drawn anew while somebody writes in them.
// The answer shows what was sent. What was typed since is not in it, so the question is put again, and only an answer
// to what stands in the form is shown. Loaded before app.js, which leaves alone what is not asked. Polls stand in no form.

// A mere number in a form, how many contacts match say, keeps nobody from sending it.
const redraws = ({ sourceElement, target, request }) =>
  target && sourceElement !== request.form && request.form?.contains(target) && target.querySelector("input, select, textarea, button");
const controls = (part) => [...part.querySelectorAll("input, select, textarea")];
const written = (part) => JSON.stringify(controls(part).map(({ name, type, checked, value }) => [name, type, checked, value]));
const rows = (body) => [...body.keys()].filter((name) => name.endsWith("-kind")).join();

document.addEventListener("htmx:before:request", (event) => {
  const { ctx } = event.detail;
  if (!redraws(ctx)) return;
  if (!askAsItStands(ctx)) return event.preventDefault();
  asked.set(ctx, ctx.request.form);
});

// A question may have waited for the answer before it: it tells what the form holds by now.
function askAsItStands(ctx) {
  const { request, sourceElement, vals } = ctx;
  const body = new FormData(request.form);
  // What is to be removed was among the rows of then; if there are others now, it would hit the wrong one.
  if (sourceElement.value?.startsWith?.("remove:") && rows(body) !== rows(request.body)) return false;
  if (sourceElement.type === "submit") body.set(sourceElement.name, request.body.get(sourceElement.name));
  for (const name in vals) body.set(name, vals[name]);
  request.body = new URLSearchParams(body);
  ctx.written = written(ctx.target);
  return true;
}

document.addEventListener("htmx:before:swap", (event) => {
  const { written: sent, target, sourceElement, sourceEvent } = event.detail.ctx;
  if (sent === undefined || sent === written(target)) return;
  event.preventDefault();
  sourceElement.dispatchEvent(new CustomEvent(sourceEvent.type));
});

// A morph keeps what was typed or chosen in an element; but the element may stand for another row now.
document.addEventListener("htmx:after:swap", (event) => {
  const { written: sent, target } = event.detail.ctx;
  if (sent !== undefined) controls(target).forEach(showAnswer);
});

function showAnswer(control) {
  if (control.options) {
    const chosen = [...control.options].find((option) => option.defaultSelected) ?? control.options[0];
    if (chosen && !chosen.selected) chosen.selected = true;
  } else if (control.type === "checkbox" || control.type === "radio") control.checked = control.defaultChecked;
  else if (control.value !== control.defaultValue) control.value = control.defaultValue;
}

// Who sends the form meanwhile means it with what was added, removed or chosen before. Only what really left counts:
// of a question that htmx drops, no end is ever heard; one that waits in line follows at once on the one before it.
const asked = new Map();
const held = new Map();
document.addEventListener("submit", (event) => {
  if (![...asked.values()].includes(event.target)) return;
  event.preventDefault();
  event.stopPropagation();
  event.submitter?.setAttribute("aria-busy", "true");
  held.set(event.target, event.submitter);
}, true);
// Finally is not heard of a button that its own answer took away, after the swap not where nothing was shown.
for (const name of ["htmx:after:swap", "htmx:finally:request"]) document.addEventListener(name, ({ detail: { ctx } }) => {
  const form = asked.get(ctx);
  if (asked.delete(ctx)) setTimeout(() => sendHeld(form));
});

function sendHeld(form) {
  if (!held.has(form) || [...asked.values()].includes(form)) return;
  const button = held.get(form);
  held.delete(form);
  button?.removeAttribute("aria-busy");
  if (form.isConnected) form.requestSubmit(button?.form === form ? button : null);
}
