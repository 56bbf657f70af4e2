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

const symbols = { ArrowLeft: "←", ArrowRight: "→" };

function help() {
  let dialog = document.getElementById("keys");
  if (!dialog) {
    dialog = document.createElement("dialog");
    dialog.id = "keys";
    dialog.setAttribute("aria-labelledby", "keys-title");
    const title = document.createElement("h2");
    title.id = "keys-title";
    title.textContent = "Keys";
    const list = document.createElement("dl");
    const entries = [...document.querySelectorAll("[data-key]")].map((e) => [e.dataset.key, e.dataset.help]);
    for (const [key, text] of [...entries, ["/", "Find a host"], ["?", "This list"], ["Esc", "Close"]]) {
      const dt = list.appendChild(document.createElement("dt"));
      dt.appendChild(document.createElement("kbd")).textContent = symbols[key] || key;
      list.appendChild(document.createElement("dd")).textContent = text;
    }
    const form = document.createElement("form");
    form.method = "dialog";
    form.appendChild(document.createElement("button")).textContent = "Close";
    dialog.append(title, list, form);
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
  else if (e.key === "?") help();
  else if (!follow(e.key)) return;
  e.preventDefault();
});

// A click beside the period menu closes it.
document.addEventListener("click", (e) => {
  const menu = document.querySelector("details.menu[open]");
  if (menu && !menu.contains(e.target)) menu.open = false;
});

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
for (const button of document.querySelectorAll("footer [data-help]")) {
  button.hidden = false;
  button.addEventListener("click", help);
}
if (location.hash === "#find") find();
