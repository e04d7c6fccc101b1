#include "report/dashboard_assets.hpp"

namespace dagz::report {

// clang-format off
const std::string_view kDashboardStyle = R"css(
:root {
  color-scheme: light dark;
  --page: #fbfbfa; --card: #ffffff; --ink: #1c2024; --soft: #5f6670; --line: #e3e5e8; --hover: #f3f5f8;
  --link: #0b5cad; --code: #f4f5f7;
  --ok: #1a7f4b; --ok-wash: #e3f5ea; --bad: #c22f2f; --bad-wash: #fdeaea;
  --retry: #8a6100; --retry-wash: #fdf3d3; --retry-bar: #e2b01e;
  --left: #1d5fbf; --left-wash: #e6effc; --flaky: #7a3fb0; --flaky-wash: #f2e9fb;
  --skip: #59616b; --skip-wash: #eceef1; --skip-bar: #b9bfc7;
  --ok-bar: #2c9a60; --bad-bar: #cf3d3d; --left-bar: #3f7fdc; --flaky-bar: #9a63cf;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #15181c; --card: #1b1f24; --ink: #e4e7eb; --soft: #9aa3ad; --line: #2d333a; --hover: #232930;
    --link: #7db7ff; --code: #12151a;
    --ok: #5fd493; --ok-wash: #17321f; --bad: #ff8b85; --bad-wash: #41191b;
    --retry: #f0c64b; --retry-wash: #3a2f0f; --retry-bar: #d8a920;
    --left: #85b6ff; --left-wash: #17294a; --flaky: #cfa3f5; --flaky-wash: #33204a;
    --skip: #a5aeb8; --skip-wash: #2a3037; --skip-bar: #565f69;
    --ok-bar: #2f9e63; --bad-bar: #d4554f;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 14px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
main, .top { max-width: 1280px; margin: 0 auto; padding: 0 24px; }
main { padding-bottom: 64px; }
.panel-open main { padding-bottom: 60vh; }
.top { display: flex; align-items: baseline; gap: 24px; padding-top: 14px; padding-bottom: 10px; }
.brand { font-weight: 700; font-size: 17px; letter-spacing: -0.02em; color: var(--ink); }
.brand::before { content: ""; display: inline-block; width: 10px; height: 10px; margin-right: 7px;
  border-radius: 3px; background: linear-gradient(90deg, var(--ok) 50%, var(--left) 50%); }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 3px; }
.to-content { position: absolute; left: -999px; }
.to-content:focus { left: 12px; top: 8px; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
h1 { font-size: 22px; line-height: 1.25; margin: 8px 0 6px; letter-spacing: -0.01em; }
h2 { font-size: 16px; line-height: 1.4; margin: 8px 0; }
h3 { font-size: 14px; margin: 20px 0 4px; }
h1 .badge { vertical-align: 3px; }
p { margin: 6px 0; }
small { color: var(--bad); font-size: 12px; font-weight: 400; }
.lead, .crumbs, .span { color: var(--soft); }
.crumbs { margin: 4px 0 0; font-size: 13px; }
.problem { border: 1px solid var(--retry-bar); background: var(--retry-wash); color: var(--ink);
  border-radius: 6px; padding: 8px 12px; }
.notes { margin: 10px 0; padding-left: 20px; color: var(--soft); }

table { width: 100%; border-collapse: separate; border-spacing: 0; margin: 12px 0; background: var(--card);
  border: 1px solid var(--line); border-radius: 8px; }
th, td { padding: 7px 12px; text-align: left; vertical-align: top; border-top: 1px solid var(--line); font-weight: 400; }
thead th { border-top: 0; color: var(--soft); font-size: 12px; white-space: nowrap; }
tbody th { font-weight: 600; white-space: nowrap; }
tbody tr:hover > * { background: var(--hover); }
tbody tr:last-child > :first-child { border-bottom-left-radius: 7px; }
tbody tr:last-child > :last-child { border-bottom-right-radius: 7px; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.when, .where { white-space: nowrap; color: var(--soft); font-variant-numeric: tabular-nums; }
.jobs .results { min-width: 260px; }
tr.running > :first-child { box-shadow: inset 4px 0 var(--left-bar); }
.test { overflow-wrap: anywhere; }
td.test, h2 .test, summary .test { font-family: ui-monospace, "SF Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 13px; }
.message { color: var(--soft); overflow-wrap: anywhere; font-size: 13px; }
td .message { font-family: system-ui, sans-serif; margin-top: 1px; }
.tests td.test { width: 99%; }
tr.shown > * { background: var(--hover); }

.badge, .chip { display: inline-block; border-radius: 4px; padding: 0 7px; font-size: 12px; line-height: 20px;
  white-space: nowrap; letter-spacing: 0; }
.badge { font-weight: 600; }
.chips { display: inline-flex; flex-wrap: wrap; gap: 4px; }
.chip b { font-variant-numeric: tabular-nums; }
.ok { color: var(--ok); background: var(--ok-wash); fill: var(--ok-bar); }
.bad { color: var(--bad); background: var(--bad-wash); fill: var(--bad-bar); }
.retry { color: var(--retry); background: var(--retry-wash); fill: var(--retry-bar); }
.left { color: var(--left); background: var(--left-wash); fill: var(--left-bar); }
.flaky { color: var(--flaky); background: var(--flaky-wash); fill: var(--flaky-bar); }
.none, .skip { color: var(--skip); background: var(--skip-wash); }
rect.skip, rect.none { fill: var(--skip-bar); }
.bar { display: block; width: 100%; height: 5px; border-radius: 3px; margin-top: 5px; }
.head .bar { height: 8px; border-radius: 4px; margin: 12px 0 8px; }
.trend { display: block; margin: 8px 0; max-width: 100%; }

.tiles { display: flex; flex-wrap: wrap; gap: 6px 32px; margin: 14px 0 8px; }
.tiles dt { color: var(--soft); font-size: 12px; }
.tiles dd { margin: 0; font-size: 17px; font-weight: 600; font-variant-numeric: tabular-nums; }

.tabs { display: flex; gap: 2px; margin: 18px 0 0; border-bottom: 1px solid var(--line); flex-wrap: wrap; }
.tabs a { padding: 7px 12px; color: var(--soft); white-space: nowrap; border-bottom: 2px solid transparent; margin-bottom: -1px; }
.tabs a:hover { color: var(--ink); text-decoration: none; }
.tabs a[aria-current] { color: var(--ink); font-weight: 600; border-bottom-color: var(--link); }
.tabs b { font-weight: 400; font-size: 12px; color: var(--soft); font-variant-numeric: tabular-nums; margin-left: 3px; }

.button, button { display: inline-block; border: 1px solid var(--line); border-radius: 6px; background: var(--card);
  color: var(--ink); padding: 3px 10px; font: inherit; font-size: 13px; cursor: pointer; white-space: nowrap; }
.button:hover, button:hover { background: var(--hover); text-decoration: none; }
td .button { padding: 0 7px; }
.filter { display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: end; margin: 14px 0 4px; }
.filter label { color: var(--soft); font-size: 13px; }
.filter input, .filter select { font: inherit; color: var(--ink); background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; padding: 3px 8px; margin-left: 6px; }
.filter input { width: min(44ch, 60vw); }
.pager { display: flex; gap: 14px; align-items: center; justify-content: center; color: var(--soft); }
.actions { display: flex; gap: 14px; align-items: center; flex-wrap: wrap; }

code, pre { font-family: ui-monospace, "SF Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 12.5px; }
code { background: var(--code); border-radius: 4px; padding: 1px 5px; overflow-wrap: anywhere; }
pre { background: var(--code); border: 1px solid var(--line); border-radius: 6px; padding: 10px 12px; margin: 8px 0;
  overflow: auto; max-height: 70vh; line-height: 1.45; tab-size: 8; }
details { margin: 8px 0; }
summary { cursor: pointer; overflow-wrap: anywhere; }
.collection { border: 1px solid var(--line); border-radius: 8px; background: var(--card); padding: 8px 12px; }

#panel { position: fixed; left: 0; right: 0; bottom: 0; height: 55vh; overflow: auto; background: var(--page);
  border-top: 1px solid var(--line); box-shadow: 0 -6px 24px rgb(0 0 0 / 14%); padding: 8px max(24px, calc(50vw - 616px)) 24px; }
#panel .close { position: sticky; top: 0; float: right; }
#panel pre { max-height: none; }

@media (max-width: 760px) {
  main, .top { padding-left: 14px; padding-right: 14px; }
  #panel { padding-left: 14px; padding-right: 14px; height: 65vh; }
  table, tbody, tr, td, tbody th { display: block; }
  thead { display: none; }
  tbody tr { padding: 8px 12px; border-top: 1px solid var(--line); }
  tbody tr:first-child { border-top: 0; }
  tbody tr > td, tbody tr > th { border: 0; padding: 1px 0; text-align: left; display: inline-block; margin-right: 10px; }
  tbody tr > td:empty { display: none; }
  td[data-label]::before { content: attr(data-label) " "; color: var(--soft); }
  tbody tr > td.test, tbody tr > td.results { display: block; margin-right: 0; }
  .tiles { gap: 6px 22px; }
}
@media print { .tabs, .filter, .button, #panel { display: none; } }
)css";

const std::string_view kDashboardScript = R"js("use strict";
// Everything works without this: it shows tests beside their list, and keeps pages up to date.
(() => {
  const fetchPage = async (url) => {
    const answer = await fetch(url, { credentials: "omit" });
    if (!answer.ok) throw new Error(answer.status);
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  };

  let panel = null;
  let opener = null;
  const mark = () => {
    for (const row of document.querySelectorAll("tr.shown")) row.classList.remove("shown");
    if (!panel || !opener) return;
    for (const link of document.querySelectorAll("main a[data-panel]")) {
      if (link.getAttribute("href") === opener) link.closest("tr")?.classList.add("shown");
    }
  };
  const closePanel = () => {
    if (!panel) return;
    panel.remove();
    panel = null;
    document.body.classList.remove("panel-open");
    const links = [...document.querySelectorAll("main a[data-panel]")];
    links.find((link) => link.getAttribute("href") === opener)?.focus();
    mark();
  };
  const openPanel = (article, link) => {
    if (!panel) {
      panel = document.createElement("aside");
      panel.id = "panel";
      panel.tabIndex = -1;
      panel.setAttribute("aria-label", "Test");
      document.body.append(panel);
      document.body.classList.add("panel-open");
    }
    const close = document.createElement("button");
    close.className = "close";
    close.textContent = "Close (Esc)";
    close.addEventListener("click", closePanel);
    panel.replaceChildren(close, article);
    panel.scrollTop = 0;
    panel.focus();
    if (!panel.contains(link)) opener = link.getAttribute("href");
    mark();
  };
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-panel]");
    if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    try {
      const article = (await fetchPage(link.href)).querySelector("#test");
      openPanel(document.adoptNode(article), link);
    } catch {
      location.href = link.href;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closePanel();
    const typing = event.target.closest?.("input, select, textarea");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      const field = document.querySelector(".filter input[type=search]");
      if (field) { event.preventDefault(); field.focus(); }
    }
  });

  // The parts marked with data-refresh are replaced where they differ; the focus stays where it was.
  const refresh = async () => {
    let seconds = Number(document.body.dataset.refreshS);
    try {
      if (!document.hidden) {
        const fresh = await fetchPage(location.href);
        for (const part of document.querySelectorAll("[data-refresh]")) {
          const other = fresh.getElementById(part.id);
          if (!other || other.innerHTML === part.innerHTML) continue;
          const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
          part.replaceChildren(...document.adoptNode(other).childNodes);
          if (focused) [...part.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused)?.focus();
        }
        mark();
        if (!fresh.body.dataset.refreshS) return;
        seconds = Number(fresh.body.dataset.refreshS);
      }
    } catch { seconds = Math.max(seconds, 10); }
    setTimeout(refresh, seconds * 1000);
  };
  if (document.body.dataset.refreshS) setTimeout(refresh, Number(document.body.dataset.refreshS) * 1000);
})();
)js";

const std::string_view kDashboardIcon =
    R"svg(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#1a7f4b"/><path d="M16 0h8a8 8 0 0 1 8 8v16a8 8 0 0 1-8 8h-8z" fill="#1d5fbf"/></svg>)svg";
// clang-format on

}  // namespace dagz::report
