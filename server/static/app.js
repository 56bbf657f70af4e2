// Everything here is a nicety: the pages work without it. The keys are those
// the page's own links carry in data-key, so that there is one list of them.
"use strict";

const typing = (el) => el.closest("input, select, textarea, [contenteditable]") !== null;

// follow goes where the element with a key leads; a disabled one leads nowhere.
function follow(key) {
  const el = [...document.querySelectorAll("[data-key]")].find((e) => e.dataset.key.toLowerCase() === key.toLowerCase());
  if (el) el.click();
  return Boolean(el);
}

function find() {
  const box = document.querySelector("[data-find]");
  if (box) {
    box.focus();
    box.select();
  } else {
    const hosts = document.querySelector('.pages a[href^="/hosts"]');
    if (hosts) location.href = hosts.href + "#find";
  }
}

// The list of keys is in the foot of every page; here it opens as a dialog.
const keys = document.getElementById("keys");
const dialog = document.createElement("dialog");
dialog.setAttribute("aria-label", "Keys");
dialog.innerHTML = '<form method="dialog"><button>Close</button></form>';

function help() {
  if (!dialog.isConnected) {
    dialog.prepend(keys.querySelector("dl").cloneNode(true));
    document.body.append(dialog);
  }
  dialog.showModal();
}

document.addEventListener("keydown", (e) => {
  const menu = document.querySelector("details.menu[open]");
  if (e.key === "Escape" && menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
    return;
  }
  if (e.ctrlKey || e.metaKey || e.altKey || typing(e.target) || document.querySelector("dialog[open]")) return;
  if (e.key === "/") find();
  else if (e.key === "?" && keys) help();
  else if (!follow(e.key)) return;
  e.preventDefault();
});

// A click beside a menu closes it.
document.addEventListener("click", (e) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(e.target)) menu.open = false;
  }
});

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
keys?.querySelector("summary").addEventListener("click", (e) => {
  e.preventDefault();
  help();
});
if (location.hash === "#find") find();
