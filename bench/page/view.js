"use strict";
// Zoom, pan and wipe: the view of the pictures, not their content.

/** Lets all layers inside `panels` zoom and move together, by one CSS variable.  Returns the function to reset them. */
function shareView(panels, buttons) {
  const most = 16;
  // Position in widths and heights of a frame, so that frames of different sizes show the same detail.
  const view = { scale: 1, x: 0, y: 0 };
  const fingers = new Map();
  let scrolled = -1000; // when the wheel last moved the page; scrolling that began outside goes on over the pictures

  function apply() {
    view.scale = Math.min(Math.max(view.scale, 1), most);
    view.x = Math.min(Math.max(view.x, 1 - view.scale), 0);
    view.y = Math.min(Math.max(view.y, 1 - view.scale), 0);
    const move = `translate(${100 * view.x}%, ${100 * view.y}%) scale(${view.scale})`;
    panels.style.setProperty("--view", move);
    panels.classList.toggle("zoomed", view.scale > 1);
    buttons.zoom.textContent = `${view.scale.toFixed(view.scale < 10 ? 1 : 0).replace(".0", "")}×`;
    buttons.out.disabled = view.scale <= 1;
    buttons.in.disabled = view.scale >= most;
  }

  /** Zoom so that the point (x, y) of the frame stays where it is. */
  function zoom(factor, x = 0.5, y = 0.5) {
    const scale = Math.min(Math.max(view.scale * factor, 1), most);
    view.x = x - ((x - view.x) * scale) / view.scale;
    view.y = y - ((y - view.y) * scale) / view.scale;
    view.scale = scale;
    apply();
  }

  function move(x, y) {
    view.x += x;
    view.y += y;
    apply();
  }

  function reset() {
    Object.assign(view, { scale: 1, x: 0, y: 0 });
    apply();
  }

  /** The place of an event in its frame, from 0 to 1. */
  function place(frame, event) {
    const box = frame.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  }

  addEventListener("wheel", (event) => {
    if (!event.defaultPrevented) scrolled = performance.now();
  }, { passive: true });
  for (const frame of panels.querySelectorAll(".frame")) {
    frame.addEventListener("wheel", (event) => {
      const scrolling = performance.now() - scrolled < 250 && !event.ctrlKey && view.scale === 1;
      // If the view is zoomed out already, the wheel scrolls the page.
      if (scrolling || (event.deltaY > 0 && view.scale === 1 && !event.ctrlKey)) return;
      event.preventDefault();
      const at = place(frame, event);
      const lines = event.deltaMode === 1 ? 33 : 1;
      zoom(Math.exp(-Math.min(Math.max(event.deltaY * lines, -300), 300) / (event.ctrlKey ? 100 : 400)), at.x, at.y);
    }, { passive: false });
    frame.addEventListener("dblclick", reset);
    frame.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.target.closest("#divider")) return;
      fingers.set(event.pointerId, place(frame, event));
      if (view.scale > 1 || fingers.size > 1) frame.setPointerCapture(event.pointerId);
    });
    frame.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (!before) return;
      const now = place(frame, event);
      const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
      if (other) {
        const apart = (one) => Math.hypot(one.x - other.x, one.y - other.y) || 1e-3;
        zoom(apart(now) / apart(before), (now.x + other.x) / 2, (now.y + other.y) / 2);
      }
      if (view.scale > 1) move((now.x - before.x) / (other ? 2 : 1), (now.y - before.y) / (other ? 2 : 1));
      fingers.set(event.pointerId, now);
    });
    for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
      frame.addEventListener(end, (event) => fingers.delete(event.pointerId));
    }
  }
  const keys = {
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), "0": reset,
    ArrowLeft: () => move(0.1, 0), ArrowRight: () => move(-0.1, 0),
    ArrowUp: () => move(0, 0.1), ArrowDown: () => move(0, -0.1),
  };
  panels.addEventListener("keydown", (event) => {
    const arrow = event.key.startsWith("Arrow");
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    if (!keys[event.key] || (arrow && (view.scale === 1 || event.target.id === "divider"))) return;
    event.preventDefault();
    keys[event.key]();
  });
  buttons.in.addEventListener("click", () => zoom(1.5));
  buttons.out.addEventListener("click", () => zoom(1 / 1.5));
  buttons.reset.addEventListener("click", reset);
  apply();
  return reset;
}

/** Lets pointer and keys move a divider across its frame; the curtain shows to the right of it. */
function wipe(divider) {
  const frame = divider.parentElement;
  let at = 50;

  function set(percent) {
    at = Math.min(Math.max(percent, 0), 100);
    frame.style.setProperty("--wipe", `${at}%`);
    divider.setAttribute("aria-valuenow", String(Math.round(at)));
    divider.setAttribute("aria-valuetext", `left picture on ${Math.round(at)} % of the width`);
  }

  divider.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    divider.focus();
    divider.setPointerCapture(event.pointerId);
  });
  divider.addEventListener("pointermove", (event) => {
    if (!divider.hasPointerCapture(event.pointerId)) return;
    const box = frame.getBoundingClientRect();
    set((100 * (event.clientX - box.left)) / box.width);
  });
  const steps = { ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2, PageDown: -10, PageUp: 10, Home: -100, End: 100 };
  divider.addEventListener("keydown", (event) => {
    if (!(event.key in steps)) return;
    event.preventDefault();
    set(at + steps[event.key]);
  });
  set(50);
}
