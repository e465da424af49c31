// Ordered lists: drag by the handle, or press the arrow keys on it. Both only send the form that works without script.
const motion = matchMedia("(prefers-reduced-motion: reduce)");

function arm(list) {
  const form = list.closest("form");
  globalThis.Sortable.create(list, {
    handle: "[data-handle]",
    draggable: "[data-key]",
    animation: motion.matches ? 0 : 120,
    forceFallback: true, // the browser's own dragging does not begin on a button everywhere
    ghostClass: "is-place",
    fallbackClass: "is-dragged",
    onEnd({ item, oldIndex, newIndex }) {
      if (oldIndex === newIndex) return;
      form.elements.moved.value = item.dataset.key;
      form.requestSubmit();
    },
  });
  list.dataset.armed = "yes";
}

const armAll = () => document.querySelectorAll("[data-ordering]:not([data-armed])").forEach(arm);

document.addEventListener("keydown", (event) => {
  const name = { ArrowUp: "up", ArrowDown: "down" }[event.key];
  const item = name && event.target.closest?.("[data-handle]")?.closest("[data-key]");
  if (!item) return;
  event.preventDefault();
  item.querySelector(`[name="${name}"]`).click();
});

document.addEventListener("htmx:after:swap", armAll);
armAll();
