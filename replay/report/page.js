"use strict";
const report = JSON.parse(document.getElementById("report").textContent);
const $ = (id) => document.getElementById(id);
const requests = report.requests || [];
const LAYERS = ["request_line", "header_set", "header_order", "header_case", "encoding", "member_presence", "member_order", "value", "equality", "frame_sequence"];
const MARKS = { same: "✓", differs: "✗", added: "+", missing: "−", unknown: "?" };
const side = (r) => r.against || "golden";
const state = { layer: "", text: "", only: requests.some((r) => r.verdict !== "same"), lines: false, at: -1, shut: new Map(), focus: -1 };

/* --- building blocks; text is always set as text, never as markup --- */
function el(tag, props = {}, ...kids) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== null) node.setAttribute(key, value);
  }
  node.append(...kids.flat(Infinity).filter((kid) => kid !== null && kid !== undefined && kid !== ""));
  return node;
}
const words = (text) => text.replaceAll("_", " ");
const counting = (r) => (r.differences || []).filter((d) => !d.excused);
const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
function badge(verdict) { return el("span", { class: `badge ${verdict}` }, verdict); }

/* --- what is chosen --- */
function fits(r) {
  if (state.only && r.verdict === "same") return false;
  if (state.layer && !counting(r).some((d) => d.layer === state.layer)) return false;
  if (!state.text) return true;
  if (r.haystack === undefined) r.haystack = haystack(r);
  return state.text.split(/\s+/).every((word) => r.haystack.includes(word));
}
function haystack(r) {
  const parts = [r.trace, r.number, r.title, r.kind, r.verdict];
  for (const d of r.differences || []) parts.push(d.layer, words(d.layer), d.path, d.kind, d.golden, d.candidate, d.rule);
  for (const row of r.rows || []) parts.push(row.path, row.golden, row.candidate);
  return parts.join("\n").toLowerCase();
}
const chosen = () => requests.map((r, i) => [r, i]).filter(([r]) => fits(r));

/* --- the bar at the top --- */
function drawTop() {
  $("kind").textContent = report.kind;
  $("verdict").replaceChildren(badge(report.verdict || "same"));
  const by = (report.summary || {}).by_layer || {};
  $("layers").replaceChildren(...LAYERS.filter((layer) => by[layer]).map((layer) =>
    el("button", { "aria-pressed": String(state.layer === layer), title: `Only ${words(layer)} (${LAYERS.indexOf(layer) + 1 === 10 ? 0 : LAYERS.indexOf(layer) + 1})`, onclick: () => pickLayer(layer) }, words(layer), el("i", {}, String(by[layer])))));
  $("only").setAttribute("aria-pressed", String(state.only));
}
function pickLayer(layer) { state.layer = state.layer === layer ? "" : layer; drawTop(); drawList(); drawDetail(); }

/* --- the list --- */
function drawList() {
  const found = chosen();
  const nodes = [];
  let trace = null, head = null, count = 0;
  const close = () => { if (head) head.append(el("span", {}, `  ${count}`)); };
  for (const [r, i] of found) {
    if (r.trace !== trace) { close(); trace = r.trace; count = 0; head = el("h3", {}, trace); nodes.push(head); }
    count += 1;
    const wrong = counting(r).length;
    nodes.push(el("button", { class: "item", "data-at": i, "aria-current": String(i === state.at), onclick: () => open(i) },
      el("span", { class: `mark badge-${r.verdict}`, style: `color:var(--${r.verdict === "same" ? "good" : r.verdict === "differs" ? "bad" : "warn"})` }, MARKS[r.verdict] || "!"),
      el("span", { class: "what", title: r.title }, el("b", {}, short(r)), el("small", {}, [r.number, r.kind, r.transport === "websocket" ? "WebSocket" : ""].filter(Boolean).join(" · "))),
      el("span", { class: "count" }, wrong ? String(wrong) : "")));
  }
  close();
  if (!found.length) nodes.push(el("p", { class: "none" }, requests.length ? "No request is like that." : "There are no requests."));
  if (report.mutations) nodes.push(el("h3", {}, "The checker, checked"), el("button", { class: "item", onclick: () => open(-2), "aria-current": String(state.at === -2) }, el("span", { class: "mark" }, "⚗"), el("span", { class: "what" }, el("b", {}, "Mutations")), el("span", { class: "count" }, String((report.mutations.survived || []).length || ""))));
  $("list").replaceChildren(...nodes);
}
/* The end of a path tells requests apart; its beginning is the same for most. */
function short(r) {
  return r.title.replace(/ on \/.*/, "").replace(/(\/[^/ ]+)+(?=\/[^/ ]+\/[^/ ]+)/, (all) => (all.length > 6 ? "…" : all));
}
function open(at) {
  state.at = at; state.focus = -1;
  for (const node of $("list").querySelectorAll(".item")) node.setAttribute("aria-current", String(Number(node.dataset.at ?? -2) === at));
  const current = $("list").querySelector('[aria-current="true"]');
  if (current) current.scrollIntoView({ block: "nearest" });
  history.replaceState(null, "", at >= 0 ? `#r${at}` : at === -2 ? "#mutations" : "#");
  drawDetail();
  $("detail").scrollTop = 0;
}

/* --- one request --- */
function drawDetail() {
  const r = requests[state.at];
  $("detail").replaceChildren(...(state.at === -2 ? mutations() : r ? request(r) : overview()));
}
function request(r) {
  const wrong = counting(r).length, excused = (r.differences || []).length - wrong;
  const out = [
    el("h2", {}, r.title),
    el("p", { class: "sub" }, badge(r.verdict), el("span", {}, `request ${r.number} of ${r.trace}`), r.kind ? el("span", { class: "tag" }, r.kind) : "", el("span", { class: "tag" }, r.transport || "http"), wrong ? el("span", {}, plural(wrong, "difference")) : "", excused ? el("span", {}, `${excused} allowed`) : ""),
  ];
  if (r.nearest) out.push(nearest(r));
  if (!(r.rows || []).length && !wrong) return [...out, el("p", { class: "none" }, el("span", { class: "tick" }, "✓"), el("br"), "The same in every field. Its lines are left out of this large report.")];
  out.push(el("div", { class: "tools" }, el("button", { "aria-pressed": String(state.lines), onclick: () => { state.lines = !state.lines; drawDetail(); } }, "Differing lines only"), el("kbd", {}, "n"), el("kbd", {}, "p"), "jump between differences"));
  for (const [name, rows] of sections(r)) if (rows.length) out.push(section(r, name, rows));
  if (r.left_out && !state.lines) out.push(el("p", { class: "sub" }, `${plural(r.left_out, "more line")} inside lists are the same on both sides and left out.`));
  return out;
}
function nearest(r) {
  const like = r.nearest.likeness === undefined || r.nearest.likeness === null ? "" : `, ${Math.round(r.nearest.likeness * 100)} % alike`;
  return el("section", { class: "panel" }, el("h3", {}, side(r) === "profile" ? "Nearest in the profile" : "Nearest golden"), el("div", { class: "body" }, el("p", { style: "margin:0 0 8px" }, el("b", {}, r.nearest.title), like),
    el("table", { class: "rows" }, el("tbody", {}, (r.nearest.apart || []).map((a) => el("tr", { class: "hit" }, el("td", { class: "p" }, a.field), el("td", { class: "g" }, a.golden), el("td", { class: "c" }, a.candidate)))))));
}
function sections(r) {
  const out = new Map([["Request line", []], ["Headers", []], ["Body", []], ["Encoding", []], ["Sequence", []]]);
  for (const row of r.rows || []) {
    const p = row.path;
    if (p === "body:" && /^(object|array)$/.test(row.candidate ?? row.golden ?? "") && !(row.differences || []).length) continue;
    if (/^(request|message)( \d+)?$/.test(p)) out.get("Sequence").push(row);
    else if (p === "body" || /: /.test(p)) out.get("Encoding").push(row);
    else if (p.startsWith("header:")) out.get("Headers").push(row);
    else if (p.startsWith("body:")) out.get("Body").push(row);
    else out.get("Request line").push(row);
  }
  return out;
}
function section(r, name, rows) {
  const differing = rows.reduce((n, row) => n + (row.differences || []).filter((i) => visible(r.differences[i])).length, 0);
  const body = el("tbody");
  const holders = rows.map((row, i) => i + 1 < rows.length && inside(rows[i + 1].path, row.path));
  let shut = null;
  rows.forEach((row, i) => {
    const hits = (row.differences || []).map((k) => r.differences[k]).filter(visible);
    if (state.lines && !hits.length) return;
    if (!state.lines && shut && inside(row.path, shut)) { if (!hits.length) return; } else shut = null;
    const key = `${state.at} ${row.path}`;
    if (!state.lines && holders[i] && !shut && (state.shut.get(key) ?? closedAtFirst(r, rows, i))) shut = row.path;
    draw(body, r, row, hits, holders[i], shut === row.path, key);
  });
  if (!body.childNodes.length) return "";
  return el("section", { class: "panel" }, el("h3", {}, name, differing ? el("span", { class: "badge differs" }, String(differing)) : ""),
    el("table", { class: "rows" }, el("colgroup", {}, el("col", { class: "p" }), el("col"), el("col")),
      el("thead", {}, el("tr", {}, el("th", {}, "field"), el("th", {}, side(r)), el("th", {}, side(r) === "profile" ? "seen" : "candidate"))), body));
}
const visible = (d) => !state.layer || d.layer === state.layer;
const inside = (path, parent) => path.startsWith(parent) && path.length > parent.length && (parent.endsWith(":") || ".[".includes(path[parent.length]));
function closedAtFirst(r, rows, i) {
  const parent = rows[i].path;
  if (!/\[|:(input|tools|messages|include|events)/.test(parent)) return false;
  for (let k = i + 1; k < rows.length && inside(rows[k].path, parent); k++) if ((rows[k].differences || []).length) return false;
  return true;
}
function draw(body, r, row, hits, holder, shut, key) {
  const path = row.path;
  const top = path.startsWith("header:") || path.startsWith("body:") || path.startsWith("query:");
  const bare = top ? path.slice(path.indexOf(":") + 1) : path;
  const nested = path.startsWith("header:") ? bare.includes(".") : path.startsWith("body:");
  const depth = nested ? (bare.match(/[.[]/g) || []).length : 0;
  const tail = nested && depth ? bare.match(/(?:\.|)([^.[\]]+|\[[^\]]*\])$/) : null;
  const label = tail ? tail[0] : bare || "(all)";
  const real = hits.filter((d) => !d.excused);
  const kind = !hits.length ? "" : !real.length ? " allowed" : real.every((d) => d.kind === "moved") ? " moved" : " hit";
  const checked = side(r) === "profile";
  const [g, c] = kind === " hit" && !checked ? marked(row.golden, row.candidate) : [plain(row.golden, checked), plain(row.candidate, checked)];
  if (row.noise && row.golden !== row.candidate && !real.length) g.append(el("span", { class: "noise" }, `  ${row.noise}`));
  const line = el("tr", { class: (holder ? "fold" : "") + (shut ? " shut" : "") + kind },
    el("td", { class: "p", style: `padding-left:${16 + depth * 15}px`, title: path, onclick: holder ? () => { state.shut.set(key, !shut); drawDetail(); } : undefined }, label),
    el("td", { class: "g" }, g), el("td", { class: "c" }, c));
  body.append(line);
  if (hits.length) body.append(el("tr", { class: "why" }, el("td", { colspan: 3 }, hits.map(note))));
}
function plain(value, checked = false) {
  if (value === undefined || value === null) return el("span", { class: "nil" }, checked ? "—" : "nothing");
  if (value === "object" || value === "array") return el("span", { class: "cont" }, value === "object" ? "{ }" : "[ ]");
  return el("span", {}, value === "" ? "“”" : value);
}
function marked(golden, candidate) {
  if (typeof golden !== "string" || typeof candidate !== "string") return [plain(golden), plain(candidate)];
  let start = 0, end = 0;
  const least = Math.min(golden.length, candidate.length);
  while (start < least && golden[start] === candidate[start]) start++;
  while (end < least - start && golden[golden.length - 1 - end] === candidate[candidate.length - 1 - end]) end++;
  if (start + end < 3 && golden !== candidate) return [plain(golden), plain(candidate)];
  const cut = (text) => el("span", {}, text.slice(0, start), el("mark", {}, text.slice(start, text.length - end)), text.slice(text.length - end));
  return [cut(golden), cut(candidate)];
}
function note(d) {
  return el("div", { class: "note" },
    el("div", {}, el("span", { class: "tag" }, words(d.layer)), el("b", {}, d.kind), "  ", d.golden ? el("span", { class: "g" }, d.golden) : "", d.golden && d.candidate ? "  →  " : "", d.candidate ? el("span", { class: "c" }, d.candidate) : ""),
    d.rule ? el("div", {}, "rule  ", el("code", {}, d.rule)) : "",
    d.excused ? el("div", {}, "allowed by  ", el("code", {}, d.excused)) : d.cover ? el("div", {}, "covered by  ", el("button", { class: "copy", title: "Copy for --allow", onclick: (event) => copy(event.currentTarget, d.cover) }, d.cover)) : "");
}
function copy(button, text) {
  const done = () => { const old = button.textContent; button.textContent = "copied"; setTimeout(() => { button.textContent = old; }, 900); };
  if (navigator.clipboard) navigator.clipboard.writeText(text).then(done, () => getSelection().selectAllChildren(button));
  else getSelection().selectAllChildren(button);
}

/* --- the first page --- */
function overview() {
  const s = report.summary || {};
  const figure = (n, label, kind = "") => n || label === "requests" || label === "differences" ? el("div", { class: `figure ${n ? kind : kind === "bad" ? "good" : ""}` }, el("b", {}, (n || 0).toLocaleString("en")), el("span", {}, label)) : "";
  const total = s.requests || 0, part = (n) => `flex:${n || 0}`;
  const out = [
    el("h2", {}, report.verdict === "same" || !report.verdict ? "Everything is the same" : report.verdict === "unreadable" ? "A recording cannot be read" : `${plural(s.differences || 0, "difference")} in ${plural((s.differing || 0) + (s.added || 0) + (s.missing || 0) + (s.unknown || 0), "request")}`),
    el("p", { class: "sub" }, `${report.tool}${report.seconds && report.timed ? `, ${report.seconds.toFixed(2)} s of one core, ${Math.round(report.timed / report.seconds).toLocaleString("en")} requests/s` : ""}`),
    el("div", { class: "hero" }, figure(total, "requests"), figure(s.same, "the same", "good"), figure(s.differing, "differ", "bad"), figure(s.added, "too many", "warn"), figure(s.missing, "missing", "warn"), figure(s.unknown, "unknown", "warn"), figure(s.differences, "differences", "bad"), figure(s.excused, "allowed")),
  ];
  if (total) out.push(el("div", { class: "strip", role: "img", "aria-label": `${s.same || 0} of ${total} the same` }, el("i", { class: "s", style: part(s.same) }), el("i", { class: "d", style: part(s.differing) }), el("i", { class: "u", style: part((s.added || 0) + (s.missing || 0) + (s.unknown || 0)) })));
  for (const broken of report.unreadable || []) out.push(el("section", { class: "panel" }, el("h3", {}, "Unreadable"), el("div", { class: "body mono" }, broken.problem)));
  const by = Object.entries(s.by_layer || {});
  const most = Math.max(1, ...by.map(([, n]) => n));
  if (by.length) out.push(el("section", { class: "panel" }, el("h3", {}, "By layer"), el("div", { class: "body chart" }, by.map(([layer, n]) => [el("button", { onclick: () => pickLayer(layer) }, words(layer)), el("div", { class: "bar", style: `width:${100 * n / most}%` }), el("span", { class: "num" }, String(n))]))));
  const common = frequent();
  if (common.length) out.push(el("section", { class: "panel" }, el("h3", {}, "Most frequent"), el("div", { class: "body" }, el("table", { class: "plain" }, el("tbody", {}, common.map((c) => el("tr", {}, el("td", { class: "num" }, `${c.n} ×`), el("td", {}, el("button", { class: "copy", onclick: () => search(c.part) }, c.path)), el("td", {}, c.kind), el("td", { class: "mono" }, c.candidate))))))));
  if (!by.length && total) out.push(el("p", { class: "none" }, el("span", { class: "tick" }, "✓"), el("br"), `${plural(total, "request")} compared, field by field.`));
  out.push(el("section", { class: "panel" }, el("h3", {}, "What was compared"), el("div", { class: "body" }, el("dl", { class: "facts" },
    el("dt", {}, report.kind === "check" ? "profile" : "golden"), el("dd", {}, listed(report.golden)), el("dt", {}, "recordings"), el("dd", {}, listed(report.candidate)),
    report.noise_from ? [el("dt", {}, "noise from"), el("dd", {}, plural(report.noise_from, "golden recording"))] : "",
    report.mutations ? [el("dt", {}, "mutation score"), el("dd", {}, el("button", { class: "copy", onclick: () => open(-2) }, score(report.mutations)))] : "",
    (report.notes || []).map((text) => [el("dt", {}, "note"), el("dd", {}, text)])))));
  return out;
}
const listed = (names) => { const all = names || []; return all.slice(0, 6).join(", ") + (all.length > 6 ? ` and ${all.length - 6} more` : ""); };
function frequent() {
  const found = new Map();
  for (const r of requests) for (const d of counting(r)) {
    const path = d.path.replace(/\[\+?\d+\]/g, "[…]"), key = `${path} ${d.kind}`;
    const known = found.get(key) || { n: 0, path, part: d.path.replace(/\[\+?\d+\].*/, ""), kind: d.kind, candidate: d.candidate };
    known.n += 1; found.set(key, known);
  }
  return [...found.values()].sort((a, b) => b.n - a.n).slice(0, 12);
}
function search(text) { state.text = text.toLowerCase(); $("search").value = text; drawList(); const first = chosen()[0]; if (first) open(first[1]); }
const score = (m) => `${(100 * (1 - (m.survived || []).length / Math.max(1, m.total))).toFixed(2)} %`;
function mutations() {
  const m = report.mutations, survived = m.survived || [], excused = Object.entries(m.excused || {});
  const operations = Object.entries(m.by_operation || {});
  return [
    el("h2", {}, `Mutation score ${score(m)}`),
    el("p", { class: "sub" }, `Every field of every request that was right was changed, one at a time. ${m.caught.toLocaleString("en")} of ${m.total.toLocaleString("en")} changes were caught; a rule of the profile allows ${excused.reduce((n, [, k]) => n + k, 0).toLocaleString("en")}; ${survived.length || "none"} went unnoticed.`),
    survived.length ? el("section", { class: "panel" }, el("h3", {}, "Survived"), el("div", { class: "body" }, el("table", { class: "plain" }, el("tbody", {}, survived.slice(0, 500).map((each) => el("tr", {}, el("td", {}, each.operation), el("td", { class: "mono" }, each.path), el("td", {}, each.request))))))) : "",
    el("section", { class: "panel" }, el("h3", {}, "By operation"), el("div", { class: "body" }, el("table", { class: "plain" }, el("thead", {}, el("tr", {}, ["operation", "caught", "excused", "survived"].map((name, i) => el("th", { class: i ? "num" : "" }, name)))), el("tbody", {}, operations.map(([name, counts]) => el("tr", {}, el("td", {}, name), counts.map((n) => el("td", { class: "num" }, n.toLocaleString("en"))))))))),
    excused.length ? el("section", { class: "panel" }, el("h3", {}, "Rules that excuse"), el("div", { class: "body" }, el("table", { class: "plain" }, el("tbody", {}, excused.map(([rule, n]) => el("tr", {}, el("td", { class: "num" }, `${n} ×`), el("td", { class: "mono" }, rule))))))) : "",
  ];
}

/* --- keys --- */
function step(by) {
  const found = chosen().map(([, i]) => i);
  if (!found.length) return;
  const here = found.indexOf(state.at);
  open(found[here < 0 ? (by > 0 ? 0 : found.length - 1) : Math.min(found.length - 1, Math.max(0, here + by))]);
}
function jump(by) {
  const hits = [...$("detail").querySelectorAll("tr.hit, tr.moved")];
  if (!hits.length) return;
  state.focus = (state.focus + by + hits.length) % hits.length;
  hits.forEach((row, i) => row.classList.toggle("focus", i === state.focus));
  hits[state.focus].scrollIntoView({ block: "center" });
}
function theme(next) {
  document.documentElement.dataset.theme = next;
  try { localStorage.setItem("floway-theme", next); } catch { /* a file may have no storage */ }
}
const KEYS = {
  j: () => step(1), k: () => step(-1), n: () => jump(1), p: () => jump(-1), o: () => open(-1),
  f: () => { state.only = !state.only; drawTop(); drawList(); }, d: () => { state.lines = !state.lines; drawDetail(); },
  t: () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"),
  "/": () => $("search").focus(), "?": () => $("keys").showModal(),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
  if (event.target === $("search")) { if (event.key === "Escape" || event.key === "Enter") { $("search").blur(); if (event.key === "Enter") step(1); } return; }
  const layer = /^\d$/.test(event.key) ? LAYERS[(Number(event.key) + 9) % 10] : "";
  if (layer && (report.summary.by_layer || {})[layer]) pickLayer(layer);
  else if (KEYS[event.key]) KEYS[event.key]();
  else return;
  event.preventDefault();
});
$("search").addEventListener("input", () => { state.text = $("search").value.trim().toLowerCase(); drawList(); });
$("only").addEventListener("click", KEYS.f);
$("theme").addEventListener("click", KEYS.t);
$("help").addEventListener("click", KEYS["?"]);
$("home").addEventListener("click", (event) => { event.preventDefault(); open(-1); });

let saved = null;
try { saved = localStorage.getItem("floway-theme"); } catch { /* likewise */ }
document.documentElement.dataset.theme = saved || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
const start = /^#r(\d+)$/.exec(location.hash);
state.at = start && requests[Number(start[1])] ? Number(start[1]) : location.hash === "#mutations" && report.mutations ? -2 : -1;
drawTop(); drawList(); drawDetail();
