// Puts a personalization tag where the cursor was, and finds tags by words. Without it the tags can be copied.
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

let field = null;
document.addEventListener("focusin", (event) => {
  if (event.target.matches("[data-tags]")) field = event.target;
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-insert]");
  if (!button) return;
  const target = field?.isConnected ? field : document.querySelector("textarea[data-tags]");
  target.setRangeText(button.dataset.insert, target.selectionStart, target.selectionEnd, "end");
  target.dispatchEvent(new Event("input", { bubbles: true }));
  target.focus();
});

document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-tag-search]")) return;
  const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const group of $$("[data-tag-group]")) {
    const entries = $$("[data-tag-words]", group);
    for (const entry of entries) entry.hidden = !words.every((word) => entry.dataset.tagWords.includes(word));
    group.hidden = entries.every((entry) => entry.hidden);
    if (words.length) group.open = true;
  }
});

// Whoever enters a time means it.
document.addEventListener("input", (event) => {
  if (event.target.matches("#send-form [name=at]") && event.target.value) event.target.form.elements.when.value = "later";
});

// The button's answer arrives in the frame, so this page never loads anew and the button would stay busy.
for (const frame of $$("iframe[name]")) {
  frame.addEventListener("load", () => {
    for (const button of $$(`[formtarget="${frame.name}"]`)) button.removeAttribute("aria-busy");
  });
}
