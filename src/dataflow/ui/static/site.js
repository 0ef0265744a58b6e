// What every page does beyond what HTML does by itself. No page needs it to be read.
"use strict";

// A field that filters by itself: its form is sent when a choice is made.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-sent-at-once]");
  if (form) form.requestSubmit();
});
